"""Steps are derived: rounding as published, refusals with the numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.budget import BudgetError, steps_per_task


def budget(unit: str, total: float) -> dict[str, object]:
    return {"name": "b", "unit": unit, "total": total}


@pytest.mark.parametrize(("tasks", "steps"), [(20, 1420), (50, 568), (100, 284), (200, 142)])
def test_the_published_steps_of_full_fine_tuning(tasks: int, steps: int) -> None:
    """FoMo-in-Flux: 1.8e9 GFLOPs on ViT-B/16 at 63,394.76 GFLOPs a step of 512 pairs."""
    assert steps_per_task(budget("gflops", 1.8e9), tasks, 512, 63394.7585) == steps


def test_pairs_and_steps() -> None:
    assert steps_per_task(budget("pairs", 14_540_800), 20, 512) == 1420
    assert steps_per_task(budget("steps", 401), 5, 128) == 80


@given(st.sampled_from(["steps", "pairs"]), st.integers(1, 10**9), st.integers(1, 300), st.integers(2, 4096))
def test_never_over_by_more_than_half_a_step_per_task(unit: str, total: int, tasks: int, batch_pairs: int) -> None:
    cost = 1 if unit == "steps" else batch_pairs
    try:
        steps = steps_per_task(budget(unit, total), tasks, batch_pairs)
    except BudgetError:
        assert total / (tasks * cost) <= 0.5
    else:
        assert abs(steps * tasks * cost - total) <= tasks * cost / 2


def test_too_little_is_refused_with_the_numbers() -> None:
    with pytest.raises(BudgetError, match=r"buys 0\.4 steps per task: 2 steps over 5 tasks"):
        steps_per_task(budget("steps", 2), 5, 8)
    with pytest.raises(BudgetError, match="unit maf_gflops cannot be solved here"):
        steps_per_task(budget("maf_gflops", 2), 5, 8)
