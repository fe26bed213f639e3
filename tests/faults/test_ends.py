"""How attempts end: out of memory, the same error again and again, and clocks that do not agree."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import torch

from runner import job, unix
from runner.run_folder import RunFolder, read_json, write_json
from runner.submission import Submission
from runner.worker.outcome import kind_of
from schema.site import Needs
from tests.faults.conftest import Staged
from tests.faults.stage import PATIENCE_S, Stage, write_outcome
from tests.processes import ROOT

DAY_S = 86400.0


# ---------------------------------------------------------------- F28: memory


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "oom_host"),
        (torch.OutOfMemoryError("CUDA out of memory"), "oom_gpu"),
        (
            RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"
            ),
            "oom_host",
        ),
        (RuntimeError("something else"), "error"),
    ],
)
def test_f28_the_worker_meets_the_end_of_memory_itself(error: Exception, kind: str) -> None:
    """An exception, of the host or of the GPU, has a kind of its own (I11)."""
    assert kind_of(error) == kind


@pytest.mark.parametrize(
    ("controllers", "file"),
    [("", "memory.events"), ("memory", "memory.oom_control")],
    ids=["cgroup v2", "cgroup v1"],
)
def test_f28_the_kernel_kills_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, controllers: str, file: str
) -> None:
    """SIGKILL and a control group that counts one more: the job speaks for its worker, and says
    what to do (I11).
    """
    me, root = tmp_path / "cgroup", tmp_path / "sys"
    me.write_text(f"7:cpu:/elsewhere\n3:{controllers}:/slurm/job_1\n")
    events = (root / "memory" if controllers else root) / "slurm/job_1" / file
    # The kernel does not say
    assert unix.oom_kills(root, me) == 0
    events.parent.mkdir(parents=True)
    events.write_text("low 0\nunder_oom 1\noom 5\noom_kill 2\n")
    assert unix.oom_kills(root, me) == 2

    batch = Submission(
        name="weir-1",
        backend="slurm",
        code=ROOT,
        threads=1,
        needs=Needs(),
        positions=[["000001/01"]],
        runs=tmp_path / "runs",
    )
    run = RunFolder(tmp_path / "runs/000001/01")
    run.path.mkdir(parents=True)
    count = unix.oom_kills
    monkeypatch.setattr(job, "oom_kills", lambda: count(root, me))
    shim = job.Shim(batch, 0, None)
    events.write_text("oom_kill 3\n")
    shim.speak_for(job.Worker(run, bytearray(1), "2026-01-01T00:00:00Z"), -9)  # type: ignore[arg-type]
    said = read_json(run.path / "outcome.json")
    assert (said["state"], said["kind"]) == ("lost", "oom_host")
    assert (
        "killed by SIGKILL; the kernel says: out of memory. Raise memory_gb in site.toml, then request a retry"
        in said["message"]
    )


@pytest.mark.parametrize("where", ["step", "job"])
def test_f28_slurm_kills_the_job(staged: Staged, where: str) -> None:
    """OUT_OF_MEMORY, often said of a step only: not tried again before a person has given it more
    (I11).
    """
    stage = staged()
    stage.sync()
    stage.begin(1)
    stage.finish(2)
    steps = [["batch", "FAILED", "1:0"], ["0", "OUT_OF_MEMORY", "0:125"]]
    stage.slurm.set_state(
        stage.job(1),
        "OUT_OF_MEMORY" if where == "job" else "FAILED",
        exit="1:0",
        derived="0:125",
        steps=steps,
    )
    stage.sync_patiently()
    stage.settle()
    assert stage.ends() == [(1, 1, "lost", "oom_host"), (2, 1, "done", None)]
    assert (
        stage.states()[0][1] == "failed"
        and "Raise memory_gb in site.toml, then request a retry" in stage.states()[0][2]
    )
    (stage.folder / "site.toml").write_text(
        (stage.folder / "site.toml").read_text() + "memory_gb = 3\n"
    )
    stage.tell("INSERT INTO request (trial, wish) VALUES (1, 'retry')")
    stage.sync()
    script = next(
        (stage.site.runs / "batches" / stage.run(1, 2).assignment().batch).glob("*_submission.sh")
    )
    assert "#SBATCH --mem=3072M" in script.read_text()
    stage.settle()
    stage.done_once(twice=["1/1"])


def test_f28_a_gpu_that_is_too_small_is_not_tried_again(stage: Stage) -> None:
    """The same trial would meet the same end (I11)."""
    stage.sync()
    write_outcome(stage.begin(1), "failed", "oom_gpu", "OutOfMemoryError: CUDA out of memory")
    stage.slurm.set_state(stage.job(1), "FAILED")
    stage.settle()
    assert stage.ends() == [(1, 1, "failed", "oom_gpu"), (2, 1, "done", None)]
    assert stage.states()[0][:2] == (1, "failed")
    assert "by the profile of no recipe it is known to fit" in stage.states()[0][2]


# ---------------------------------------------------------------- F29: a mistake in the whole grid


def fail_all(stage: Stage, passes: int) -> None:
    """Every job that starts ends with the same error, at some other step."""
    for _ in range(passes):
        stage.sync()
        for number, each in enumerate(stage.slurm.jobs("PENDING")):
            batch = Submission.read(stage.site.runs / "batches" / each["name"])
            assert batch is not None
            (path,) = batch.attempts(int(each["index"] or 0))
            run = RunFolder(path)
            if run.claim():
                stage.ran.append(f"{run.assignment().trial}/{run.assignment().attempt}")
                write_outcome(
                    run,
                    "failed",
                    "error",
                    f"ValueError: no such layer at 0x{number:x} in step {17 + number}",
                )
            stage.slurm.set_state(each["id"], "FAILED")


def test_f29_every_trial_fails_in_the_same_way(staged: Staged) -> None:
    """After five the rest of the study waits for a person, who is told why; a retry request lets it
    go on (I11, I16).
    """
    stage = staged(seeds=12, text="max_in_flight = 3\n")
    fail_all(stage, passes=8)
    assert 5 <= len(stage.ran) <= 5 + 3 and len(set(stage.ran)) == len(stage.ran)
    left = 12 - len(stage.ran)
    states = stage.ask("SELECT state, reason, count(*) FROM trial_state GROUP BY ALL ORDER BY ALL")
    held = "held: too many trials of its study failed the same way; insert a retry request to go on"
    assert ("waiting", held, left) in states
    report = stage.sync()
    assert report.submitted == 0 and report.pending == 0

    stage.tell(
        "INSERT INTO request (trial, wish) SELECT trial, 'retry' FROM trial_state WHERE state = 'failed'"
    )
    failed = list(stage.ran)
    stage.settle()
    stage.done_once(12, twice=failed)


def test_f29_one_way_to_fail_does_not_hold_another_study(staged: Staged) -> None:
    """Only the study whose trials fail is held (I3)."""
    stage = staged(seeds=12, text="max_in_flight = 3\n")
    stage.tell("UPDATE trial SET study = 'other', priority = -1 WHERE seed >= 10")
    fail_all(stage, passes=2)
    stage.settle()
    assert stage.ask("SELECT study, state, count(*) FROM trial_state GROUP BY ALL ORDER BY ALL") == [
        ("other", "done", 2), ("toy", "failed", 6), ("toy", "waiting", 4),
    ]  # fmt: skip


# ---------------------------------------------------------------- F32: clocks


class Clock:
    """This machine's clock, which somebody sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead_s, real = 0.0, time.time
        monkeypatch.setattr(time, "time", lambda: real() + self.ahead_s)


