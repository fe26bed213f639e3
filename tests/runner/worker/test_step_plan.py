"""How many steps of a task are its repair's."""

import pytest

from runner.worker.step_plan import StepPlan


@pytest.mark.parametrize(
    ("steps", "share", "task", "repair_steps"),
    [
        (100, None, 2, 0),
        (100, 0.1, 1, 0),
        (100, 0.1, 2, 10),
        (100, 0.1, 9, 10),
        (100, 0.001, 2, 1),
        (4, 0.5, 2, 2),
        (5, 0.5, 2, 2),
        (3, 1.0, 2, 2),
        (1, 0.5, 2, 0),
    ],
    ids=[
        "no repair",
        "the first task",
        "a share",
        "a later task",
        "at least one",
        "half",
        "half to even",
        "one is left to training",
        "a single step is training's",
    ],
)
def test_a_repair_takes_its_share(
    steps: int, share: float | None, task: int, repair_steps: int
) -> None:
    plan = StepPlan(steps=steps, repair_share=share)
    assert plan.repair_steps(task) == repair_steps
    assert plan.training_steps(task) == steps - repair_steps
