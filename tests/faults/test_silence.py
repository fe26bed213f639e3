"""A scheduler that does not answer, answers in part, forgets, or speaks of others: nothing follows
from silence.
"""

import os
import shutil
import time

import pytest

from runner.backends import slurm
from tests.fake_slurm import TIMED_OUT
from tests.faults.conftest import Staged
from tests.faults.stage import PATIENCE_S, Stage

NO_DATABASE = "Problem talking to the database: Connection refused"
UNKNOWN = "'FLUMMOXED' of a job, which is no state that Weir knows; the job is left as it is"


def untouched(stage: Stage) -> None:
    """Nobody was given up, nothing was submitted a second time."""
    assert stage.ends() == [] and stage.attempts() == 2 and len(stage.slurm.calls("sbatch")) == 1


# ---------------------------------------------------------------- F15: the controller


def test_f15_the_controller_is_down(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """No answer is no news: results come home all the same, nothing else changes, sync says
    degraded, also in `health`; the message goes when the controller is back (I7, I16).
    """
    stage.sync()
    stage.finish(1)
    stage.begin(2)
    stage.declare(seed=2)
    stage.slurm.fail("squeue")
    for _ in range(3):
        time.sleep(PATIENCE_S)
        said = stage.say(capsys, code=1)
        assert f"degraded: squeue: squeue failed (exit code 1): squeue: error: {TIMED_OUT}" in said
    assert stage.ends() == [(1, 1, "done", None)] and len(stage.slurm.calls("sbatch")) == 1
    assert stage.ask("SELECT subject FROM health") == [("squeue",)]
    stage.slurm.heal()
    stage.finish(2)
    stage.say(capsys, code=0)
    stage.settle()
    stage.done_once(3)
    assert stage.attempts() == 3


@pytest.mark.parametrize("name", ["squeue", "sacct"])
def test_f15_a_command_hangs(stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It is ended after COMMAND_S, and that is no answer either (I7, I11)."""
    stage.sync()
    stage.begin(1)
    stage.slurm.forget("1", "squeue")
    # Enough for the commands that do answer, on a machine that others use
    monkeypatch.setattr(slurm, "COMMAND_S", 1.5)
    stage.slurm.hang(name, 60, times=2)
    for _ in range(2):
        assert (name, f"{name} did not answer within 1.5 s") in stage.sync().problems
        time.sleep(PATIENCE_S)
    untouched(stage)
    monkeypatch.undo()
    stage.slurm.remember("1")
    stage.finish(1)
    stage.settle()
    stage.done_once()
    assert stage.attempts() == 2


def test_f15_the_controller_does_not_say_how_long_an_array_may_be(stage: Stage) -> None:
    """Then nothing is submitted and nothing written down, rather than guessed (I7, I16)."""
    stage.slurm.fail("scontrol")
    report = stage.sync()
    ((subject, message),) = report.problems
    assert subject == "slurm" and message.startswith(
        "nothing was submitted: scontrol failed (exit code 1)"
    )
    assert stage.attempts() == 0
    stage.slurm.heal()
    stage.settle()
    stage.done_once()


def test_f15_a_command_that_is_not_there(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two passes squeue goes (an upgrade, a module that is not loaded): as if it did not
    answer (I7).
    """
    stage.sync()
    place = stage.slurm.folder / "bin"
    (place / "squeue").rename(place / "squeue.away")
    (place / "cp").symlink_to(str(shutil.which("cp")))
    monkeypatch.setenv("PATH", str(place))
    ((subject, message),) = stage.sync().problems
    assert subject == "squeue" and message.startswith("squeue cannot be run: [Errno 2]")
    untouched(stage)
    monkeypatch.undo()
    (place / "squeue.away").rename(place / "squeue")
    stage.settle()
    stage.done_once()


# ---------------------------------------------------------------- F16: accounting


def test_f16_the_database_is_down(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Jobs that have left squeue while sacct does not answer are not given up; their files are read
    (I7).
    """
    stage.sync()
    stage.begin(1)
    stage.begin(2)
    stage.slurm.forget("1", "squeue")
    stage.slurm.fail("sacct", stderr=NO_DATABASE)
    for _ in range(3):
        time.sleep(PATIENCE_S)
        assert (
            f"degraded: sacct: sacct failed (exit code 1): sacct: error: {NO_DATABASE}"
            in stage.say(capsys, code=1)
        )
    untouched(stage)
    stage.finish(1)
    assert stage.sync().ended == 1
    stage.slurm.heal()
    stage.finish(2)
    stage.settle()
    stage.done_once()


def test_f16_a_cluster_without_accounting(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """squeue is all there is: not degraded, and what it does not know either is missed, patiently,
    before it is given up (I3).
    """
    stage.slurm.fail("sacct", stderr="Slurm accounting storage is disabled")
    stage.sync()
    stage.finish(1)
    stage.begin(2)
    stage.slurm.forget("1", "squeue")
    stage.say(capsys, code=0)
    assert stage.ends() == [(1, 1, "done", None)]
    stage.sync_patiently()
    assert stage.ends() == [(1, 1, "done", None), (2, 1, "lost", "killed")]
    stage.settle()
    stage.done_once(twice=["2/1"])


# ---------------------------------------------------------------- F17: answers in part


def test_f17_sacct_names_fewer_jobs_than_it_was_asked_for(stage: Stage) -> None:
    """A job that one answer leaves out (accounting is behind) is there in the next: nothing happens
    to it (I7).
    """
    stage.sync()
    stage.begin(1)
    stage.begin(2)
    stage.slurm.forget("1", "squeue")
    stage.slurm.forget("1_1", "sacct")
    stage.sync()
    time.sleep(PATIENCE_S)
    stage.slurm.remember("1_1")
    stage.sync()
    stage.slurm.forget("1_1")
    time.sleep(PATIENCE_S)
    # Missed before, but seen since: it starts anew
    stage.sync()
    untouched(stage)
    stage.slurm.remember("1")
    stage.finish(1)
    stage.finish(2)
    stage.settle()
    stage.done_once()
    assert stage.attempts() == 2


@pytest.mark.parametrize("name", ["squeue", "sacct"])
def test_f17_an_unknown_state(stage: Stage, name: str) -> None:
    """A word of another version of Slurm: said once, and nothing follows from it; results still
    come home, and other trials are submitted (I3, I7, I16).
    """
    stage.sync()
    stage.begin(1)
    stage.begin(2)
    stage.slurm.set_state("1", "FLUMMOXED")
    if name == "sacct":
        stage.slurm.forget("1", "squeue")
    for _ in range(2):
        time.sleep(PATIENCE_S)
        assert stage.sync().problems == [(name, f"{name} says {UNKNOWN}")]
    untouched(stage)
    stage.declare(seed=2)
    assert stage.sync().submitted == 1
    stage.finish(1)
    stage.finish(2)
    stage.settle()
    stage.done_once(3)
    assert stage.attempts() == 3


@pytest.mark.parametrize("name", ["squeue", "sacct"])
@pytest.mark.parametrize("words", ["Welcome to the cluster!\n", "1|1|0\n", "\n"])
def test_f17_an_answer_that_cannot_be_read(stage: Stage, name: str, words: str) -> None:
    """A banner, half a line: said, and nothing follows, however often; of an empty line neither
    (I7, I16).
    """
    stage.sync()
    stage.begin(1)
    stage.begin(2)
    stage.slurm.forget("1", "squeue", *([] if name == "sacct" else ["sacct"]))
    stage.slurm.answer(name, stdout=words)
    said = (
        []
        if words == "\n"
        else [(name, f"{name} says {words.strip()!r}, which is not what it was asked for")]
    )
    assert stage.sync().problems == said
    if said:
        time.sleep(PATIENCE_S)
        assert stage.sync().problems == said
    untouched(stage)
    stage.slurm.heal()
    stage.slurm.remember("1")
    stage.finish(1)
    stage.finish(2)
    stage.settle()
    stage.done_once()
    assert stage.attempts() == 2


# ---------------------------------------------------------------- F18: forgotten


def test_f18_a_job_that_nobody_remembers_left_its_result(stage: Stage) -> None:
    """Older than MinJobAge, and accounting was purged: the files decide (I3, I5)."""
    stage.sync()
    stage.finish(1)
    stage.finish(2)
    stage.slurm.forget("1")
    assert stage.sync().ended == 2
    stage.settle()
    stage.done_once()


def test_f18_a_job_that_nobody_remembers_left_nothing(stage: Stage) -> None:
    """It is given up only when it was missed twice, patience apart, and its heartbeat did not move
    between (I3, I7).
    """
    stage.sync()
    run = stage.begin(1)
    stage.finish(2)
    stage.slurm.forget("1")
    for moment in (1_000_000_000, 2_000_000_000):
        os.utime(run.path / "alive", ns=(moment, moment))
        stage.sync()
        time.sleep(PATIENCE_S)
        assert stage.ends() == [(2, 1, "done", None)]
    assert stage.sync().ended == 1
    assert stage.ends() == [(1, 1, "lost", "killed"), (2, 1, "done", None)]
    stage.settle()
    stage.done_once(twice=["1/1"])


def test_f18_the_result_of_an_attempt_that_was_given_up_still_counts(stage: Stage) -> None:
    """It was alive after all: what it measured is taken, once, beside what its successor does (I4,
    I6).
    """
    stage.sync()
    run = stage.begin(1)
    stage.finish(2)
    stage.slurm.forget("1")
    stage.sync_patiently()
    assert (1, 1, "lost", "killed") in stage.ends()
    stage.finish(1, 1)
    assert run.outcome() is not None
    stage.sync()
    assert (1, 1, "done", None) in stage.ends()
    stage.slurm.set_state(stage.job(1, 2), "CANCELLED")
    stage.settle()
    assert stage.ask("SELECT trial, state FROM trial_state ORDER BY ALL") == [
        (1, "done"),
        (2, "done"),
    ]
    assert stage.ask("SELECT count(*), count(DISTINCT (trial, task)) FROM result") == [(6, 6)]


# ---------------------------------------------------------------- F19: others' jobs


@pytest.mark.parametrize("word", ["FAILED", "COMPLETED", "CANCELLED"])
def test_f19_an_older_job_had_the_same_id(staged: Staged, word: str) -> None:
    """Slurm counts from the beginning again: a record of the same id under another name says
    nothing of ours (I2).
    """
    stage = staged(seeds=1)
    stage.sync()
    stage.begin(1)
    stage.slurm.reuse("1", "somebody-elses", word)
    stage.sync_patiently()
    stage.slurm.forget("1", "squeue")
    stage.sync_patiently()
    assert stage.ends() == [] and stage.attempts() == 1
    stage.slurm.remember("1")
    stage.finish(1)
    stage.settle()
    stage.done_once(1)
    assert stage.attempts() == 1
