"""When a trial writes a checkpoint, and when it ends, without training anything."""

import mmap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.run_folder import STOPS, RunFolder
from runner.worker.between_steps import BetweenSteps
from runner.worker.outcome import StopFlag, StoppedError
from runner.worker.shared_work import Work


def between(folder: Path, minutes: float, told: str | None) -> BetweenSteps:
    """The clock of an attempt of two tasks of three steps."""
    word = mmap.mmap(-1, 1)
    word[0] = STOPS.index(told)
    spec: Any = SimpleNamespace(id="d" * 64, stream={"tasks": 2}, recipe={"batch_pairs": 4})
    assignment: Any = SimpleNamespace(checkpoint_minutes=minutes)
    plan: Any = SimpleNamespace(steps=3)
    return BetweenSteps(RunFolder(folder), spec, assignment, plan, StopFlag(word))


def training() -> Any:
    return SimpleNamespace(
        task=1,
        steps=3,
        choice=SimpleNamespace(facts={}),
        curve=SimpleNamespace(rows=[], pairs_per_s=1.0),
        state_dict=lambda: {"model": 1},
        look=lambda: 0.5,
        lr=lambda step: 0.1,
    )


@pytest.mark.parametrize(
    ("step", "minutes", "told", "written"),
    [
        (2, 60, None, False),
        (2, 0, None, True),
        (2, 60, "timeout", True),
        # What the task has learned is written as its result now
        (3, 0, None, False),
        (3, 60, "preempted", False),
    ],
)
def test_a_checkpoint_is_written_when_it_is_due_or_the_end_is_asked_for(
    step: int, minutes: float, told: str | None, written: bool, tmp_path: Path
) -> None:
    clock = between(tmp_path, minutes, told)
    if told and written:
        words = rf"told to end \({told}\) in task 1 after 2 of 3 steps; the checkpoint is written"
        with pytest.raises(StoppedError, match=words):
            clock.after(step, training(), Work())
    else:
        clock.after(step, training(), Work())
    names = [path.name for path in tmp_path.glob("checkpoint-*.json")]
    assert names == (["checkpoint-0001-000002.json"] if written else [])


def test_the_clock_begins_again_with_each_checkpoint(tmp_path: Path) -> None:
    clock = between(tmp_path, 60, None)
    clock.saved_at -= 3600
    for step in (1, 2):
        clock.after(step, training(), Work())
    assert [path.name for path in tmp_path.glob("checkpoint-*.json")] == [
        "checkpoint-0001-000001.json"
    ]
