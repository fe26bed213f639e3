"""The weights as they were when the task's cooldown began: what the infinite schedule goes on from
(https://arxiv.org/abs/2503.02844).

    average <- theta      after the last step before the cooldown, and at no other step

With start `merged` and deploy `last` the cooldown is a branch: what it comes to is deployed, and
the next task begins where it began. `cooldown` must be that of the recipe's schedule (`infinite`,
`wsd`), a fraction of the task's steps, rounded up. The optimizer's state is no part of it: where a
recipe carries that on, it is the one at the end of the branch. With `restart` false the steps of
all tasks would be counted as one task's, so it is to stay true.

Memory: one more model on the device; one copy of the weights a task.
"""

from methods.curve_shapes import cooldown_steps


def share(step: int, steps: int, *, cooldown: float = 0.1) -> float:
    """Return 1 for the step before the cooldown, of a task of `steps` steps, and 0 for any other.

    Raises:
        ValueError: a cooldown outside [0, 1].
    """
    return 1.0 if step == steps - cooldown_steps(steps, cooldown) else 0.0
