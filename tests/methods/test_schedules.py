"""The schedules against the closed formulas and against torch's own schedulers."""

import json
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip_train.scheduler import cosine_lr
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler

from methods import schedules
from schema.checks import parts
from tests.tiny_clip import ROOT

STEPS = st.integers(1, 300)
FRACTION = st.floats(0, 1)
NAMES = parts.names("methods/schedules.py")
TABLE = json.loads((ROOT / "tests" / "golden" / "schedules.json").read_text())
PEAKS = {  # of lr 1e-5 over tasks of 1,420 steps, in 1e-5: the first five tasks and the 20th
    "cosine_autoregressive": [1.0, 0.500, 0.250, 0.147, 0.096, 0.0071],
    "rsqrt_autoregressive": [1.0, 0.427, 0.379, 0.360, 0.350, 0.324],
    "rsqrt_continued": [1.0, 0.334, 0.243, 0.201, 0.175, 0.082],
}


def at(step: int, steps: int, task: int) -> schedules.Position:
    return schedules.Position(step=step, steps=steps, task=task)


def task_of(name: str, steps: int, task: int, **params: Any) -> list[float]:
    """The values of all steps of a task."""
    return [getattr(schedules, name)(at(step, steps, task), **params) for step in range(steps)]


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
    """The released code of FoMo-in-Flux reads torch's curve at step + 1.

    So the last step reaches the floor.
    """
    theirs = run(CosineAnnealingLR, 41, T_max=40, eta_min=0.05)
    ours = [schedules.cosine(at(step, 40, 1), warmup=0.0, floor=0.05) for step in range(40)]
    assert ours == pytest.approx(theirs[1:], rel=1e-9)


def test_warmup_is_torchs_linear_one() -> None:
    theirs = run(LinearLR, 40, start_factor=1 / 8, total_iters=7)
    assert [schedules.constant(at(step, 40, 1), warmup=0.2) for step in range(40)] == pytest.approx(
        theirs, rel=1e-9
    )


@pytest.mark.parametrize(("steps", "warm"), [(300, 30), (7, 2), (40, 0), (5, 5)])
def test_cosine_of_open_clip_is_its_own(steps: int, warm: int) -> None:
    """To the last bit, and one step behind `cosine`, which ends at its floor."""
    rates = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = cosine_lr(rates, 1.0, warm, steps)
    ours = task_of("cosine_open_clip", steps, 3, warmup=warm / steps)
    assert ours == [theirs(step) for step in range(steps)]
    if warm < steps:
        assert ours[warm] == 1.0
        later = task_of("cosine", steps, 3, warmup=warm / steps, floor=0.0)
        assert later[warm:-1] == pytest.approx(ours[warm + 1 :], rel=1e-12)


def test_cosine_is_the_closed_formula_of_the_default() -> None:
    steps, warm, floor = 1420, 142, 0.001
    for step in range(steps):
        down = floor + (1 - floor) / 2 * (
            1 + math.cos(math.pi * (step - warm + 1) / (steps - warm))
        )
        assert schedules.cosine(at(step, steps, 1)) == pytest.approx(
            (step + 1) / warm if step < warm else down, rel=1e-12
        )
    assert schedules.cosine(at(warm - 1, steps, 1)) == 1.0
    assert schedules.cosine(at(steps - 1, steps, 1)) == pytest.approx(floor)


@pytest.mark.parametrize("name", NAMES)
@given(steps=STEPS, warmup=FRACTION, task=st.integers(1, 30), data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_value_is_a_fraction_that_rises_then_falls(
    name: str, steps: int, warmup: float, task: int, data: st.DataObject
) -> None:
    """Also where one warm-up or cooldown leaves no room for anything else."""
    known = parts.keys("methods/schedules.py", name)
    params = {key: data.draw(FRACTION, label=key) for key in ("cooldown", "floor") if key in known}
    values = task_of(name, steps, task, warmup=warmup, **params)
    assert all(0 <= value <= 1 + 1e-12 for value in values)
    if "cooldown" not in params or warmup + params["cooldown"] <= 0.9:
        top = values.index(max(values))
        assert values[:top] == sorted(values[:top])
        if name != "cosine_dynamic":  # whose warm-up may end above or below the long curve
            assert all(
                later <= earlier + 1e-12
                for earlier, later in zip(values[top:], values[top + 1 :], strict=False)
            )


def test_a_warmup_rounds_up_but_not_by_a_rounding_error() -> None:
    assert 0.07 * 100 > 7
    assert schedules.constant(at(6, 100, 1), warmup=0.07) == 1.0
    assert schedules.constant(at(0, 100, 1), warmup=0.07) == pytest.approx(1 / 7)
    assert schedules.constant(at(0, 11, 1), warmup=0.1) == pytest.approx(1 / 2)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [10, 40, 400])
