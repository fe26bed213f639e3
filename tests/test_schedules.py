"""The schedules against the closed formulas and against torch's own schedulers."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler

from methods import schedules

STEPS = st.integers(1, 300)
FRACTION = st.floats(0, 1)


def run(make: type[LRScheduler], steps: int, **params: float) -> list[float]:
    """The learning rates that a scheduler of torch gives to steps 0, 1, ..."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer, **params)
    rates = []
    for _ in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates


def test_cosine_is_torchs_one_step_on() -> None:
    """The released code of FoMo-in-Flux reads torch's curve at step + 1, so that the last step reaches the floor."""
    theirs = run(CosineAnnealingLR, 41, T_max=40, eta_min=0.05)
    ours = [schedules.cosine(step, 40, warmup=0.0, floor=0.05) for step in range(40)]
    assert ours == pytest.approx(theirs[1:], rel=1e-9)


def test_warmup_is_torchs_linear_one() -> None:
    theirs = run(LinearLR, 40, start_factor=1 / 8, total_iters=7)
    assert [schedules.constant(step, 40, warmup=0.2) for step in range(40)] == pytest.approx(theirs, rel=1e-9)


def test_cosine_is_the_closed_formula_of_the_default() -> None:
    steps, warm, floor = 1420, 142, 0.001
    for step in range(steps):
        down = floor + (1 - floor) / 2 * (1 + math.cos(math.pi * (step - warm + 1) / (steps - warm)))
        assert schedules.cosine(step, steps) == pytest.approx((step + 1) / warm if step < warm else down, rel=1e-12)
    assert schedules.cosine(warm - 1, steps) == 1.0
    assert schedules.cosine(steps - 1, steps) == pytest.approx(floor)


@given(steps=STEPS, warmup=FRACTION, floor=FRACTION)
def test_every_value_is_a_fraction_that_rises_then_falls(steps: int, warmup: float, floor: float) -> None:
    for values in (
        [schedules.cosine(step, steps, warmup=warmup, floor=floor) for step in range(steps)],
        [schedules.constant(step, steps, warmup=warmup) for step in range(steps)],
    ):
        assert all(0 < value <= 1 + 1e-12 or value == pytest.approx(floor) for value in values)
        top = values.index(max(values))
        assert values[:top] == sorted(values[:top])
        assert all(later <= earlier + 1e-12 for earlier, later in zip(values[top:], values[top + 1 :], strict=False))


def test_a_warmup_rounds_up_but_not_by_a_rounding_error() -> None:
    assert 0.07 * 100 > 7
    assert schedules.constant(6, 100, warmup=0.07) == 1.0
    assert schedules.constant(0, 100, warmup=0.07) == pytest.approx(1 / 7)
    assert schedules.constant(0, 11, warmup=0.1) == pytest.approx(1 / 2)


def test_one_step_is_a_whole_task() -> None:
    assert schedules.cosine(0, 1) == schedules.constant(0, 1) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: schedules.cosine(0, 5, warmup=1.1), r"warmup is a fraction.*not 1.1"),
        (lambda: schedules.constant(0, 5, warmup=-0.1), r"warmup is a fraction.*not -0.1"),
        (lambda: schedules.cosine(0, 5, floor=2.0), r"floor is a fraction.*not 2.0"),
        (lambda: schedules.cosine(5, 5), r"step counts from 0 within the task: 5 is not below 5"),
    ],
)
def test_what_cannot_be_meant_is_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
