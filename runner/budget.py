"""From a budget to steps: derived, never typed. Pure."""

from collections.abc import Mapping
from typing import Any


class BudgetError(ValueError):
    """A budget that cannot be solved, or buys less than one step per task."""


def steps_per_task(budget: Mapping[str, Any], tasks: int, batch_pairs: int, step_gflops: float | None = None) -> int:
    """Optimizer steps of each task: round(total / (tasks x cost of a step)), to nearest, as FoMo-in-Flux solves its budgets.

    `step_gflops` is needed for the unit gflops only.

    Raises:
        BudgetError: less than one step per task, or a unit that needs what was not given.
    """
    cost = {"steps": 1.0, "pairs": float(batch_pairs), "gflops": step_gflops}.get(budget["unit"])
    if cost is None:
        raise BudgetError(f"budget {budget['name']!r}: unit {budget['unit']} cannot be solved here")
    steps = round(float(budget["total"]) / (tasks * cost))
    if steps < 1:
        unit, total = budget["unit"], budget["total"]
        raise BudgetError(
            f"budget {budget['name']!r} buys {total / (tasks * cost):.3g} steps per task: {total:g} {unit} over {tasks} tasks at "
            f"{cost:g} {unit} a step. Raise the total or cut the stream into fewer tasks."
        )
    return steps
