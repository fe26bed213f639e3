"""Between the wish and the queue: sync dies at any step of a submission, sbatch lies, hangs,
refuses.
"""

import pytest

from runner.backends import slurm
from tests.faults.conftest import Staged
from tests.faults.stage import Stage
from tests.journey import Rows, done_once, settle
from tests.processes import command

REFUSAL = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"


@pytest.mark.parametrize(
    "step",
    [
        "runner.scheduler.submit:choose",
        "runner.scheduler.submit:plan",
        "runner.scheduler.submit:_record",
    ],
)
def test_f01_sync_is_killed_before_it_has_written_what_it_wants(stage: Stage, step: str) -> None:
    """kill -9 before the attempt rows are committed, also in the middle of their transaction (I8)."""
    stage.sync_dies(after=step)
    assert stage.attempts() == 0 and not stage.slurm.calls("sbatch")
    stage.settle()
    stage.done_once()
    assert stage.ends() == [(1, 1, "done", None), (2, 1, "done", None)]


@pytest.mark.parametrize("point", ["attempt_row", "folder", "asked"])
def test_f02_sync_is_killed_before_sbatch(stage: Stage, point: str) -> None:
    """kill -9 with the attempts written down and nothing submitted: they are given up or still
    offered (I2, I8)."""
    stage.sync_dies(crash_at=point)
    assert stage.attempts() == 2 and not stage.slurm.calls("sbatch")
    stage.settle()
    stage.done_once()
    # With the manifest on disk and sbatch not asked, the batch is still to be offered
    lost = 0 if point == "folder" else 2
    assert stage.ask("SELECT count(*) FILTER (WHERE kind = 'submit'), count(*) FROM outcome") == [
        (lost, 2 + lost)
    ]
    assert len(stage.slurm.calls("sbatch")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("refused_before", [False, True])
def test_f03_sync_is_killed_before_it_hears_the_job_id(stage: Stage, refused_before: bool) -> None:
    """kill -9 by sbatch itself, once the jobs are queued: found by name, adopted, not submitted
    again (I2, I8).
    """
    if refused_before:
        stage.slurm.refuse(REFUSAL, times=1)
        stage.sync()
    stage.slurm.kill_caller_after("sbatch")
    assert command(stage.folder, "runner.sync").returncode == -9
    assert (
        stage.ask("SELECT count(*) FROM submission") == [(0,)]
        and len(stage.slurm.jobs("PENDING")) == 2
    )
    stage.sync()
    assert stage.ask("SELECT trial, job_id FROM submission ORDER BY ALL") == [
        (1, "1_0"),
        (2, "1_1"),
    ]
    stage.settle()
    stage.done_once()
    assert stage.attempts() == 2 and len(stage.slurm.calls("sbatch")) == 1 + refused_before


@pytest.mark.slow
@pytest.mark.parametrize(
    "step",
    ["submitit.core.utils:JobPaths.move_temporary_file", "runner.submission:Submission.answered"],
)
def test_f04_sync_is_killed_before_submitit_has_put_the_pickle_there(
    staged: Staged, trained: Rows, step: str
) -> None:
    """The job finds what it needs under a name of its own, and runs (I3)."""
    stage = staged(hold=False)
    stage.sync_dies(before=step)
    settle(stage.site)
    done_once(stage.site, trained)
    assert stage.attempts() == 2 and len(stage.slurm.calls("sbatch")) == 1


@pytest.mark.parametrize("refused_before", [False, True])
def test_f11_sbatch_fails_but_the_jobs_are_queued(
    stage: Stage, refused_before: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """`Socket timed out`, exit code 1, and the jobs are there: found by name, not submitted again
    (I2, I7).
    """
    if refused_before:
        stage.slurm.refuse(REFUSAL, times=1)
        stage.sync()
    stage.slurm.accept_but_fail()
    said = stage.say(capsys, code=1)
    assert (
        "0 submitted" in said
        and "slurm may or may not have taken it, and will be looked at: sbatch: error: " in said
    )
    assert "Socket timed out" in said
    stage.settle()
    stage.done_once()
    assert stage.attempts() == 2 and len(stage.slurm.calls("sbatch")) == 1 + refused_before


def test_f11_the_jobs_show_up_after_they_have_been_given_up(stage: Stage) -> None:
    """squeue overtakes a submission, so the attempts are given up and made anew: what starts late
    finds them revoked (I2).
    """
    stage.slurm.accept_but_fail()
    stage.sync()
    stage.slurm.forget("1")
    stage.sync_patiently()
    assert stage.ask("SELECT trial, attempt, kind FROM outcome ORDER BY ALL") == [
        (1, 1, "submit"),
        (2, 1, "submit"),
    ]
    stage.slurm.remember("1")
    stage.settle()
    stage.done_once()
    assert sorted(stage.ran) == ["1/2", "2/2"]


@pytest.mark.parametrize("accepted", [False, True])
def test_f12_sbatch_hangs(stage: Stage, monkeypatch: pytest.MonkeyPatch, accepted: bool) -> None:
    """It is ended after SBATCH_S, whether or not it had queued the jobs, and nothing runs twice
    (I2, I11).
    """
    # Enough for an sbatch that does answer, on a machine that others use
    monkeypatch.setattr(slurm, "SBATCH_S", 1.5)
    stage.slurm.hang("sbatch", 60, accepted=accepted, times=1)
    report = stage.sync()
    ((_, message),) = report.problems
    assert (
        "may or may not have taken it" in message and "sbatch said nothing within 1.5 s" in message
    )
    stage.settle()
    stage.done_once()
    assert stage.attempts() == (2 if accepted else 4)


def test_f12_the_queue_is_full(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """At MaxJobCount sbatch sleeps and tries again for two minutes: ended; the batch waits, says
    why, and is offered again (I11).
    """
    # Enough for an sbatch that does answer, on a machine that others use
    monkeypatch.setattr(slurm, "SBATCH_S", 1.5)
    stage.slurm.config(MaxJobCount=2)
    for _ in range(2):
        report = stage.sync()
        assert report.submitted == 0 and report.running == 2
        assert [
            (state, "temporarily unable to accept job" in reason)
            for _, state, reason, _ in stage.states()
        ] == [
            ("submitting", True),
            ("submitting", True),
        ]
    stage.slurm.config(MaxJobCount=10)
    stage.settle()
    stage.done_once()
    assert stage.attempts() == 2


@pytest.mark.parametrize(
    ("largest", "sizes"), [(1001, [5]), (2, [2, 2, 1]), (1, [1] * 5), (0, [1] * 5)]
)
def test_f13_arrays_are_limited(staged: Staged, largest: int, sizes: list[int]) -> None:
    """MaxArraySize bounds the largest index; 0 switches arrays off: shorter arrays, or plain jobs
    (I3).
    """
    stage = staged(seeds=5)
    stage.slurm.config(MaxArraySize=largest)
    stage.sync()
    assert [
        len([job for job in stage.slurm.jobs() if job["name"] == name]) for name in names(stage)
    ] == sizes
    stage.settle()
    stage.done_once(5)


def names(stage: Stage) -> list[str]:
    """The batches that are queued, in the order in which they were."""
    return list(dict.fromkeys(job["name"] for job in stage.slurm.jobs()))


def test_f14_the_third_of_five_chunks_is_refused(staged: Staged) -> None:
    """The accepted ones stay, the others wait and say why, and follow when there is room (I3, I16)."""
    stage = staged(seeds=10)
    stage.slurm.config(MaxArraySize=2)
    stage.slurm.refuse(REFUSAL, after=2)
    report = stage.sync()
    # What it said once it would say to all
    assert report.submitted == 4 and len(stage.slurm.calls("sbatch")) == 3
    assert any(
        "slurm refuses it, and will be asked again" in message and REFUSAL in message
        for _, message in report.problems
    )
    assert [state for _, state, _, _ in stage.states()] == ["running"] * 4 + ["submitting"] * 6
    assert REFUSAL in stage.states()[4][2]
    assert stage.ask("SELECT count(*) FROM submission") == [(4,)]
    stage.sync_patiently()
    assert stage.ask("SELECT count(*) FROM submission") == [(4,)]
    stage.slurm.heal()
    stage.settle()
    stage.done_once(10)


@pytest.mark.slow
def test_f14_a_limit_that_lets_one_batch_in_at_a_time_uses_up_no_retries(staged: Staged) -> None:
    """Chunks that were never offered are not attempts that failed: however often it happens, all
    trials get done (I3, I11).
    """
    stage = staged(seeds=6, text="[retries]\nsubmit = 1\n")
    stage.slurm.config(MaxArraySize=1)
    for _ in range(8):
        stage.slurm.heal()
        stage.slurm.refuse(REFUSAL, after=1)
        stage.sync()
        stage.work()
    stage.slurm.heal()
    stage.settle()
    stage.done_once(6)
    assert stage.attempts() == 6


def test_f14_a_refusal_that_concerns_some_trials_does_not_hold_up_others(staged: Staged) -> None:
    """sbatch refuses the jobs of one backbone (a partition that is not there): those of the others
    are offered (I3).
    """
    stage = staged(text='[backbone.toy.slurm]\npartition = "gone"\n')
    stage.tell(
        "INSERT INTO backbone (name, architecture) SELECT 'small', architecture FROM backbone WHERE name = 'toy'"
    )
    stage.tell(
        "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed) "
        "SELECT 'small', stream, mixture, method, recipe, budget, 2 FROM trial WHERE seed = 0"
    )
    for _ in range(2):
        report = stage.sync()
        assert any("invalid partition specified: gone" in message for _, message in report.problems)
    assert [job["name"] for job in stage.slurm.jobs()] == [stage.run(3).assignment().batch]
    (stage.folder / "site.toml").write_text(
        (stage.folder / "site.toml").read_text().replace("gone", "main")
    )
    stage.settle()
    stage.done_once(3)


@pytest.mark.slow
def test_f14_what_one_backend_refuses_another_may_have(staged: Staged, trained: Rows) -> None:
    """The person gives up on the cluster and runs it here: what was refused is not held for ever
    (I3).
    """
    stage = staged(text='trials_per_job = 2\n[slurm]\npartition = "gone"\n')
    stage.sync()
    (stage.folder / "site.toml").write_text(
        (stage.folder / "site.toml").read_text().replace('"slurm"', '"local"')
    )
    settle(stage.site)
    done_once(stage.site, trained)
    assert stage.ask("SELECT DISTINCT backend FROM submission") == [("local",)]
