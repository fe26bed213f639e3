"""Learning-rate schedules within a task and over tasks: pure functions from a position to a
multiplier of the learning rate, in [0, 1].

A warm-up rises linearly. A `warmup` or `cooldown` of up to 1 is a fraction of a task's steps,
rounded up; a `warmup` above 1 is a number of steps, however long the task is.

The formulas are those of FoMo-in-Flux (https://arxiv.org/abs/2408.14471, its released code), in
which every task restarts the schedule, unless the name says how its peak follows from the tasks
before (a meta schedule). No schedule needs to know how many tasks there will be. `rewarm` says what
warm-up the tasks after the first have: true the same, false none
(https://arxiv.org/abs/2308.04014), or a value like that of `warmup`.
"""

import math
from dataclasses import dataclass

from methods.curve_shapes import between, cooldown_steps, half_cosine, share_of


@dataclass(frozen=True, kw_only=True)
class Position:
    """The position of a step: which of the `steps` of its task, from 0, and which task, from 1."""

    step: int
    steps: int
    task: int


def constant(at: Position, *, warmup: float = 0.0, rewarm: bool | float = True) -> float:
    """Return 1 after the warm-up."""
    warm = _warmup(at, _of_task(at, warmup, rewarm))
    return _warmed(at, warm, 1.0) if at.step < warm else 1.0


def cosine(
    at: Position,
    *,
    warmup: float = 0.1,
    floor: float = 0.001,
    rewarm: bool | float = True,
) -> float:
    """Return half a cosine from 1 down to `floor`, which the last step reaches."""
    warm = _warmup(at, _of_task(at, warmup, rewarm), floor=floor)
    if at.step < warm:
        return _warmed(at, warm, 1.0)
    return between(floor, 1.0, half_cosine(at.step - warm + 1, at.steps - warm))


def cosine_autoregressive(at: Position, *, warmup: float = 0.1, floor: float = 0.001) -> float:
    """Return `cosine` with the peak of each task read off one half cosine over all tasks so far.

    Peaks are about 1, 1/2, 1/4, 1/7, ...
    """
    warm = _warmup(at, warmup, floor=floor)
    peak = _recovered_peak(at, warm, floor)
    if at.step < warm:
        return _warmed(at, warm, peak)
    return between(floor, peak, half_cosine(at.step - warm + 1, at.steps - warm))


def cosine_dynamic(at: Position, *, warmup: float = 0.1, floor: float = 0.001) -> float:
    """Return one long half cosine, stretched as tasks arrive.

    After a warm-up to the peak of `cosine_autoregressive` it is the last task's piece of the
    `cosine` that would have run over all `task * steps` steps.
    """
    warm = _warmup(at, warmup, floor=floor)
    if at.step < warm:
        return _warmed(at, warm, _recovered_peak(at, warm, floor))
    whole = Position(step=(at.task - 1) * at.steps + at.step, steps=at.task * at.steps, task=1)
    # The long curve warms up for as long as the warm-ups of its tasks together
    long = warmup if warmup <= 1 else at.task * warmup
    return cosine(whole, warmup=long, floor=floor)


def cosine_open_clip(at: Position, *, warmup: float = 0.1, rewarm: bool | float = True) -> float:
    """Return half a cosine from 1 towards 0, as in open_clip's training loop.

    Its `cosine_lr` stays at the peak for one step more than `cosine`, and ends one step above 0.
    """
    warm = _warmup(at, _of_task(at, warmup, rewarm))
    if at.step < warm:
        return _warmed(at, warm, 1.0)
    return half_cosine(at.step - warm, at.steps - warm)


def rsqrt(
    at: Position,
    *,
    warmup: float = 0.1,
    cooldown: float = 0.1,
    floor: float = 0.001,
    rewarm: bool = True,
) -> float:
    """Return 1 over the square root of the step, in units of the warm-up, then a cooldown to 0.

    The cooldown is linear, and the last step reaches 0.
    """
    warm = _warmup(at, warmup, floor=floor)
    cool = cooldown_steps(at.steps, cooldown)
    if not rewarm and at.task > 1:
        return _cooled(at, cool, _rsqrt(floor, 1.0, warm, at.step + warm))
    return _rsqrt_task(at, warm, cool, floor, 1.0)


def rsqrt_autoregressive(
    at: Position,
    *,
    warmup: float = 0.1,
    cooldown: float = 0.1,
    floor: float = 0.001,
) -> float:
    """Return `rsqrt` with each task's peak taken from one long `rsqrt` over all tasks so far.

    The long one's warm-up is as long as the warm-ups of these tasks together.
    """
    warm = _warmup(at, warmup, floor=floor)
    before = at.task - 1
    share = 1.0
    if before:
        share = min(1.0, math.sqrt(max(at.task * warm, 1) / max(before * at.steps + warm, 1)))
    peak = between(floor, 1.0, share)
    return _rsqrt_task(at, warm, cooldown_steps(at.steps, cooldown), floor, peak)


def rsqrt_continued(
    at: Position,
    *,
    warmup: float = 0.1,
    cooldown: float = 0.1,
    floor: float = 0.001,
) -> float:
    """Return `rsqrt` with each task's peak where the decay of the task before would have led.

    That decay is computed without the cooldowns and warm-ups in between.
    """
    warm = _warmup(at, warmup, floor=floor)
    cool = cooldown_steps(at.steps, cooldown)
    before = at.task - 1
    share = 1.0
    if before:
        seen = before * (at.steps - cool) - (before - 1) * warm
        share = min(1.0, math.sqrt(max(warm, 1) / max(seen, 1)))
    return _rsqrt_task(at, warm, cool, floor, between(floor, 1.0, share))


