"""Who ended a job: a person, the scheduler, or a sync that did not live to say so."""

import time

import pytest

from tests.faults.stage import PATIENCE_S, Stage, write_outcome


@pytest.mark.parametrize("dies", [False, True])
def test_f03_sync_is_killed_after_it_ended_a_dead_job(stage: Stage, dies: bool) -> None:
    """A job holds on though its worker is gone (a dead slurmstepd); sync ends it and is killed
    before it has written that down: the next does not take it for a person's scancel, and the trial
    goes on (I3, I8).
    """
    stage.sync()
    run = stage.begin(1)
    write_outcome(run, "failed", "preempted", "told to end (preempted); the checkpoint is written")
    # The scheduler may still say who ended it
    assert stage.sync().ended == 0
    time.sleep(PATIENCE_S)
    if dies:
        stage.sync_dies(crash_at="cancelled")
    else:
        assert stage.sync().ended == 1
    assert [job["state"] for job in stage.slurm.jobs() if job["id"] == stage.job(1)] == [
        "CANCELLED"
    ]
    stage.sync()
    assert stage.ends()[0] == (1, 1, "failed", "preempted")
    stage.settle()
    stage.done_once(twice=["1/1"])
