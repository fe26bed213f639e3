"""What squeue, sacct and sbatch print, and what follows from it.

(The real ones speak in tests/slurm/.)
"""

from pathlib import Path

import pytest

from runner.backends import BackendError, Look, State, _slurm_answers, slurm
from runner.backends._slurm_answers import ENDED, PENDING, RUNNING
from runner.backends.slurm import LOST, REFUSED, Slurm
from runner.submission import Submission
from schema.site import Needs, Site

NAMES = {"weir-a", "weir-b"}


def test_squeue_is_read_by_name_and_index() -> None:
    look = Look()
    text = (
        "18|17|0|RUNNING|None|weir-a\n"
        "17|17|1|PENDING|Priority|weir-a\n"
        "20|20|N/A|PENDING|JobHeldUser|weir-b\n"
        "5|5|N/A|RUNNING|None|somebody|else's\n"
        "19|17|2|SPAGHETTI|None|weir-a\n"
    )
    found, whole = _slurm_answers.queued(text, NAMES, look)
    assert whole
    assert {key: (seen.state, seen.job_id, seen.stuck) for key, seen in found.items()} == {
        ("weir-a", 0): (State.RUNNING, "17_0", False),
        ("weir-a", 1): (State.PENDING, "17_1", False),
        ("weir-b", 0): (State.PENDING, "20", True),
        ("weir-a", 2): (State.UNSURE, "17_2", False),
    }
    assert look.problems == [
        (
            "squeue",
            "squeue says 'SPAGHETTI' of a job, which is no state that Weir knows; the job is left as it is",
        )
    ]


def test_sacct_is_read_with_its_steps() -> None:
    text = (
        "17_0|weir-a|FAILED|1:0|0:125\n17_0.batch|batch|FAILED|1:0|\n17_0.0|python|OUT_OF_MEMORY|0:125|\n"
        "17_1|weir-a|CANCELLED by 1000|0:15|0:0\n17_[2-4,7%2]|weir-a|CANCELLED by 0|0:0|0:0\n"
        "21|weir-b|COMPLETED|0:0|0:0\n22|stranger|RUNNING|0:0|0:0\n22.0|python|OUT_OF_MEMORY|0:125|\n"
    )
    found, whole = _slurm_answers.accounts(text, NAMES, Look())
    assert whole
    assert {key: (seen.job_id, seen.kind) for key, seen in found.items()} == {
        ("weir-a", 0): ("17_0", "oom_host"),
        ("weir-a", 1): ("17_1", "cancelled"),
        **{("weir-a", n): (f"17_{n}", "cancelled") for n in (2, 3, 4, 7)},
        ("weir-b", 0): ("21", "no_result"),
    }
    assert found["weir-a", 1].reason == "CANCELLED by 1000, exit code 0:15"


def test_of_two_jobs_of_one_name_the_one_that_lives_counts() -> None:
    text = "17|17|N/A|CANCELLED|None|weir-a\n30|30|N/A|RUNNING|None|weir-a\n12|12|N/A|FAILED|None|weir-a\n"
    assert _slurm_answers.queued(text, NAMES, Look())[0]["weir-a", 0].job_id == "30"


