"""Trials that are trained again for their weights: sync dies at any step, many sync at once, and
what comes back is not what was there.
"""

import hashlib
import os
import time

import pytest

from runner.run_folder import RunFolder, write_json
from tests.faults.stage import PATIENCE_S, TASKS, Stage, write_outcome, write_task
from tests.faults.test_crowd import _sync
from tests.processes import SPAWN

WISH = "INSERT INTO request (trial, wish) VALUES (1, 'retrain')"
DONE = "SELECT attempt FROM outcome WHERE trial = 1 AND state = 'done' ORDER BY attempt"
# Nothing is doubled, nothing disagrees, and what is known of the training is what was first
QUIET = ("audit_attempts", "audit_duplicates", "audit_orphans", "audit_tasks", "audit_code")


def trained(run: RunFolder, content: bytes = b"weights") -> None:
    """What a worker leaves that got to its end, with weights of the last task."""
    for task in TASKS:
        weights = {}
        if task == TASKS[-1]:
            path = run.path / f"task-{task:04d}.deployed.safetensors"
            path.write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            weights = {"deployed": {"file": path.name, "sha256": digest}}
        write_task(run, task, weights=weights)
    write_outcome(run)


def train(stage: Stage, attempt: int, content: bytes = b"weights") -> RunFolder:
    """The job of an attempt of trial 1 runs to its end."""
    run = stage.begin(1, attempt)
    trained(run, content)
    stage.slurm.set_state(stage.job(1, attempt), "COMPLETED")
    return run


@pytest.fixture
def lost(stage: Stage) -> Stage:
    """Both trials are done, and somebody has removed the weights of the first."""
    stage.sync()
    train(stage, 1)
    stage.finish(2)
    stage.settle()
    (stage.run(1).path / "task-0002.deployed.safetensors").unlink()
    return stage


def is_whole(stage: Stage, attempts: int) -> None:
    """The trial was trained so often, and counts once."""
    assert len(stage.ask(DONE)) == attempts
    for audit in QUIET:
        assert stage.ask(f"FROM {audit}") == [], audit
    assert stage.ask("SELECT DISTINCT attempt FROM standing") == [(1,)]
    assert stage.ask("SELECT state, attempt, attempts FROM trial_state WHERE trial = 1") == [
        ("done", 1, 1)
    ]
    assert stage.ask("FROM problem") == []


def test_a_trial_is_trained_again_by_its_own_definition(lost: Stage) -> None:
    """F43: whatever its rows say today, and from nothing: no attempt before it is gone on from (I4)."""
    lost.tell("UPDATE trial SET priority = 7 WHERE id = 1")
    lost.tell(WISH)
    assert lost.sync().submitted == 1
    run = lost.run(1, 2)
    assert run.assignment().retrains == 2
    assert run.spec() == lost.run(1).spec()
    assert [each.path.name for each in run.relatives(run.spec())] == ["02"]
    train(lost, 2)
    lost.settle()
    is_whole(lost, 2)


@pytest.mark.parametrize("point", ["attempt_row", "folder", "asked", "submitted"])
def test_f02_f03_sync_is_killed_while_it_has_a_trial_trained_again(lost: Stage, point: str) -> None:
    """kill -9 at each step: one attempt is done, whatever was given up on the way (I2, I8)."""
    lost.tell(WISH)
    lost.sync_dies(crash_at=point)
    lost.settle()
    is_whole(lost, 2)
    assert lost.ask("SELECT trial FROM retraining") == []
    ((first,),) = lost.ask("SELECT DISTINCT retrains FROM attempt WHERE retrains IS NOT NULL")
    assert first == 2


def test_f05_sync_is_killed_before_it_has_taken_what_came_again(lost: Stage) -> None:
    """All or nothing (I4)."""
    lost.tell(WISH)
    lost.sync()
    train(lost, 2)
    lost.sync_dies(crash_at="ingest_stored")
    lost.settle()
    is_whole(lost, 2)


