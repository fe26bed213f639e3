"""The choice whether towers are compiled: by the recipe or, with `auto`, by a trial's first steps.

A few plain steps are timed, then the first compiled one, which makes the kernels, and a few more.
The towers stay compiled if what that saves over the steps left in the trial is more than the
kernels took to make (an attempt that resumes makes them again); a trial that is nearly over is not
worth trying. The times and the decision are facts of the trial (`statistic`, with every task) and
part of its checkpoints: an attempt that resumes stays with the decision, and where there was none
yet it times its own steps.

A decision depends on the clock, and compiled steps round otherwise, so two trials with `auto` that
train apart may differ in rounding. What one has trained is left to others together with its
decision, which is then theirs, and recorded as theirs.

A task in which hooks listen to the towers (`methods.compute.compiled.listened`) runs plainly
whatever is decided, and its statistics say so.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from statistics import median
from typing import Any

from methods.compute import devices, distributed
from methods.compute.towers import Towers
from schema.checks.compute import Compute

# Steps of either kind that are timed; one more before them warms up, or compiles
TIMED = 3
# Seconds that plain steps would still take, for trying to be worth it
LEAST_S = 60.0

Facts = dict[str, float]


class Choice:
    """How the steps of one trial are computed, and what decided it."""

    def __init__(self, towers: Towers) -> None:
        """`towers` are run as the recipe says."""
        self.prepared, self.recipe = towers, towers.compute
        # Once it is decided: `compiled` (1 or 0), and seconds
        self.facts: Facts = {}
        # Whether the steps of the task run plainly all the same
        self.listened = False
        # Seconds of the steps that were timed, of either kind
        self.plain_s: list[float] = []
        self.compiled_s: list[float] = []

    @property
    def how(self) -> Compute:
        """Return how the next step is computed."""
        if self.recipe.compile != "auto":
            return self.recipe
        # Plain steps are timed first
        compiles = len(self.plain_s) > TIMED
        if self.facts:
            compiles = bool(self.facts["compiled"])
        return replace(self.recipe, compile="on" if compiles else "off")

    @property
    def towers(self) -> Towers:
        """Return how the towers run in the next step."""
        return replace(self.prepared, compute=self.how)

    def begin_task(self, listened: bool) -> None:
        """Note whether hooks listen to the towers in the task that begins."""
        self.listened = listened

    @contextmanager
    def timed(self, steps_left: int) -> Iterator[None]:
        """Time a step that is like any other; the first of a task is not, as it is counted.

        `steps_left` are those of the trial after it. Waits for the device while there is something
        to decide.
        """
        if self.recipe.compile != "auto" or self.facts or self.listened:
            yield
            return
        times_s = self.compiled_s if self.how.compile == "on" else self.plain_s
        began = _now()
        yield
        times_s.append(_now() - began)
        self._decide(steps_left)

    def _decide(self, steps_left: int) -> None:
        """Decide by the times at hand, if they suffice; all processes decide as the first does."""
        if len(self.plain_s) <= TIMED or 0 < len(self.compiled_s) <= TIMED:
            return
        plain_s = median(self.plain_s[1:])
        facts, compiles = {"plain_step_s": plain_s}, False
        if self.compiled_s:
            compiled_s = median(self.compiled_s[1:])
            facts["compiled_step_s"] = compiled_s
            facts["compile_s"] = max(0.0, self.compiled_s[0] - compiled_s)
            compiles = steps_left * (plain_s - compiled_s) > facts["compile_s"]
        else:
            nearly_over = int(steps_left * plain_s < LEAST_S)
            if not distributed.agreed(nearly_over)[0]:
                return
        self.facts = {"compiled": float(distributed.agreed(int(compiles))[0])} | facts

    def load_facts(self, facts: Mapping[str, float]) -> None:
        """Stay with what an earlier attempt decided; nothing, where it had not."""
        self.facts = dict(facts)

    def state_dict(self) -> dict[str, Any]:
        """Return what was decided, and how the last task was computed."""
        return {"facts": self.facts, "listened": self.listened}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the state of another trial together with what it has trained."""
        self.facts, self.listened = state["facts"], state["listened"]

    def rows(self, task: int) -> list[dict[str, Any]]:
        """Return rows of the table `statistic` about the last task.

        None where the recipe does not compile.
        """
        if self.recipe.compile == "off":
            return []
        compiles = self.how.compile == "on" and not self.listened
        facts = self.facts | {"compiled": float(compiles)}
        rows = []
        for name, value in facts.items():
            rows.append({"task": task, "name": name, "part": "all", "value": value})
        return rows


def _now() -> float:
    """Return the time in seconds when the device has done all that was asked of it so far."""
    return devices.now_s()