@pytest.mark.parametrize("jump_s", [-DAY_S, -1.0, DAY_S])
def test_f32_the_clock_is_set_while_a_job_is_missed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    """One that goes back begins the wait anew, and does not prolong it by a day; neither way is a
    live attempt given up (I3, I7).
    """
    clock = Clock(monkeypatch)
    stage.sync()
    run = stage.begin(1)
    stage.finish(2)
    stage.slurm.forget(stage.job(1))
    stage.sync()
    clock.ahead_s = jump_s
    # It lives, on a node with a clock of its own
    os.utime(run.path / "alive", ns=(1, 1))
    stage.sync()
    assert stage.ends() == [(2, 1, "done", None)]
    time.sleep(PATIENCE_S)
    stage.sync()
    assert stage.ends()[0] == (1, 1, "lost", "killed")
    stage.settle()
    stage.done_once(twice=["1/1"])


@pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(days=-1)])
def test_f32_a_node_has_another_time(stage: Stage, ahead: timedelta) -> None:
    """A day off, or set back while a trial ran: its results count like any other, and no duration
    is negative (I6).
    """
    stage.sync()
    begin = datetime.now(UTC) + ahead
    for trial, lasted in ((1, timedelta(hours=-3)), (2, timedelta(hours=1))):
        run = stage.finish(
            trial, started_at=begin.isoformat(), finished_at=(begin + lasted).isoformat()
        )
        for path in run.path.iterdir():
            os.utime(path, (begin.timestamp(), begin.timestamp()))
    stage.settle()
    stage.done_once()
    assert stage.ask("SELECT hours FROM status") == [(1.0,)]


@pytest.mark.parametrize("ahead_s", [DAY_S, -DAY_S])
def test_f32_the_file_server_has_another_time(stage: Stage, ahead_s: float) -> None:
    """How long ago a withdrawn worker was told to end is read off one clock: it has its time for a
    checkpoint (I7).
    """
    stage.sync()
    run = stage.begin(1)
    stage.finish(2)
    stage.tell("INSERT INTO request (trial, wish) VALUES (1, 'withdraw')")
    stage.sync()
    then = time.time() + ahead_s
    os.utime(run.path / "stop.json", (then, then))
    stage.sync()
    assert stage.slurm.calls("scancel") == []
    write_json(run.path / "stop.json", {"at": "", "at_s": time.time() - 700})
    stage.sync()
    assert stage.slurm.calls("scancel") == [["scancel", stage.job(1)]]


@pytest.mark.parametrize("minutes", [5, 60 * 24])
def test_f32_a_person_wishes_on_a_machine_whose_clock_is_behind(stage: Stage, minutes: int) -> None:
    """A wish for a retry counts, though by its time it is older than the attempt it is about (I6)."""
    stage.sync()
    write_outcome(stage.begin(1), "failed", "error", "ValueError: no")
    stage.slurm.set_state(stage.job(1), "FAILED")
    stage.settle()
    stage.tell(
        f"INSERT INTO request (trial, wish, created_at) VALUES (1, 'retry', now() - INTERVAL {minutes} MINUTE)"
    )
    assert stage.states()[0][1] == "pending"


def test_an_end_is_told_once(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """The file of a killed worker is read again at every pass, since a late end would correct it."""
    caplog.set_level("INFO")
    stage.sync()
    run = stage.begin(1)
    write_outcome(run, "lost", kind="killed", message="the worker was killed")
    stage.finish(2)
    for _ in range(4):
        stage.sync()
    assert stage.ends()[0] == (1, 1, "lost", "killed")
    assert caplog.text.count("trial 1 attempt 1 ended: lost: killed: the worker was killed") == 1
