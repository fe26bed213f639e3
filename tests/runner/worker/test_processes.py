"""Several processes that train one trial give what one gives, to rounding; and end together."""

import contextlib
import json
import os
import signal
import socket
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from methods.compute import distributed
from methods.compute.distributed import ALONE
from runner.backends.local import Local
from runner.run_files import Outcome
from runner.run_folder import RunFolder, read_json
from runner.scheduler.choose import choose
from runner.trial import main
from runner.worker import crew
from runner.worker.crew import Crew
from runner.worker.processes import Place, join, launched
from runner.worker.rank_reports import read_reports, write_report
from schema.catalog import Catalog
from schema.site import Needs, Site
from schema.spec import Spec
from tests.journey import LOCAL, declare, eventually, tell
from tests.processes import SPAWN, attempt, run_trial
from tests.runner.test_trial import brought, spec_of
from tests.toy import DATA, mixed


def test_one_process_is_all_of_them() -> None:
    rows = torch.arange(6.0)
    assert (distributed.ranks(), distributed.rank(), distributed.part(6)) == (1, 0, slice(0, 6))
    assert distributed.joined() == ALONE
    assert ALONE.padded(rows) is rows and ALONE.gathered(rows, 6) is rows
    assert (
        distributed.agreed(3, 4) == (3, 4)
        and distributed.total(2.5) == 2.5
        and distributed.most(2, 5) == (2, 5)
    )