def test_f07_two_syncs_at_once_have_it_trained_again_once(lost: Stage) -> None:
    """One works, the other waits (I2, I10)."""
    lost.tell(WISH)
    processes = [
        SPAWN.Process(target=_sync, args=(str(lost.folder), dict(os.environ))) for _ in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    lost.settle()
    is_whole(lost, 2)
    assert lost.ask("SELECT count(*) FROM attempt WHERE retrains IS NOT NULL") == [(1,)]


def test_one_that_was_preempted_goes_on_from_itself(lost: Stage) -> None:
    """Its checkpoints stay although the trial is done, and go when it is done again."""
    lost.tell(WISH)
    lost.sync()
    run = lost.begin(1, 2)
    write_task(run, 0)
    checkpoint = run.path / "checkpoint-0001-000002.safetensors"
    checkpoint.write_bytes(b"tensors")
    write_json(checkpoint.with_suffix(".json"), {"sha256": hashlib.sha256(b"tensors").hexdigest()})
    write_outcome(run, state="failed", kind="preempted")
    lost.slurm.set_state(lost.job(1, 2), "FAILED")
    lost.sync()
    assert checkpoint.exists()
    third = lost.run(1, 3)
    assert third.assignment().retrains == 2
    assert [each.path.name for each in third.relatives(third.spec())] == ["03", "02"]
    train(lost, 3)
    lost.settle()
    assert not checkpoint.exists()
    is_whole(lost, 2)


def test_other_weights_are_named_and_both_are_kept(lost: Stage) -> None:
    """F43: `health` says it of both, pass after pass, and takes neither to be wrong (I5, I16)."""
    lost.tell(WISH)
    lost.sync()
    run = train(lost, 2, b"others")
    for _ in range(3):
        lost.sync()
        ((subject, message),) = lost.ask("SELECT subject, message FROM health")
        assert subject == "trial 1"
        first, second = (hashlib.sha256(word).hexdigest()[:16] for word in (b"weights", b"others"))
        assert f"{first} by the receipt of attempt 1" in message
        assert f"{second} by that of attempt 2" in message
        assert "neither is taken to be wrong" in message
    assert (run.path / "task-0002.deployed.safetensors").read_bytes() == b"others"
    assert lost.ask("SELECT DISTINCT attempt FROM standing") == [(1,)]


def test_weights_that_are_there_are_not_trained_for(lost: Stage) -> None:
    """F43: the refusal says where they are; a file that was changed is gone, too (I16)."""
    path = lost.run(1).path / "task-0002.deployed.safetensors"
    path.write_bytes(b"weights")
    lost.tell(WISH)
    report = lost.sync()
    assert (report.submitted, report.refused) == (0, 1)
    ((subject, message),) = lost.ask("SELECT subject, message FROM health")
    assert subject == "trial 1" and "are all in" in message and "withdraw" in message
    assert lost.states()[0][1] == "done"
    path.write_bytes(b"changed")
    lost.tell(WISH)
    assert lost.sync().submitted == 1
    train(lost, 3)
    lost.settle()
    assert lost.ask("FROM problem") == []


def test_a_wish_is_withdrawn_while_it_runs(lost: Stage) -> None:
    """The attempt is told to end; the trial is done all the same."""
    lost.tell(WISH)
    lost.sync()
    run = lost.begin(1, 2)
    lost.tell("INSERT INTO request (trial, wish) VALUES (1, 'withdraw')")
    lost.sync()
    assert run.told_to_stop
    write_outcome(run, state="cancelled", kind="preempted")
    lost.slurm.set_state(lost.job(1, 2), "COMPLETED")
    lost.settle()
    is_whole(lost, 1)


def test_a_late_result_of_one_that_was_given_up_counts(lost: Stage) -> None:
    """F25: its job vanished, its process lived on, and nobody trains it a third time (I6)."""
    lost.tell(WISH)
    lost.sync()
    run = lost.begin(1, 2)
    lost.slurm.forget(lost.job(1, 2))
    os.utime(run.path / "alive", (0, 0))
    lost.sync()
    time.sleep(PATIENCE_S)
    lost.tell("UPDATE policy SET value = 0 WHERE name = 'retries_killed'")
    lost.sync()
    trained(run)
    lost.settle()
    assert (2,) in lost.ask(DONE)
