"""How the learning rate runs through a task and over tasks: pure functions from a step to a multiplier in [0, 1].

`step` counts from 0 to `steps - 1` within the task, `task` from 1. Warm-up and cooldown are fractions of a task's steps, rounded
up; a warm-up rises linearly. The formulas are those of FoMo-in-Flux (https://arxiv.org/abs/2408.14471, its released code), in
which every task begins anew unless the name says how its peak follows from the tasks before (a meta schedule): none of these
needs to know how many tasks there will be. `rewarm` false: only the first task has a warm-up (https://arxiv.org/abs/2308.04014).
"""

import math


def constant(
    step: int, steps: int, task: int, *, warmup: float = 0.0, rewarm: bool = True
) -> float:
    """1 after the warm-up."""
    warm, _ = _parts(step, steps, warmup if rewarm or task == 1 else 0.0)
    return _warmed(step, warm, 1.0) if step < warm else 1.0


def cosine(
    step: int,
    steps: int,
    task: int,
    *,
    warmup: float = 0.1,
    floor: float = 0.001,
    rewarm: bool = True,
) -> float:
    """Half a cosine from 1 down to `floor`, which the last step reaches."""
    warm, _ = _parts(step, steps, warmup if rewarm or task == 1 else 0.0, 0.0, floor)
    return (
        _warmed(step, warm, 1.0)
        if step < warm
        else _between(floor, 1.0, _half_cosine(step - warm + 1, steps - warm))
    )


def cosine_autoregressive(
    step: int, steps: int, task: int, *, warmup: float = 0.1, floor: float = 0.001
) -> float:
    """As `cosine`, the peak of each task read off one half cosine over all tasks so far: about 1, 1/2, 1/4, 1/7, ..."""
    warm, _ = _parts(step, steps, warmup, 0.0, floor)
    peak = _recovered_peak(steps, task, warm, floor)
    return (
        _warmed(step, warm, peak)
        if step < warm
        else _between(floor, peak, _half_cosine(step - warm + 1, steps - warm))
    )


def cosine_dynamic(
    step: int, steps: int, task: int, *, warmup: float = 0.1, floor: float = 0.001
) -> float:
    """One long half cosine, stretched as tasks arrive: after a warm-up to the peak of `cosine_autoregressive`, the last task's
    piece of the `cosine` that would have run over all `task * steps` steps."""
    warm, _ = _parts(step, steps, warmup, 0.0, floor)
    if step < warm:
        return _warmed(step, warm, _recovered_peak(steps, task, warm, floor))
    return cosine((task - 1) * steps + step, task * steps, 1, warmup=warmup, floor=floor)


def rsqrt(
    step: int,
    steps: int,
    task: int,
    *,
    warmup: float = 0.1,
    cooldown: float = 0.1,
    floor: float = 0.001,
    rewarm: bool = True,
) -> float:
    """1 over the square root of the step, in units of the warm-up, then linearly to 0, which the last step reaches."""
    warm, cool = _parts(step, steps, warmup, cooldown, floor)
    if not rewarm and task > 1:
        return _cooled(step, steps, cool, _rsqrt(floor, 1.0, warm, step + warm))
    return _rsqrt_task(step, steps, warm, cool, floor, 1.0, 0)


def rsqrt_autoregressive(
    step: int,
    steps: int,
    task: int,
    *,
    warmup: float = 0.1,
    cooldown: float = 0.1,
    floor: float = 0.001,
) -> float:
    """As `rsqrt`, the peak of each task that of one `rsqrt` over all tasks so far, its warm-up longer with each of them."""
    warm, cool = _parts(step, steps, warmup, cooldown, floor)
    before = task - 1
    share = math.sqrt(max(task * warm, 1) / max(before * steps + warm, 1)) if before else 1.0
    return _rsqrt_task(step, steps, warm, cool, floor, _between(floor, 1.0, min(share, 1.0)), 0)


