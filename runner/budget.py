"""From a budget to steps: derived, never typed. Pure arithmetic.

The rule is that of FoMo-in-Flux (https://arxiv.org/abs/2408.14471): a budget is a number of FLOPs
times a share of memory, the same for all methods. Each method takes the steps that it can pay for,
rounded to the nearest step of a task.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Units that need a profile
PROFILED = ("gflops", "maf_gflops")
MULTIPLIER_DECIMALS = 4


class BudgetError(ValueError):
    """A budget cannot be solved, or buys less than one step per task."""


@dataclass(frozen=True)
class Profiled:
    """The cost of a method, as its profile says."""

    # Of one optimizer step
    step_gflops: float
    # Per task, of what runs once in it
    once_gflops: float = 0.0
    peak_bytes: int = 1
    # Of full fine-tuning of the same backbone in the same precision and batch
    full_peak_bytes: int = 1

    @classmethod
    def published(cls, costs: Mapping[str, Any]) -> "Profiled":
        """Return what a source has published: `step_gflops`, and `multiplier` to 4 decimals.

        What runs once in a task is in its step.
        """
        whole = 10**MULTIPLIER_DECIMALS
        share = round(costs["multiplier"] * whole)
        return cls(costs["step_gflops"], peak_bytes=share, full_peak_bytes=whole)

    @property
    def multiplier(self) -> float:
        """The peak memory relative to full fine-tuning, rounded to 4 decimals as published."""
        return round(self.peak_bytes / self.full_peak_bytes, MULTIPLIER_DECIMALS)


@dataclass(frozen=True)
class Price:
    """The cost of a step, and of what runs once per task, in the unit of a budget."""

    step: float
    once: float = 0.0

    def of(self, steps: int, tasks: int) -> float:
        """Return what a whole trial costs, with so many steps in each of its tasks."""
        return tasks * (steps * self.step + self.once)


def price(budget: Mapping[str, Any], batch_pairs: int, profiled: Profiled | None = None) -> Price:
    """Return what a budget charges. `profiled` is needed for the units gflops and maf_gflops only.

    `charging` says how phases that run once per task are paid for: `once`, when they run;
    `per_step`, at every step, as FoMo-in-Flux's table does.

    Raises:
        BudgetError: an unknown charging, or a unit that needs a profile which was not passed.
    """
    unit, charging = budget["unit"], budget.get("charging", "once")
    if unit == "steps":
        return Price(1.0)
    if unit == "pairs":
        return Price(float(batch_pairs))
    if unit not in PROFILED or profiled is None:
        raise BudgetError(
            f"budget {budget['name']!r}: unit {unit} cannot be solved without a profile. "
            "Give the profile of the method (runner.worker.profiler.step_cost), "
            "or use steps or pairs."
        )
    if charging not in ("once", "per_step"):
        raise BudgetError(
            f"budget {budget['name']!r}: charging must be once or per_step, not {charging!r}"
        )
    share = profiled.multiplier if unit == "maf_gflops" else 1.0
    if charging == "per_step":
        return Price((profiled.step_gflops + profiled.once_gflops) * share)
    return Price(profiled.step_gflops * share, profiled.once_gflops * share)


def steps_per_task(
    budget: Mapping[str, Any], tasks: int, batch_pairs: int, profiled: Profiled | None = None
) -> int:
    """Return the optimizer steps of each task: round((total / tasks - once) / step), to nearest.

    Raises:
        BudgetError: less than one step per task; or as `price`.
    """
    cost = price(budget, batch_pairs, profiled)
    total, unit = float(budget["total"]), budget["unit"]
    bought = total / (tasks * cost.step) - cost.once / cost.step
    # Half to even, as SQL's round_even in queries/costs/steps.sql
    steps = round(bought)
    if steps < 1:
        besides = f" and {cost.once:g} once per task" if cost.once else ""
        raise BudgetError(
            f"budget {budget['name']!r} buys {bought:.3g} steps per task: {total:g} {unit} over "
            f"{tasks} tasks at {cost.step:g} {unit} a step{besides}. "
            "Raise the total or cut the stream into fewer tasks."
        )
    return steps
