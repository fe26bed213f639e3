"""People at the same files and jobs: open sessions, scancel, hold, rows deleted and edited, wishes
that come too late.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.backends.slurm import Slurm
from runner.submission import Submission
from tests.faults.conftest import Staged
from tests.faults.stage import Stage, write_outcome

BUSY = "lock_wait_s = 0.2\n"


@contextmanager
def session(catalog: Path, read_only: bool = False) -> Iterator[int]:
    """A person's own DuckDB in another terminal; its PID."""
    code = f"import sys, duckdb; c = duckdb.connect(sys.argv[1], read_only={read_only}); print('open', flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(catalog)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n"
    try:
        yield process.pid
    finally:
        process.communicate(b"\n")


# ---------------------------------------------------------------- F9, F10: sessions


@pytest.mark.slow
@pytest.mark.parametrize("read_only", [False, True])
def test_f09_f10_a_session_holds_the_catalog(
    staged: Staged, capsys: pytest.CaptureFixture[str], read_only: bool
) -> None:
    """Sync waits a bounded time, says who has it, and has done nothing (I13, I16)."""
    stage = staged(text=BUSY)
    with session(stage.site.catalog, read_only) as pid:
        said = stage.say(capsys, code=2)
    assert (
        f"{stage.site.catalog} is open in another program; close it, or read the snapshot instead"
        in said
    )
    assert f"PID {pid}" in said and "Traceback" not in said
    assert stage.slurm.calls() == [] and not stage.site.runs.exists()
    stage.settle()
    stage.done_once()