def rsqrt_continued(
    step: int,
    steps: int,
    task: int,
    *,
    warmup: float = 0.1,
    cooldown: float = 0.1,
    floor: float = 0.001,
) -> float:
    """As `rsqrt`, the peak of each task where the decay of the one before would be without cooldown and warm-ups in between."""
    warm, cool = _parts(step, steps, warmup, cooldown, floor)
    before = task - 1
    seen = before * (steps - cool) - (before - 1) * warm
    share = math.sqrt(max(warm, 1) / max(seen, 1)) if before else 1.0
    return _rsqrt_task(step, steps, warm, cool, floor, _between(floor, 1.0, min(share, 1.0)), 0)


def rsqrt_recovered(
    step: int,
    steps: int,
    task: int,
    *,
    warmup: float = 0.1,
    cooldown: float = 0.1,
    floor: float = 0.001,
) -> float:
    """One `rsqrt` over all tasks, with warm-ups and cooldowns cut in: each task decays on from where the one before left off."""
    warm, cool = _parts(step, steps, warmup, cooldown, floor)
    return _rsqrt_task(
        step, steps, warm, cool, floor, 1.0, (task - 1) * max(steps - cool - warm, 0)
    )


def wsd(
    step: int,
    steps: int,
    task: int,
    *,
    warmup: float = 0.1,
    cooldown: float = 0.1,
    floor: float = 0.0,
    rewarm: bool = True,
) -> float:
    """Warm-up, then stable at 1, then linearly down to `floor`, which the last step reaches (https://arxiv.org/abs/2404.06395)."""
    warm, cool = _parts(step, steps, warmup if rewarm or task == 1 else 0.0, cooldown, floor)
    return (
        _warmed(step, warm, 1.0)
        if step < warm
        else _between(floor, 1.0, _cooled(step, steps, cool, 1.0))
    )


def _rsqrt_task(
    step: int, steps: int, warm: int, cool: int, floor: float, peak: float, seen: int
) -> float:
    """A task of the `rsqrt` family; `seen`: steps of the decay before it."""
    if step < warm:
        return _warmed(step, warm, _rsqrt(floor, peak, warm, seen) if seen else peak)
    return _cooled(step, steps, cool, _rsqrt(floor, peak, warm, step + seen))


def _rsqrt(floor: float, peak: float, warm: int, step: int) -> float:
    return _between(floor, peak, min(1.0, math.sqrt(max(warm, 1) / max(step, 1))))


def _cooled(step: int, steps: int, cool: int, value: float) -> float:
    """A value with the linear cooldown at the end of a task."""
    return value * (steps - step - 1) / cool if step >= steps - cool else value


def _recovered_peak(steps: int, task: int, warm: int, floor: float) -> float:
    if task == 1 or steps == warm:
        return 1.0
    return _between(
        floor, 1.0, _half_cosine((task - 1) * (steps - warm) + 1, task * (steps - warm))
    )


def _half_cosine(step: int, steps: int) -> float:
    return (1 + math.cos(math.pi * step / steps)) / 2


def _between(floor: float, peak: float, share: float) -> float:
    return floor + share * (peak - floor)


def _warmed(step: int, warm: int, peak: float) -> float:
    return peak * (step + 1) / warm


def _parts(
    step: int, steps: int, warmup: float, cooldown: float = 0.0, floor: float = 0.0
) -> tuple[int, int]:
    """Steps of warm-up and cooldown; refuses what no task can ask for."""
    if not 0 <= step < steps:
        raise ValueError(f"step counts from 0 within the task: {step} is not below {steps}")
    for name, fraction, whole in (
        ("warmup", warmup, "task's steps"),
        ("cooldown", cooldown, "task's steps"),
        ("floor", floor, "peak learning rate"),
    ):
        if not 0 <= fraction <= 1:
            raise ValueError(f"{name} is a fraction of the {whole}, in [0, 1], not {fraction}")
    # rounded first: 0.07 * 100 is 7.000000000000001, and means 7
    warm, cool = (math.ceil(round(fraction * steps, 9)) for fraction in (warmup, cooldown))
    return warm, cool
