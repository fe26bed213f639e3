"""Derives the steps of each task from a trial's budget, at the start of the trial.

As a process (`python -m runner.worker.profiler.budget_steps`) it profiles definitions for
`runner.scheduler.profiles`: a line of JSON with the rows of backbone, mixture, method and recipe
in, a line with rows of `profile`, or with an error, out.
"""

import json
import logging
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from runner.budget import MULTIPLIER_DECIMALS, PROFILED, Profiled, steps_per_task
from runner.worker.profiler.fake_steps import ProfileError
from runner.worker.profiler.step_cost import Profiles, Rows, profiled
from schema.spec import Spec

Row = dict[str, Any]
# The words of a sentence that a profile depends on
WORDS = ("backbone", "mixture", "method", "recipe")


@dataclass(frozen=True)
class Solved:
    """The steps of each task, with rows of `profile` and `statistic` if a profile was needed."""

    steps: int
    profile: list[Row] = field(default_factory=list)
    statistics: list[Row] = field(default_factory=list)


def solve(spec: Spec) -> Solved:
    """Derive the steps of each task from a definition.

    The result is the same on every machine and in every attempt.

    Raises:
        BudgetError: the budget is less than one step per task.
        ProfileError: the method cannot be profiled.
    """
    tasks, pairs = spec.stream["tasks"], spec.recipe["batch_pairs"]
    if spec.budget["unit"] not in PROFILED:
        return Solved(steps_per_task(spec.budget, tasks, pairs))
    rows: Rows = {}
    if "published" in spec.budget:
        inputs = Profiled.published(spec.budget["published"])
    else:
        rows = Profiles().with_full(spec)
        inputs = profiled(rows)
    steps = steps_per_task(spec.budget, tasks, pairs, inputs)
    numbers = asdict(inputs) | {
        "multiplier": inputs.multiplier,
        "multiplier_decimals": MULTIPLIER_DECIMALS,
        # Rounded to the nearest
        "steps_per_task": steps,
    }
    statistics: list[Row] = []
    for name, number in numbers.items():
        row = {"task": 0, "name": f"budget_{name}", "part": "all", "value": float(number)}
        statistics.append(row)
    return Solved(steps, [{"task": 0, **row} for row in profile_rows(spec, rows)], statistics)


def profile_rows(spec: Spec, rows: Rows) -> list[Row]:
    """Return rows of the table `profile`."""
    words = {word: getattr(spec, word)["name"] for word in WORDS}
    table = []
    for phase, (flops, peak_bytes) in rows.items():
        table.append({**words, "phase": phase, "flops": flops, "peak_bytes": peak_bytes})
    return table


def answer(line: str, known: Profiles) -> Row:
    """Return the profile of the definition in a line of JSON, or the error."""
    began, words = time.monotonic(), json.loads(line)
    spec = Spec(
        **{word: words[word] for word in WORDS},
        stream={"name": "any", "tasks": 1},
        budget={},
        seed=0,
    )
    try:
        rows = profile_rows(spec, known.with_full(spec))
    except (ProfileError, ValueError) as error:
        return {"error": str(error), "seconds": time.monotonic() - began}
    return {"rows": rows, "seconds": time.monotonic() - began}


def main() -> int:
    """Answer each line of standard input, until it ends."""
    # open_clip warns that the weights are random
    logging.disable(logging.WARNING)
    known = Profiles()
    for line in sys.stdin:
        print(json.dumps(answer(line, known)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
