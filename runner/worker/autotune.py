"""Whether a trial's towers are compiled: as its recipe says, or, with `auto`, as its first steps tell.

A few plain steps are timed, then the first compiled one, which makes the kernels, and a few more. Compiled it stays if what that
saves over the steps left in the trial is more than the kernels took to make (an attempt that resumes makes them again); a trial
that is nearly over is not worth trying. The times and what was decided are facts of the trial (`statistic`, with every task) and
part of its checkpoints: an attempt that resumes stays with the decision, and where there was none yet it times its own steps.
As a decision depends on the clock, and compiled steps round otherwise, two trials with `auto` that train apart may differ in
rounding. What one has trained is left to others together with its decision, which is then theirs, and told as theirs.

A task in which somebody listens to the towers (`methods.compute.compiled.listened`) runs plainly whatever is decided, and says so.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from statistics import median
from typing import Any

import torch

from methods.compute import distributed
from methods.compute.towers import Towers
from schema.checks.compute import Compute

TIMED = 3  # steps of either kind; one more before them warms up, or compiles
LEAST_S = 60.0  # that plain steps would still take, for trying to be worth it


class Choice:
    """That of one trial."""

    def __init__(self, prepared: Towers) -> None:
        self.prepared, self.said = prepared, prepared.compute
        self.facts: dict[str, float] = {}  # once decided: compiled (1 or 0), and seconds
        self.listened = False  # whether the steps of the task run plainly all the same
        self.plain_s: list[float] = []  # steps as they were timed
        self.compiled_s: list[float] = []

    @property
    def how(self) -> Compute:
        """How the next step is computed."""
        if self.said.compile != "auto":
            return self.said
        on = self.facts["compiled"] if self.facts else len(self.plain_s) > TIMED
        return replace(self.said, compile="on" if on else "off")

    @property
    def towers(self) -> Towers:
        """How the towers run in the next step."""
        return replace(self.prepared, compute=self.how)

    @contextmanager
    def timed(self, steps_left: int) -> Iterator[None]:
        """Around a step that is like any other (the first of a task is counted, and slow); `steps_left`: of the trial, after it.
        Waits for the device while there is something to decide."""
        if self.said.compile != "auto" or self.facts or self.listened:
            yield
            return
        began = _now()
        yield
        kind = self.compiled_s if self.how.compile == "on" else self.plain_s
        kind.append(_now() - began)
        self._decide(steps_left)

    def _decide(self, steps_left: int) -> None:
        """With what has been seen so far; all processes of a trial as the first of them."""
        if len(self.plain_s) <= TIMED or 0 < len(self.compiled_s) <= TIMED:
            return
        plain_s = median(self.plain_s[1:])
        facts, on = {"plain_step_s": plain_s}, False
        if self.compiled_s:
            compiled_s = median(self.compiled_s[1:])
            facts |= {
                "compiled_step_s": compiled_s,
                "compile_s": max(0.0, self.compiled_s[0] - compiled_s),
            }
            on = steps_left * (plain_s - compiled_s) > facts["compile_s"]
        elif not distributed.agreed(int(steps_left * plain_s < LEAST_S))[0]:
            return
        self.facts = {"compiled": float(distributed.agreed(int(on))[0])} | facts

    def state_dict(self) -> dict[str, Any]:
        """What was decided, and how the last task was computed."""
        return {"facts": self.facts, "listened": self.listened}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The reverse: of another trial, whose training this one takes over."""
        self.facts, self.listened = state["facts"], state["listened"]

    def rows(self, task: int) -> list[dict[str, Any]]:
        """Of the table `statistic`, about the last task; none where the recipe does not speak of it."""
        if self.said.compile == "off":
            return []
        facts = self.facts | {"compiled": float(self.how.compile == "on" and not self.listened)}
        return [
            {"task": task, "name": name, "part": "all", "value": value}
            for name, value in facts.items()
        ]


def _now() -> float:
    """When all that was asked of the device so far is done, in seconds."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.monotonic()
