"""Shapes that learning-rate schedules are put together from, and lengths of their parts."""

import math


def share_of(steps: int, fraction: float) -> int:
    """Return a fraction of the steps, rounded up; 0.07 * 100 = 7.000000000000001 counts as 7."""
    return math.ceil(round(fraction * steps, 9))


def cooldown_steps(steps: int, cooldown: float) -> int:
    """Return the steps of a task's cooldown.

    Raises:
        ValueError: `cooldown` is not a fraction.
    """
    if not 0 <= cooldown <= 1:
        raise ValueError(f"cooldown is a fraction of the task's steps, in [0, 1], not {cooldown}")
    return share_of(steps, cooldown)


def half_cosine(step: int, steps: int) -> float:
    """Return the fall from 1 to 0 along half a cosine."""
    return (1 + math.cos(math.pi * step / steps)) / 2


def between(floor: float, peak: float, share: float) -> float:
    """Interpolate between the floor and the peak; `share` is 0 at the floor."""
    return floor + share * (peak - floor)