def test_processes_that_others_started_say_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert launched() is None
    for name, value in {
        "TORCHELASTIC_RUN_ID": "x",
        "RANK": "3",
        "WORLD_SIZE": "8",
        "LOCAL_RANK": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert launched() == Place(3, 8, 1)


def test_tasks_of_slurm_find_each_other_at_the_first_node_or_where_the_site_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = {
        "SUBMITIT_EXECUTOR": "slurm",
        "SLURM_JOB_ID": "77",
        "SLURM_STEP_NUM_TASKS": "8",
        "SLURM_NTASKS": "8",
    }
    said |= {
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_NODEID": "1",
        "SLURM_JOB_NODELIST": "gpu[07-08]",
        "SLURM_PROCID": "5",
        "SLURM_LOCALID": "1",
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    assert launched() == Place(5, 8, 1)
    assert (
        os.environ["MASTER_ADDR"] == "gpu07" and 20_000 <= int(os.environ["MASTER_PORT"]) <= 60_000
    )
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.7")
    assert launched() == Place(5, 8, 1) and os.environ["MASTER_ADDR"] == "10.0.0.7"


OWN = Outcome(state="failed", kind="error", message="ValueError: no such class")
CUT = Outcome(
    state="failed",
    kind="error",
    message="RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed "
    "by peer [10.0.0.8]:21",
)
TOLD = Outcome(state="failed", kind="preempted", message="told to end")
KILLED = Outcome(
    state="lost", kind="killed", message="process 2 of 3: the worker was killed by SIGKILL"
)
GONE = Outcome(
    state="lost",
    kind="killed",
    message=f"of 3 processes on several nodes no word came from [2]: {CUT.message}",
)


@pytest.mark.parametrize(
    ("own", "heard", "cause"),
    [
        (TOLD, {2: (KILLED, 1.0)}, TOLD),
        (CUT, {1: (CUT, 9.0), 2: (KILLED, 9.0)}, KILLED),
        (CUT, {1: (OWN, 4.0), 2: (CUT, 4.5)}, OWN),
        (OWN, {1: (CUT, 6.0), 2: (CUT, 7.0)}, OWN),
        (OWN, {1: (CUT, 6.0)}, OWN),
        (CUT, {1: (CUT, 6.0)}, GONE),
    ],
    ids=[
        "its own end",
        "another was killed",
        "another failed first",
        "it failed first",
        "another says nothing",
        "another is gone",
    ],
)
def test_why_processes_on_several_nodes_ended(
    own: Outcome,
    heard: dict[int, tuple[Outcome, float]],
    cause: Outcome,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first of three failed at 5.0; the others have left their reports in the run folder."""
    monkeypatch.setattr(crew, "PATIENCE_S", 0.1)
    monkeypatch.setattr(distributed, "ranks", lambda: 3)
    monkeypatch.setattr(crew.time, "time", lambda: 5.0)
    run = RunFolder(tmp_path)
    for rank, (outcome, at) in heard.items():
        write_report(run, rank, outcome, at)
    first = Crew(run, "2026-01-01")
    with contextlib.suppress(RuntimeError), first:
        raise RuntimeError
    first.end(own)
    outcome = run.outcome()
    assert outcome is not None
    assert Outcome(state=outcome.state, kind=outcome.kind, message=outcome.message) == cause


@pytest.mark.parametrize("forked", [False, True])
def test_the_first_waits_for_the_end_of_the_others(
    forked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a report from another node, or for a process that it forked and that still runs."""
    monkeypatch.setattr(distributed, "ranks", lambda: 2)
    run = RunFolder(tmp_path)
    first = Crew(run, "2026-01-01")
    if forked:
        first.meeting, first.running = str(tmp_path / "meeting"), {1}

    def report() -> None:
        write_report(run, 1, KILLED, 4.0)
        first.running.discard(1)

    later = threading.Timer(0.2, report)
    later.start()
    first.end(CUT)
    later.join()
    outcome = run.outcome()
    assert outcome is not None and outcome.message == KILLED.message


def test_a_forked_process_that_is_over_without_a_report_has_not_gone_on_another_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "ranks", lambda: 2)
    first = Crew(RunFolder(tmp_path), "2026-01-01")
    first.meeting = str(tmp_path / "meeting")
    first.end(CUT)
    outcome = first.run.outcome()
    assert outcome is not None and outcome.message == CUT.message
    # It removes the place where they met, and returns, as nobody forked it
    (tmp_path / "meeting").mkdir()
    assert first.leave(3) == 3 and not (tmp_path / "meeting").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"state": 3, "at": 1.0}', '{"at": "soon"}'])
def test_a_damaged_report_of_a_process_does_not_keep_the_first_from_its_own(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = RunFolder(tmp_path)
    run.words(1).write_text(content)
    write_report(run, 2, KILLED, 4.0)
    assert [(rank, report.outcome) for rank, report in read_reports(run, 3).items()] == [
        (2, KILLED)
    ]
    assert str(run.words(1)) in caplog.text


def test_a_process_without_a_gpu_says_what_to_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(
        RuntimeError,
        match="process 1 of 2 has no GPU: this machine shows 1. Set gpus_per_trial in site.toml",
    ):
        join(Place(1, 2, 1))


def with_ranks(name: str, ranks: int, **more: Any) -> Spec:
    """With an optimizer that does not make steps of a normal size out of gradients that are nothing but rounding."""
    said = json.loads(spec_of(name).to_json())
    said["recipe"] |= {"optimizer": "sgd", "lr": 0.05, "compute_params": {"ranks": ranks}}
    return Spec.from_row({**said, **{key: said[key] | value for key, value in more.items()}})


def assert_same(one: Path, other: Path) -> None:
    """The same but for rounding."""
    first, second = brought(one), brought(other)
    for key in first:
        if key.startswith("curve"):
            assert [row[:1] for row in first[key]] == [row[:1] for row in second[key]]
            torch.testing.assert_close(
                torch.tensor(first[key]), torch.tensor(second[key]), rtol=2e-5, atol=1e-6
            )
        elif key.startswith("cost"):
            assert [(row[0], *row[2:]) for row in first[key]] == [
                (row[0], *row[2:]) for row in second[key]
            ]
    weights = [
        load_file(next(runs.glob("**/task-0002.deployed.safetensors"))) for runs in (one, other)
    ]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_killed_and_gone_on_from_by_as_many_or_by_one(tmp_path: Path) -> None:
    """Two processes are one to rounding; killed and resumed, two are two to the bit, and one is one to rounding. Low-rank updates,
    a penalty, tasks that begin from what the first process has merged, and what lies between two of them."""
    merged = {
        "merging": "interpolate",
        "merging_params": {"weight": 0.5},
        "start": "merged",
        "deploy": "merged",
    }
    stream = {"suite": spec_of("connected").stream["suite"]}
    spec, alone = (
        with_ranks("toy_lora_ewc", ranks, method=merged, stream=stream) for ranks in (2, 1)
    )
    for runs in ("two", "one", "killed", "fewer"):
        if runs in ("killed", "fewer"):
            assert run_trial(attempt(tmp_path / runs, spec, 1, DATA), crash_at="step:6") == -9
        again = attempt(
            tmp_path / runs,
            alone if runs == "one" else spec,
            1 + (runs in ("killed", "fewer")),
            DATA,
        )
        process = begun(again, **(by_torchrun() if runs == "fewer" else {}))
        process.join()
        assert process.exitcode == 0
    assert brought(tmp_path / "killed") == brought(tmp_path / "two")
    assert_same(tmp_path / "one", tmp_path / "two")
    assert_same(tmp_path / "one", tmp_path / "fewer")


@pytest.mark.slow
def test_processes_say_the_same_shares_and_go_on_with_them(tmp_path: Path) -> None:
    """What two measure is what one does, to rounding; killed and resumed it is so to the bit."""
    found = {}
    for runs, ranks, number in (("two", 2, 1), ("one", 1, 1), ("killed", 2, 2)):
        spec = with_ranks("toy_ema", ranks, mixture=mixed("bandit"))
        if number == 2:
            assert run_trial(attempt(tmp_path / runs, spec, 1, DATA), crash_at="step:6") == -9
        assert run_trial(attempt(tmp_path / runs, spec, number, DATA)) == 0
        found[runs] = brought(tmp_path / runs)
    assert found["killed"] == found["two"]
    for task in (1, 2):
        said = {}
        for runs in ("one", "two"):
            rows = found[runs][f"statistic {task}"]
            said[runs] = {row[1:-1]: row[-1] for row in rows if str(row[1]).startswith("mixing_")}
        assert len(said["one"]) > 9 and said["two"] == pytest.approx(said["one"], rel=1e-4)


def _learn(folder: str, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    tempfile.tempdir = None  # it is looked for again
    raise SystemExit(main([folder]))


def begun(folder: Path, **environment: str) -> Any:
    """The process of `python -m runner.trial FOLDER`."""
    process = SPAWN.Process(target=_learn, args=(str(folder), environment))
    process.start()
    return process


def by_torchrun() -> dict[str, str]:
    """What `torchrun --nproc-per-node 1` says to its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "TORCHELASTIC_RUN_ID": "x"}
    return place | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def others(pid: int) -> list[int]:
    """The processes that one has forked."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["first", "second"])
def test_what_happens_to_one_process_happens_to_all(whom: str, tmp_path: Path) -> None:
    """The first is told to end: all stop at one checkpoint. The second is killed: the attempt is lost, and nobody waits."""
    spec = with_ranks("toy_ema", 2, budget={"total": 1_000_000})
    folder = attempt(tmp_path, spec, 1, DATA)
    (meetings := tmp_path / "tmp").mkdir()
    process = begun(folder, TMPDIR=str(meetings))
    assert process.pid is not None
    assert eventually(lambda: any(folder.glob("checkpoint-0001-*[1-9].json")))
    assert list(meetings.glob("weir-ranks-*/store")), (
        "where they meet stays: the slowest may still be on its way"
    )
    second = others(process.pid)[0]
    os.kill(
        process.pid if whom == "first" else second,
        signal.SIGTERM if whom == "first" else signal.SIGKILL,
    )
    process.join(180)
    said = read_json(RunFolder(folder).words()) or {}
    if whom == "first":
        assert (said["state"], said["kind"], process.exitcode) == ("failed", "preempted", 1)
        assert not list(meetings.glob("weir-ranks-*"))
        done = int(said["message"].partition("after ")[2].partition(" of")[0])
        assert (folder / f"checkpoint-0001-{done:06d}.json").exists()
    else:
        assert (said["state"], said["kind"], process.exitcode) == ("lost", "killed", 1)
        assert (
            said["message"] == "process 1 of 2 was killed by SIGKILL, and the others ended with it"
        )
    assert eventually(lambda: not Path(f"/proc/{second}").exists()), (
        "it ends by itself, perhaps a moment later"
    )
    assert said["started_at"] <= said["finished_at"]
    assert (read_json(folder / "claim") or {})["pid"] == process.pid


def test_a_site_with_fewer_gpus_than_ranks_is_told_what_to_set(folder: Path) -> None:
    site = declare(folder, LOCAL, 1)
    tell(site, "UPDATE recipe SET compute_params = '{\"ranks\": 2}'")
    with Catalog(site.catalog).open() as connection:
        (refused,) = choose(site, connection, 4, None).refused
        assert (
            "trains with 2 ranks, and a job has 1 GPU: set gpus_per_trial = 2 in site.toml, for all or under"
            in refused.message
        )
        for enough in (0, 2):
            chosen = choose(
                replace(site, needs=replace(site.needs, gpus_per_trial=enough)), connection, 4, None
            )
            assert (chosen.attempts, chosen.refused) == (1, [])


def test_more_ranks_than_a_node_has_gpus_are_refused_before_there_is_a_job(folder: Path) -> None:
    site = declare(folder, LOCAL, 1)
    tell(site, "UPDATE recipe SET compute_params = '{\"ranks\": 8}'")
    (folder / "site.toml").write_text("gpus_per_trial = 8\nnode_gpus = 4\n")
    with Catalog(site.catalog).open() as connection:
        (refused,) = choose(
            replace(site, needs=Site.load(folder).needs), connection, 4, None
        ).refused
        words = "trains with 8 ranks, and a node takes 4 (node_gpus in site.toml); the backend local is one node. Use a recipe with "
        assert (
            words
            + "at most 4 ranks (chunk_pairs keeps its batch whole), or a backend with several nodes"
            in refused.message
        )
        for node_gpus, gpus in ((8, 8), (0, 8), (4, 0)):
            needs = replace(site.needs, gpus_per_trial=gpus, node_gpus=node_gpus)
            assert choose(replace(site, needs=needs), connection, 4, None).attempts == 1
        alone = replace(site, needs=replace(site.needs, gpus_per_trial=0, ranks_per_node=2))
        assert (
            "and a node takes 2 (ranks_per_node in site.toml)"
            in choose(alone, connection, 4, None).refused[0].message
        )
        cluster = replace(
            site,
            needs=replace(site.needs, gpus_per_trial=1, node_gpus=4, trials_per_job=5),
            backend="slurm",
        )
        ((needs, job),) = choose(cluster, connection, 4, None).jobs
        assert (needs.ranks, needs.nodes, needs.gpus_per_node, needs.trials_per_job, len(job)) == (
            8,
            2,
            4,
            1,
            1,
        )
        assert choose(cluster, connection, 4, None, {needs}).attempts == 0, (
            "what was refused to one is not asked for again"
        )


@pytest.mark.parametrize(
    ("ranks", "most", "shape"),
    [
        (4, 4, (1, 1)),
        (8, 4, (2, 4)),
        (6, 4, (2, 3)),
        (5, 4, (5, 1)),
        (12, 8, (2, 6)),
        (9, 0, (1, 1)),
    ],
)
def test_processes_are_spread_over_as_few_nodes_as_take_the_same_number_each(
    ranks: int, most: int, shape: tuple[int, int]
) -> None:
    for said in (
        Needs(gpus_per_trial=1, node_gpus=most),
        Needs(gpus_per_trial=0, node_gpus=2, ranks_per_node=most),
    ):
        needs = said.spread(ranks)
        assert (needs.nodes, needs.tasks_per_node) == shape
        assert needs.gpus_per_node == (said.gpus_per_trial and shape[1])
        assert needs.spread(ranks) == needs and (needs == said) is (shape[0] == 1)


def test_a_local_job_has_gpus_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4")
    wide = Needs(gpus_per_trial=2)
    place = Local(replace(Site.load(folder), needs=wide))
    assert place.slots == 2 and [place.devices(slot, 2) for slot in range(2)] == [
        ["0", "1"],
        ["2", "3"],
    ]
    assert place.devices(1, 1) == ["2"] and place.devices(0, 0) == ["0"]
    plain = Local(Site.load(folder))
    assert plain.slots == 5 and [plain.devices(slot, 1) for slot in (0, 4, 5)] == [
        ["0"],
        ["4"],
        ["0"],
    ]
    mixed = Local(replace(Site.load(folder), by_backbone={"large": wide}))
    assert mixed.slots == 2 and mixed.devices(1, 1) == ["2"]