@pytest.mark.slow
def test_f09_a_session_is_opened_while_sync_waits_for_sbatch(
    staged: Staged, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What sbatch answered cannot be recorded: said, and the next sync finds the jobs by name (I2,
    I8).
    """
    stage = staged(text=BUSY)
    real, sessions = Slurm.submit, []

    def submit(slurm: Slurm, batch: Submission) -> list[str]:
        jobs = real(slurm, batch)
        sessions.append(session(stage.site.catalog))
        sessions[0].__enter__()
        return jobs

    monkeypatch.setattr(Slurm, "submit", submit)
    assert "is open in another program" in stage.say(capsys, code=2)
    monkeypatch.undo()
    sessions[0].__exit__(None, None, None)
    assert (
        stage.ask("SELECT count(*) FROM submission") == [(0,)]
        and len(stage.slurm.jobs("PENDING")) == 2
    )
    stage.settle()
    stage.done_once()
    assert stage.attempts() == 2 and len(stage.slurm.calls("sbatch")) == 1


@pytest.mark.slow
def test_f10_readers_of_the_snapshot_are_in_nobodys_way(stage: Stage) -> None:
    """A notebook or the app has the snapshot open all the while: sync goes on, and the reader's
    copy stays as it was (I13).
    """
    import duckdb

    stage.sync()
    with (
        duckdb.connect(str(stage.site.current.resolve()), read_only=True) as reader,
        session(stage.site.current, read_only=True),
    ):
        stage.settle()
        assert reader.execute("SELECT count(*) FROM outcome").fetchall() == [(0,)]
    stage.done_once()


# ---------------------------------------------------------------- F33: scancel and hold


def test_f33_a_person_cancels_a_running_job(stage: Stage) -> None:
    """Not tried again by itself: somebody did not want it; a retry request brings it back (I6)."""
    stage.sync()
    stage.begin(1)
    stage.finish(2)
    stage.slurm.set_state(stage.job(1), "CANCELLED")
    stage.sync_patiently()
    stage.settle()
    assert (
        stage.states()[0][1] == "cancelled"
        and "cancelled by somebody else than sync (CANCELLED" in stage.states()[0][2]
    )
    assert stage.attempts() == 2
    stage.tell("INSERT INTO request (trial, wish) VALUES (1, 'retry')")
    stage.settle()
    stage.done_once(twice=["1/1"])


def test_f33_a_person_cancels_what_waits(stage: Stage) -> None:
    """The whole array: cancelled.

    One task of it leaves no trace in Slurm, so sync cannot know, and submits it again (I3, I6).
    """
    stage.sync()
    stage.slurm.set_state("1", "CANCELLED")
    stage.settle()
    assert [state for _, state, _, _ in stage.states()] == [
        "cancelled",
        "cancelled",
    ] and stage.ran == []
    stage.tell("INSERT INTO request (trial, wish) SELECT id, 'retry' FROM trial")
    stage.sync()
    job = stage.job(1, 2)
    subprocess.run(["scancel", job], check=True)
    stage.settle()
    stage.done_once()
    assert ("lost", "submit") in [end[2:] for end in stage.ends()]


def test_f33_a_worker_that_was_cancelled_had_time_for_its_last_word(stage: Stage) -> None:
    """SIGTERM lets it write a checkpoint and `preempted`; only Slurm knows that a person did that
    (I6).
    """
    stage.sync()
    run = stage.begin(1)
    stage.finish(2)
    write_outcome(run, "failed", "preempted", "told to end (preempted) in task 1")
    stage.sync()
    # Who ended it, nobody has said yet
    assert stage.ends() == [(2, 1, "done", None)]
    stage.slurm.set_state(stage.job(1), "CANCELLED")
    stage.sync()
    assert stage.ends()[0] == (1, 1, "cancelled", None)
    assert stage.states()[0][1] == "cancelled"


def test_f27_only_slurm_knows_that_a_sigterm_was_the_time_limit(stage: Stage) -> None:
    """Its clock began before the worker's: what the worker takes for a preemption is a timeout, and
    counts as one (I6).
    """
    stage.sync()
    run = stage.begin(1)
    stage.finish(2)
    write_outcome(run, "failed", "preempted", "told to end (preempted) in task 1")
    stage.slurm.set_state(stage.job(1), "TIMEOUT")
    stage.sync()
    assert stage.ends()[0] == (1, 1, "failed", "timeout")


@pytest.mark.parametrize("state", ["failed", "lost"])
def test_f27_a_last_word_after_the_judgement_and_a_later_withdrawal(
    stage: Stage, state: str
) -> None:
    """The attempt had ended before anybody withdrew its trial, and Slurm had said why: that stands
    (I6).
    """
    stage.sync()
    run = stage.begin(1)
    stage.finish(2)
    stage.slurm.set_state(stage.job(1), "TIMEOUT")
    stage.sync_patiently()
    assert stage.ends()[0] == (1, 1, "lost", "timeout")
    stage.tell("INSERT INTO request (trial, wish) VALUES (1, 'withdraw')")
    write_outcome(run, state, "preempted", "told to end (preempted) in task 1")
    stage.settle()
    assert stage.ends()[0] == (1, 1, "lost", "timeout") and stage.states()[0][1] == "withdrawn"


@pytest.mark.parametrize(
    "reason", ["JobHeldUser", "JobHeldAdmin", "launch failed requeued held", "BadConstraints"]
)
def test_f33_hold_and_release(
    stage: Stage, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job that will not start by itself: said as long as it is so, and never given up (I7, I16)."""
    stage.sync()
    stage.slurm.set_state("1", "PENDING", reason)
    for _ in range(2):
        assert f"job 1 waits and will not start by itself: {reason}" in stage.say(capsys, code=1)
    # One line for the whole array
    assert stage.ask("SELECT count(*) FROM health") == [(1,)] and stage.ends() == []
    stage.slurm.set_state("1", "PENDING", "Priority")
    stage.say(capsys, code=0)
    assert stage.ask("SELECT count(*) FROM health") == [(0,)]
    stage.settle()
    stage.done_once()


# ---------------------------------------------------------------- F34: wishes that come too late


def test_f34_the_result_was_there_before_the_withdrawal_was_heard(stage: Stage) -> None:
    """What was measured is kept: the trial is done (I5)."""
    stage.sync()
    stage.finish(1)
    stage.tell("INSERT INTO request (trial, wish) VALUES (1, 'withdraw')")
    stage.finish(2)
    stage.settle()
    stage.done_once()
    assert stage.states()[0][1] == "done"


def test_f34_the_result_comes_after_a_withdrawn_attempt_was_ended(stage: Stage) -> None:
    """Its job was ended from outside, and its last files show up late: they count, and the state
    says so (I5, I6).
    """
    stage.sync()
    run = stage.begin(1)
    stage.finish(2)
    stage.tell("INSERT INTO request (trial, wish) VALUES (1, 'withdraw')")
    stage.sync()
    assert run.told_to_stop
    stage.slurm.set_state(stage.job(1), "CANCELLED")
    stage.sync_patiently()
    assert stage.ends()[0][:3] == (1, 1, "cancelled") and stage.states()[0][1] == "withdrawn"
    stage.finish(1, word="CANCELLED")
    stage.settle()
    stage.done_once()
    assert stage.attempts() == 2


def test_f34_withdrawn_while_it_waits(stage: Stage) -> None:
    """It never starts, and its job leaves the queue; the wish is taken back, and it runs (I3)."""
    stage.sync()
    stage.tell("INSERT INTO request (trial, wish) VALUES (1, 'withdraw')")
    stage.sync()
    assert ["scancel", stage.job(1)] in stage.slurm.calls()
    stage.work()
    assert stage.ran == ["2/1"]
    stage.tell("INSERT INTO request (trial, wish) VALUES (1, 'retry')")
    stage.settle()
    stage.done_once()


# ---------------------------------------------------------------- F35: rows


def test_f35_a_person_deletes_a_trial_that_runs(stage: Stage) -> None:
    """Nothing is cancelled in silence: it runs to its end, its facts stay and an audit lists them,
    the rest goes on (I14).
    """
    stage.sync()
    stage.begin(1)
    stage.tell("DELETE FROM trial WHERE id = 1")
    stage.finish(2)
    stage.sync_patiently()
    assert stage.slurm.calls("scancel") == [] and stage.ends() == [(2, 1, "done", None)]
    stage.finish(1)
    stage.settle()
    assert stage.ends() == [(1, 1, "done", None), (2, 1, "done", None)]
    assert stage.ask("SELECT count(*) FROM result WHERE trial = 1") == [(3,)]
    assert stage.ask("SELECT count(*) FROM audit_orphans") != [(0,)]


def test_f35_a_person_edits_what_a_running_trial_is_made_of(stage: Stage) -> None:
    """The attempt is left alone and keeps the definition it runs; the difference is listed (I1,
    I12, I14).
    """
    stage.sync()
    stage.begin(1)
    before = stage.ask("SELECT trial, spec, spec_id FROM attempt ORDER BY ALL")
    stage.tell("UPDATE recipe SET lr = 0.5 WHERE name = 'toy'")
    stage.finish(1)
    stage.finish(2)
    stage.settle()
    assert stage.ends() == [(1, 1, "done", None), (2, 1, "done", None)]
    assert stage.ask("SELECT trial, spec, spec_id FROM attempt ORDER BY ALL") == before
    assert stage.ask("SELECT DISTINCT trial FROM definition_drift ORDER BY ALL") == [(1,), (2,)]


def test_f35_a_person_edits_the_definition_of_an_attempt(stage: Stage) -> None:
    """What the worker ran is known by its receipts: under another identity they are refused, not
    relabelled (I5, I12).
    """
    stage.sync()
    stage.begin(1)
    stage.tell(
        "UPDATE attempt SET spec = replace(spec::VARCHAR, '0.002', '0.5')::JSON, spec_id = repeat('0', 64) WHERE trial = 1"
    )
    stage.finish(1)
    stage.finish(2)
    report = stage.sync()
    problems = dict(report.problems)
    # The audits of the same pass see the edit itself
    assert problems.pop("definition_drift").startswith("1 row, of trials 1.")
    assert set(problems) == {f"000001/01/task-{task:04d}.json" for task in range(3)}
    assert all("the receipt is of spec_id" in message for message in problems.values())
    stage.settle()
    assert stage.ask("SELECT DISTINCT trial, attempt FROM result ORDER BY ALL") == [(1, 2), (2, 1)]
    assert [end for end in stage.ends() if end[2] == "done"] == [
        (1, 2, "done", None),
        (2, 1, "done", None),
    ]
