"""A trial's budget, solved at its start: steps of each task, and what they were derived from, as rows for the catalog."""

from dataclasses import asdict, dataclass, field
from typing import Any

from runner.budget import MULTIPLIER_DECIMALS, PROFILED, steps_per_task
from runner.profile import profile_with_full, profiled
from schema.spec import Spec

Row = dict[str, Any]


@dataclass(frozen=True)
class Solved:
    """Steps per task; rows of `profile` and of `statistic` where a profile was needed."""

    steps: int
    profile: list[Row] = field(default_factory=list)
    statistics: list[Row] = field(default_factory=list)


def solve(spec: Spec) -> Solved:
    """The same on every machine and in every attempt: nothing but the definition is asked.

    Raises:
        BudgetError: less than one step per task.
        ProfileError: the method cannot be profiled.
    """
    tasks, pairs = spec.stream["tasks"], spec.recipe["batch_pairs"]
    if spec.budget["unit"] not in PROFILED:
        return Solved(steps_per_task(spec.budget, tasks, pairs))
    rows = profile_with_full(spec)
    inputs = profiled(rows)
    steps = steps_per_task(spec.budget, tasks, pairs, inputs)
    words = {word: getattr(spec, word)["name"] for word in ("backbone", "method", "recipe")}
    made = [
        {"task": 0, **words, "phase": phase, "flops": flops, "peak_bytes": peak_bytes}
        for phase, (flops, peak_bytes) in rows.items()
    ]
    used = asdict(inputs) | {
        "multiplier": inputs.multiplier,
        "multiplier_decimals": MULTIPLIER_DECIMALS,
        "steps_per_task": steps,  # rounded to the nearest
    }
    said = [{"task": 0, "name": f"budget_{name}", "part": "all", "value": float(value)} for name, value in used.items()]
    return Solved(steps, made, said)