def test_a_warmup_above_one_is_a_number_of_steps_of_a_task_of_any_length(
    name: str, steps: int
) -> None:
    values = task_of(name, steps, 1, warmup=8)
    assert values[:8] == pytest.approx([(step + 1) / 8 for step in range(8)])


@pytest.mark.parametrize("name", NAMES)
def test_a_number_of_steps_is_the_fraction_that_comes_to_it(name: str) -> None:
    for task in (1, 2, 3):
        fraction = task_of(name, 40, task, warmup=0.2)
        assert task_of(name, 40, task, warmup=8) == pytest.approx(fraction, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_warmup_longer_than_the_task_is_cut_off(name: str) -> None:
    values = task_of(name, 5, 1, warmup=10)
    assert values == pytest.approx([(step + 1) / 10 for step in range(5)])


@pytest.mark.parametrize("name", ["constant", "cosine", "wsd"])
def test_later_tasks_may_have_a_warmup_of_their_own(name: str) -> None:
    """The first warms up for 8 steps, each later one for 4 or for a tenth of its steps."""
    for rewarm in (4, 0.1):
        assert task_of(name, 40, 1, warmup=8, rewarm=rewarm) == task_of(name, 40, 1, warmup=8)
        later = task_of(name, 40, 3, warmup=8, rewarm=rewarm)
        assert later == task_of(name, 40, 3, warmup=4)


@pytest.mark.parametrize("name", PEAKS)
def test_the_peaks_of_the_released_code_of_fomo_in_flux(name: str) -> None:
    peaks = [max(task_of(name, 1420, task)) for task in (1, 2, 3, 4, 5, 20)]
    assert peaks == pytest.approx(PEAKS[name], rel=0.008)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "cosine_open_clip"])
def test_the_first_task_of_a_meta_schedule_is_the_plain_one(name: str) -> None:
    plain = name.partition("_")[0]
    assert task_of(name, 97, 1) == pytest.approx(task_of(plain, 97, 1), rel=1e-12)


def test_rsqrt_is_its_formula() -> None:
    """Decay, cooldown to 0 and floor, as released with FoMo-in-Flux.

    The schedule is that of https://arxiv.org/abs/2106.04560.
    """
    steps, warm, cool, floor = 1000, 100, 50, 0.01
    values = task_of("rsqrt", steps, 3, warmup=0.1, cooldown=0.05, floor=floor)
    assert values[: warm + 1] == pytest.approx([(step + 1) / warm for step in range(warm)] + [1.0])
    decay = [floor + (1 - floor) * math.sqrt(warm / step) for step in range(warm, steps)]
    assert values[warm : steps - cool] == pytest.approx(decay[:-cool])
    assert values[-cool:] == pytest.approx(
        [value * (cool - n - 1) / cool for n, value in enumerate(decay[-cool:])]
    )
    assert values[-1] == 0.0


def test_recovered_is_one_decay_with_pieces_cut_out() -> None:
    """The pieces between warm-up and cooldown of ten tasks, end to end, are one rsqrt."""
    steps, warm, cool = 200, 20, 20
    pieces = [task_of("rsqrt_recovered", steps, task)[warm:-cool] for task in range(1, 11)]
    joined = [value for piece in pieces for value in piece]
    assert joined == pytest.approx(
        [0.001 + 0.999 * math.sqrt(warm / (warm + n)) for n in range(len(joined))]
    )
    for task in range(2, 11):
        assert task_of("rsqrt_recovered", steps, task)[warm - 1] == pytest.approx(
            min(1.0, 0.001 + 0.999 * math.sqrt(warm / (2 * (task - 1) * (steps - cool - warm))))
        )


def test_recovered_warms_up_to_less_than_it_goes_on_from() -> None:
    """The figures that its docstring gives, of the second of tasks of 100 steps."""
    values = task_of("rsqrt_recovered", 100, 2)
    assert values[9] == pytest.approx(0.251, abs=5e-4)
    assert values[10] == pytest.approx(0.334, abs=5e-4)
    assert max(values) == values[10]


