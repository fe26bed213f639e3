"""A trial's budget, solved at its start: steps of each task, and what they were derived from, as rows for the catalog.

As a process (`python -m runner.worker.profiler.budget_steps`) it profiles what it is told, for `runner.scheduler.profiles`: a line of JSON with the rows that
backbone, mixture, method and recipe name in, a line with rows of `profile`, or with an error, out.
"""

import json
import logging
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from runner.budget import MULTIPLIER_DECIMALS, PROFILED, steps_per_task
from runner.worker.profiler.step_cost import ProfileError, Rows, profile_with_full, profiled
from schema.spec import Spec

Row = dict[str, Any]
WORDS = ("backbone", "mixture", "method", "recipe")  # what a profile is of


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
    made = [{"task": 0, **row} for row in profile_rows(spec, rows)]
    used = asdict(inputs) | {
        "multiplier": inputs.multiplier,
        "multiplier_decimals": MULTIPLIER_DECIMALS,
        "steps_per_task": steps,  # rounded to the nearest
    }
    said = [
        {"task": 0, "name": f"budget_{name}", "part": "all", "value": float(value)}
        for name, value in used.items()
    ]
    return Solved(steps, made, said)


def profile_rows(spec: Spec, rows: Rows) -> list[Row]:
    """Rows of the table `profile`."""
    words = {word: getattr(spec, word)["name"] for word in WORDS}
    return [
        {**words, "phase": phase, "flops": flops, "peak_bytes": peak_bytes}
        for phase, (flops, peak_bytes) in rows.items()
    ]


def answer(line: str) -> Row:
    """What a definition's profile is, or why it has none."""
    began, said = time.monotonic(), json.loads(line)
    spec = Spec(
        **{word: said[word] for word in WORDS},
        stream={"name": "any", "tasks": 1},
        budget={},
        seed=0,
    )
    try:
        return {
            "rows": profile_rows(spec, profile_with_full(spec)),
            "seconds": time.monotonic() - began,
        }
    except (ProfileError, ValueError) as error:
        return {"error": str(error), "seconds": time.monotonic() - began}


def main() -> int:
    """Until nothing more is asked."""
    logging.disable(logging.WARNING)  # open_clip's, that the weights are random
    for line in sys.stdin:
        print(json.dumps(answer(line)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
