"""How many optimizer steps each task of a trial takes, and how many of them are its repair's."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """The steps of one trial, which are the same in every task but for the first one's repair."""

    # Of a task, its repair included
    steps: int
    # The share of them that a repair takes; None: the method has no repair
    repair_share: float | None = None

    def repair_steps(self, task: int) -> int:
        """Return the steps of a task's repair; the first task has no earlier ones to repair."""
        if self.repair_share is None or task == 1:
            return 0
        at_least_one = max(1, round(self.repair_share * self.steps))
        return min(at_least_one, self.steps - 1)

    def training_steps(self, task: int) -> int:
        """Return the steps that are left to training."""
        return self.steps - self.repair_steps(task)
