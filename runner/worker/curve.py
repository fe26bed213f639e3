"""The curve of a task: rows of the table `progress`, and how fast the steps are."""

import time
from typing import Any

from runner.run_folder import now

# How many points the curve of a task has, about
POINTS = 20


class Curve:
    """A point about every twentieth of the task, with the speed since the point before."""

    def __init__(self, task: int, steps: int) -> None:
        self.task, self.steps = task, steps
        self.every = max(1, steps // POINTS)
        self.rows: list[dict[str, Any]] = []
        self.pairs_per_s = 0.0
        # Pairs learned from since the last point, and when that was
        self.pairs = 0
        self.began = time.monotonic()

    def count(self, pairs: int) -> None:
        """Note that a step was taken on so many pairs."""
        self.pairs += pairs
        self.pairs_per_s = self.pairs / (time.monotonic() - self.began)

    def is_due(self, step: int) -> bool:
        """Return whether the curve has a point after `step` steps."""
        return step % self.every == 0 or step == self.steps

    def add(self, step: int, loss: float, lr: float) -> None:
        """Add the point after `step` steps."""
        row = {
            "task": self.task,
            "step": step,
            "loss": loss,
            "lr": lr,
            "pairs_per_s": self.pairs_per_s,
            "written_at": now(),
        }
        self.rows.append(row)
        self.pairs, self.began = 0, time.monotonic()

    def load_rows(self, rows: list[dict[str, Any]]) -> None:
        """Go on from the points of a checkpoint."""
        self.rows = rows