def test_no_word_means_two_things() -> None:
    assert not PENDING & RUNNING and not (PENDING | RUNNING) & set(ENDED)


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ("sbatch: error: Batch job submission failed: Invalid partition name specified", True),
        ("sbatch: error: invalid partition specified: gpu", True),
        (
            "sbatch: error: Batch job submission failed: Requested node configuration is not available",
            True,
        ),
        (
            "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size)",
            True,
        ),
        ("sbatch: error: Batch job submission failed: Invalid job array specification", True),
        ("sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying", True),
        ("sbatch: unrecognized option '--partitoin'", True),
        (
            "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
            False,
        ),
        (
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
            False,
        ),
        (
            "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received",
            False,
        ),
        ("sbatch: error: Batch job submission failed: Unspecified error", False),
        ("", False),
    ],
)
def test_what_sbatch_says_is_a_refusal_only_when_nothing_can_have_been_queued(
    words: str, refused: bool
) -> None:
    assert bool(REFUSED.search(words) and not LOST.search(words)) == refused


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH with an sbatch in it."""
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", str(place), prepend=":")
    for name in ("sbatch", "srun", "squeue", "sacct"):
        (place / name).write_text("#!/bin/sh\nexit 0\n")
        (place / name).chmod(0o755)
    return place


def test_a_site_without_slurm_or_without_a_limit_is_told_what_to_do(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_path: Path
) -> None:
    with pytest.raises(BackendError, match="wants time_limit_minutes in site.toml"):
        Slurm(site)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        BackendError,
        match='no sbatch on PATH. Run sync where jobs are submitted, or set backend = "local"',
    ):
        Slurm(site)


def test_needs_become_options(folder: Path, on_path: Path) -> None:
    (folder / "site.toml").write_text(
        'backend = "slurm"\ntime_limit_minutes = 90\nmemory_gb = 32.5\ntrials_at_once = 4\nthreads_per_trial = 6\n'
        '[slurm]\npartition = "gpu"\nexclusive = true\nsetup = ["module load cuda"]\n'
        '[backbone."ViT-L-14"]\nmemory_gb = 80\ngpus_per_trial = 2\n[backbone."ViT-L-14".slurm]\nconstraint = "h100"\n'
    )
    site = Site.load()
    large = site.needs_of("ViT-L-14")
    assert (large.memory_gb, large.gpus_per_trial, dict(large.slurm)) == (
        80, 2, {"partition": "gpu", "exclusive": True, "constraint": "h100"},
    )  # fmt: skip
    assert site.needs_of("ViT-B-16") == site.needs
    batch = Submission(
        name="weir-a",
        backend="slurm",
        code=folder,
        threads=6,
        needs=site.needs,
        positions=[["000001/01"], ["000002/01"]],
        runs=site.runs,
    )
    said = Slurm(site).parameters(batch)
    assert (said["time"], said["mem"], said["cpus_per_task"], said["gpus_per_node"]) == (
        90,
        "33280M",
        6,
        1,
    )
    extra = said["additional_parameters"]
    assert (extra["array"], extra["no-requeue"], extra["partition"], extra["exclusive"]) == (
        "0-1%4",
        True,
        "gpu",
        True,
    )
    assert said["setup"][0] == "module load cuda"
    one = Submission(
        name="weir-a",
        backend="slurm",
        code=folder,
        threads=6,
        needs=Needs(time_limit_minutes=1),
        positions=[["000001/01"]],
        runs=site.runs,
    )
    assert "array" not in Slurm(site).parameters(one)[
        "additional_parameters"
    ] and "nodes" not in Slurm(site).parameters(one)
    wide = Needs(time_limit_minutes=1, gpus_per_trial=4, node_gpus=4, cpus_per_trial=50).spread(8)
    spread = Slurm(site).parameters(
        Submission(
            name="weir-a",
            backend="slurm",
            code=folder,
            threads=6,
            needs=wide,
            positions=[["000001/01"]],
            runs=site.runs,
        )
    )
    assert [
        spread[key] for key in ("nodes", "ntasks_per_node", "gpus_per_node", "cpus_per_task")
    ] == [2, 4, 4, 7]


def test_a_command_that_hangs_says_nothing(on_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (on_path / "squeue").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(slurm, "COMMAND_S", 0.2)
    assert slurm._asked(["squeue"]) == (None, "squeue did not answer within 0.2 s")
    assert slurm._asked(["no-such-command"])[0] is None


def test_a_manifest_is_read_back_as_it_was(site: Site) -> None:
    options = (("exclusive", True), ("partition", "gpu"))
    needs = Needs(
        time_limit_minutes=5, node_gpus=4, slurm=options, setup=("module load x",)
    ).spread(8)
    batch = Submission(
        name="weir-a",
        backend="slurm",
        code=site.code / "abc",
        threads=2,
        needs=needs,
        positions=[["000001/01", "000002/01"], ["000003/02"]],
        runs=site.runs,
    )
    batch.write()
    assert Submission.read(batch.folder) == batch
    assert batch.attempts(1) == [site.runs / "000003/02"]
    assert Submission.read(site.runs / "batches/none") is None