@pytest.mark.parametrize("name", TABLE)
def test_every_value_is_that_of_the_published_code(name: str) -> None:
    """Tables of three tasks of 12 steps, warm-up and cooldown a tenth, floor a thousandth.

    Computed once with the functions of jordangong/fomo_in_flux at a61d2e62, which keeps the code
    of FoMo-in-Flux. The other names here have no counterpart there.
    """
    ours = [task_of(name, 12, task) for task in (1, 2, 3)]
    for values, published in zip(ours, TABLE[name], strict=True):
        assert values == pytest.approx(published, abs=1e-6)


def test_the_table_holds_every_schedule_of_the_published_code() -> None:
    assert set(NAMES) - set(TABLE) == {"constant", "cosine_open_clip", "infinite", "wsd"}


def test_dynamic_is_the_tail_of_one_long_cosine() -> None:
    steps, warm = 100, 10
    for task in (2, 5):
        long = task_of("cosine", task * steps, 1)
        assert task_of("cosine_dynamic", steps, task)[warm:] == long[(task - 1) * steps + warm :]
        assert task_of("cosine_dynamic", steps, task)[warm - 1] == max(
            task_of("cosine_autoregressive", steps, task)
        )


def test_wsd_is_warm_stable_and_down() -> None:
    values = task_of("wsd", 100, 1, warmup=0.1, cooldown=0.2, floor=0.1)
    assert values[9:80] == [1.0] * 71
    assert values[80:] == pytest.approx([0.1 + 0.9 * (19 - n) / 20 for n in range(20)])


def test_infinite_is_its_formula() -> None:
    """Warm-up, half a cosine to the level, the level, and an exponential fall to the floor."""
    keys = {"warmup": 0.1, "decay": 0.2, "level": 0.4, "cooldown": 0.25, "floor": 0.01}
    first, later = (task_of("infinite", 100, task, **keys) for task in (1, 3))
    assert first[:10] == pytest.approx([(n + 1) / 10 for n in range(10)])
    cosine = [0.4 + 0.6 * (1 + math.cos(math.pi * n / 20)) / 2 for n in range(1, 21)]
    assert first[10:30] == pytest.approx(cosine)
    assert first[30:75] == [0.4] * 45 and later[:75] == [0.4] * 75
    fall = [0.4 * (0.01 / 0.4) ** (n / 25) for n in range(1, 26)]
    assert first[75:] == pytest.approx(fall) and later[75:] == pytest.approx(fall)


@pytest.mark.parametrize(
    "name", [name for name in NAMES if "rewarm" in parts.keys("methods/schedules.py", name)]
)
def test_without_rewarming_only_the_first_task_has_a_warmup(name: str) -> None:
    first, second = (task_of(name, 50, task, warmup=0.2, rewarm=False) for task in (1, 2))
    assert first == task_of(name, 50, 1, warmup=0.2)
    assert second[0] == max(second) and second[0] > 0.9


def test_one_step_is_a_whole_task() -> None:
    assert schedules.cosine(at(0, 1, 1)) == schedules.constant(at(0, 1, 1)) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: schedules.cosine(at(0, 5, 1), warmup=1.1), r"warmup is a fraction.*not 1.1"),
        (
            lambda: schedules.cosine(at(0, 5, 1), warmup=7.5),
            r"warmup is .* or a whole number of steps above 1, not 7.5",
        ),
        (lambda: schedules.constant(at(0, 5, 1), warmup=-0.1), r"warmup is a fraction.*not -0.1"),
        (lambda: schedules.cosine(at(0, 5, 1), floor=2.0), r"floor is a fraction.*not 2.0"),
        (lambda: schedules.wsd(at(0, 5, 1), cooldown=2.0), r"cooldown is a fraction.*not 2.0"),
        (lambda: schedules.infinite(at(0, 5, 1), level=0.0), r"infinite takes level, a fraction"),
        (lambda: schedules.infinite(at(0, 5, 1), decay=2.0), r"decay, a fraction of the first"),
        (lambda: schedules.rsqrt(at(0, 5, 1), floor=-1.0), r"floor is a fraction.*not -1.0"),
        (
            lambda: schedules.cosine(at(5, 5, 1)),
            r"step counts from 0 within the task: 5 is not below 5",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
