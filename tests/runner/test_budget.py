"""Steps are derived: the published tables, rounding as published, refusals with the numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.budget import BudgetError, Profiled, price, steps_per_task

FULL_GFLOPS, FULL_GB = 63_394.7585, 46.5917
FISHER_BATCHES = 98  # of 512 pairs, in 50,000


def budget(unit: str, total: float, charging: str = "once") -> dict[str, object]:
    return {"name": "b", "unit": unit, "total": total, "charging": charging}


def bytes_of(gigabytes: float) -> int:
    return round(gigabytes * 1e9)


def of(gflops: float, gigabytes: float, once_gflops: float = 0.0) -> Profiled:
    return Profiled(gflops, once_gflops, bytes_of(gigabytes), bytes_of(FULL_GB))


# FoMo-in-Flux, table of compute for ViT-B/16 and batches of 512: GFLOPs a step, peak memory, its multiplier, the price of a step,
# and the steps of a task where the stream has 20, 50, 100 and 200
PUBLISHED = [
    ("full", of(FULL_GFLOPS, FULL_GB), 1.0, 63_394.7585, (1420, 568, 284, 142)),
    ("lora, rank 4", of(54_479.2515, 40.5449), 0.8702, 47_407.8446, (1898, 759, 380, 190)),
    ("ewc", of(6_276_081.094, 47.207), 1.0132, 6_358_925.364, (14, 6, 3, 1)),
]


@pytest.mark.parametrize(
    ("method", "profiled", "multiplier", "maf", "steps"),
    PUBLISHED,
    ids=[row[0] for row in PUBLISHED],
)
def test_the_published_table(
    method: str, profiled: Profiled, multiplier: float, maf: float, steps: tuple[int, ...]
) -> None:
    assert profiled.multiplier == multiplier
    said = budget("maf_gflops", 1.8e9, "per_step")
    assert price(said, 512, profiled).step == pytest.approx(maf, rel=1e-8)
    assert (
        tuple(steps_per_task(said, tasks, 512, profiled) for tasks in (20, 50, 100, 200)) == steps
    )


def test_ewc_as_published_is_one_step_and_its_fisher_pass_at_every_step() -> None:
    profiled = of(FULL_GFLOPS, 47.207, FISHER_BATCHES * FULL_GFLOPS)
    said = budget("maf_gflops", 1.8e9, "per_step")
    assert price(said, 512, profiled).step == pytest.approx(6_358_925.364, rel=1e-8)
    assert tuple(steps_per_task(said, tasks, 512, profiled) for tasks in (20, 50, 100, 200)) == (
        14,
        6,
        3,
        1,
    )


@pytest.mark.parametrize(
    ("unit", "steps"),
    [("gflops", (1322, 470, 186, 44)), ("maf_gflops", (1303, 462, 182, 42))],
    ids=["flops alone", "adjusted"],
)
def test_ewc_charged_once(unit: str, steps: tuple[int, ...]) -> None:
    """FLOPs alone: the 98 batches come off the steps of full fine-tuning. With its memory, a step is dearer, too."""
    profiled = of(FULL_GFLOPS, 47.207, FISHER_BATCHES * FULL_GFLOPS)
    assert (
        tuple(
            steps_per_task(budget(unit, 1.8e9), tasks, 512, profiled)
            for tasks in (20, 50, 100, 200)
        )
        == steps
    )


def test_a_total_in_steps_of_full_fine_tuning() -> None:
    """28,400 x 63,394.76 is 0.02 % over 1.8e9: right for full fine-tuning, one step too many for LoRA in short streams."""
    said = budget("maf_gflops", 28_400 * FULL_GFLOPS)
    found = [
        [steps_per_task(said, tasks, 512, row[1]) for tasks in (20, 50, 100, 200)]
        for row in PUBLISHED[:2]
    ]
    assert found == [[1420, 568, 284, 142], [1899, 760, 380, 190]]


@pytest.mark.parametrize(("tasks", "steps"), [(20, 1420), (50, 568), (100, 284), (200, 142)])
def test_the_published_steps_without_memory(tasks: int, steps: int) -> None:
    assert steps_per_task(budget("gflops", 1.8e9), tasks, 512, Profiled(FULL_GFLOPS)) == steps


def test_pairs_and_steps() -> None:
    assert steps_per_task(budget("pairs", 14_540_800), 20, 512) == 1420
    assert steps_per_task(budget("steps", 401), 5, 128) == 80


@given(
    st.sampled_from(["steps", "pairs", "gflops", "maf_gflops"]),
    st.sampled_from(["once", "per_step"]),
    st.integers(1, 10**9),
    st.integers(1, 300),
    st.integers(2, 4096),
    st.floats(1e-3, 1e6),
    st.floats(0, 1e8),
    st.integers(1, 10**12),
)
def test_never_over_by_more_than_half_a_step_per_task(
    unit: str,
    charging: str,
    total: int,
    tasks: int,
    batch_pairs: int,
    gflops: float,
    once: float,
    peak: int,
) -> None:
    """Spending is added up here by hand, once and at every step, from the same profile."""
    profiled = Profiled(gflops, once, 10**11 + peak, 10**12)
    share = round((10**11 + peak) / 10**12, 4) if unit == "maf_gflops" else 1
    step = {"steps": 1, "pairs": batch_pairs}.get(
        unit, (gflops + (once if charging == "per_step" else 0)) * share
    )
    one_off = once * share if charging == "once" and unit.endswith("gflops") else 0
    said = budget(unit, total, charging)
    try:
        steps = steps_per_task(said, tasks, batch_pairs, profiled)
    except BudgetError:
        assert (total / tasks - one_off) / step <= 0.5 * (1 + 1e-9)
    else:
        spent = sum(steps * step + one_off for _ in range(tasks))
        assert abs(spent - total) <= tasks * step / 2 + 1e-9 * total
        assert price(said, batch_pairs, profiled).of(steps, tasks) == pytest.approx(spent)


def test_too_little_is_refused_with_the_numbers() -> None:
    with pytest.raises(BudgetError, match=r"buys 0\.4 steps per task: 2 steps over 5 tasks"):
        steps_per_task(budget("steps", 2), 5, 8)
    with pytest.raises(
        BudgetError,
        match="buys -1.5 steps per task: 10 gflops .* at 2 gflops a step and 5 once per task. Raise",
    ):
        steps_per_task(budget("gflops", 10), 5, 8, Profiled(2, 5))


@pytest.mark.parametrize("unit", ["gflops", "maf_gflops", "hours"])
def test_a_unit_that_needs_a_profile(unit: str) -> None:
    with pytest.raises(
        BudgetError,
        match=rf"unit {unit} cannot be solved without a profile. Give the profile .* use steps or",
    ):
        steps_per_task(budget(unit, 2), 5, 8)


def test_an_unknown_charging() -> None:
    with pytest.raises(BudgetError, match="charging must be once or per_step, not 'never'"):
        price(budget("gflops", 1, "never"), 8, Profiled(1))
