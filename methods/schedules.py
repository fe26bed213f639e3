"""How the learning rate runs through a task: pure functions from a step to a multiplier in [0, 1].

`step` counts from 0 to `steps - 1` within the task; warm-up, a fraction of the steps, rounded up, rises linearly to 1.
The formulas are those of FoMo-in-Flux (https://arxiv.org/abs/2408.14471, its released code); every task begins anew.
"""

import math


def constant(step: int, steps: int, *, warmup: float = 0.0) -> float:
    """1 after the warm-up."""
    warm = _warm_steps(step, steps, warmup)
    return (step + 1) / warm if step < warm else 1.0


def cosine(step: int, steps: int, *, warmup: float = 0.1, floor: float = 0.001) -> float:
    """Half a cosine from 1 down to `floor`, which the last step reaches."""
    if not 0 <= floor <= 1:
        raise ValueError(f"cosine: floor is a fraction of the peak learning rate, in [0, 1], not {floor}")
    warm = _warm_steps(step, steps, warmup)
    if step < warm:
        return (step + 1) / warm
    return floor + (1 - floor) / 2 * (1 + math.cos(math.pi * (step - warm + 1) / (steps - warm)))


def _warm_steps(step: int, steps: int, warmup: float) -> int:
    """The length of the warm-up; refuses what no task can ask for."""
    if not 0 <= warmup <= 1:
        raise ValueError(f"warmup is a fraction of the task's steps, in [0, 1], not {warmup}")
    if not 0 <= step < steps:
        raise ValueError(f"step counts from 0 within the task: {step} is not below {steps}")
    return math.ceil(round(warmup * steps, 9))  # rounded first: 0.07 * 100 is 7.000000000000001, and means 7