def rsqrt_recovered(
    at: Position,
    *,
    warmup: float = 0.1,
    cooldown: float = 0.1,
    floor: float = 0.001,
) -> float:
    """Return one `rsqrt` over all tasks, interrupted by each task's warm-up and cooldown.

    Each task continues the decay where the one before stopped. As in the released code, whose
    warm-up counts the steps before the task twice, a warm-up ends below that, and the step after it
    jumps: at 100 steps a task, the second one warms up to 0.251 and goes on from 0.334.
    """
    warm = _warmup(at, warmup, floor=floor)
    cool = cooldown_steps(at.steps, cooldown)
    seen = (at.task - 1) * max(at.steps - cool - warm, 0)
    if at.step < warm:
        return _warmed(at, warm, _rsqrt(floor, 1.0, warm, 2 * seen))
    return _cooled(at, cool, _rsqrt(floor, 1.0, warm, at.step + seen))


def wsd(
    at: Position,
    *,
    warmup: float = 0.1,
    cooldown: float = 0.1,
    floor: float = 0.0,
    rewarm: bool | float = True,
) -> float:
    """Return a warm-up, then 1, then a linear fall to `floor`, which the last step reaches.

    As in https://arxiv.org/abs/2404.06395.
    """
    warm = _warmup(at, _of_task(at, warmup, rewarm), floor=floor)
    cool = cooldown_steps(at.steps, cooldown)
    if at.step < warm:
        return _warmed(at, warm, 1.0)
    return between(floor, 1.0, _cooled(at, cool, 1.0))


def infinite(
    at: Position,
    *,
    warmup: float = 0.1,
    decay: float = 0.3,
    level: float = 0.5,
    cooldown: float = 0.1,
    floor: float = 0.001,
) -> float:
    """Return the infinite schedule: a level for all tasks, and an exponential fall to deploy at.

    The first task warms up, and falls along half a cosine over a share `decay` of its steps to
    `level`, where it and all later tasks stay. Each task ends by a cooldown to `floor`. The next
    one is to begin where that cooldown began: with merging `before_cooldown`, start `merged` and
    deploy `last`. (https://arxiv.org/abs/2503.02844, which calls the fall to the level a cooldown
    and the last one annealing; the lengths of the parts are to be tuned.) A floor of 0 is reached
    at once.
    """
    if not 0 < level <= 1 or not 0 <= decay <= 1:
        raise ValueError(
            "infinite takes level, a fraction of the peak learning rate above 0 and at most 1, and "
            f"decay, a fraction of the first task's steps, in [0, 1], not {level} and {decay}"
        )
    warm = _warmup(at, _of_task(at, warmup, False), floor=floor)
    if at.step < warm:
        return _warmed(at, warm, 1.0)
    falling = share_of(at.steps, decay) if at.task == 1 else 0
    begin = at.steps - cooldown_steps(at.steps, cooldown)
    # The cooldown falls from where the curve would be at its first step
    since = max(min(at.step, begin) - warm, 0)
    value = level
    if since < falling:
        value = between(level, 1.0, half_cosine(since + 1, falling))
    if at.step < begin:
        return value
    fall: float = min(1.0, floor / value) ** ((at.step - begin + 1) / (at.steps - begin))
    return value * fall


def _of_task(at: Position, warmup: float, rewarm: bool | float) -> float:
    """Return the warm-up of a task, as a fraction or a number of steps."""
    if at.task == 1 or rewarm is True:
        return warmup
    return float(rewarm)


def _warmup(at: Position, warmup: float, *, floor: float = 0.0) -> int:
    """Return the steps of a task's warm-up.

    Raises:
        ValueError: a step outside of the task, a warm-up that is neither a fraction nor a number of
            steps, or a floor outside [0, 1].
    """
    if not 0 <= at.step < at.steps:
        raise ValueError(f"step counts from 0 within the task: {at.step} is not below {at.steps}")
    if not 0 <= floor <= 1:
        raise ValueError(f"floor is a fraction of the peak learning rate, in [0, 1], not {floor}")
    if warmup > 1 and warmup == int(warmup):
        return int(warmup)
    if not 0 <= warmup <= 1:
        raise ValueError(
            "warmup is a fraction of the task's steps, in [0, 1], or a whole number of steps "
            f"above 1, not {warmup}"
        )
    return share_of(at.steps, warmup)


def _rsqrt_task(at: Position, warm: int, cool: int, floor: float, peak: float) -> float:
    """Return the value of an `rsqrt` that restarts at `peak` in each task, with its warm-up."""
    if at.step < warm:
        return _warmed(at, warm, peak)
    return _cooled(at, cool, _rsqrt(floor, peak, warm, at.step))


def _rsqrt(floor: float, peak: float, warm: int, step: int) -> float:
    """Return the decay at a step, at most the peak."""
    return between(floor, peak, min(1.0, math.sqrt(max(warm, 1) / max(step, 1))))


def _cooled(at: Position, cool: int, value: float) -> float:
    """Return a value with the linear cooldown at the end of a task."""
    left = at.steps - at.step - 1
    return value * left / cool if left < cool else value


def _recovered_peak(at: Position, warm: int, floor: float) -> float:
    """Return the peak of a task, read off one half cosine over all tasks so far."""
    if at.task == 1 or at.steps <= warm:
        return 1.0
    share = half_cosine((at.task - 1) * (at.steps - warm) + 1, at.task * (at.steps - warm))
    return between(floor, 1.0, share)


def _warmed(at: Position, warm: int, peak: float) -> float:
    """Return the value of the linear rise to a peak, which the last warm-up step reaches."""
    return peak * (at.step + 1) / warm
