"""The watch over the loss: which step was the first whose loss is not finite.

Asking for a number makes the host wait for a GPU, so a step only notes its loss on the device, and
it is looked at now and then.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from runner.worker.outcome import DivergedError


class LossWatch:
    """The losses of one task's steps."""

    def __init__(self, device: torch.device, task: int, lr: Callable[[int], float]) -> None:
        """`lr` is the learning rate of a step, counted from 0: an error names it."""
        self.task, self.lr = task, lr
        # The loss of the last step
        self.last = torch.zeros((), device=device)
        # The first step, from 1, whose loss is not finite; 0 while there is none
        self.first_bad = torch.zeros((), dtype=torch.int64, device=device)

    def note(self, loss: Tensor) -> None:
        """Keep the loss of the step that is being taken."""
        self.last = loss.detach()

    def check(self, step: int) -> None:
        """Note whether the loss of step `step`, counted from 0, is finite; does not wait for it."""
        bad_now = (self.first_bad == 0) & ~self.last.isfinite()
        self.first_bad = torch.where(bad_now, step + 1, self.first_bad)

    def look(self) -> float:
        """Return the loss of the last step; waits for it.

        Raises:
            DivergedError: the loss of a step so far was not finite; says which was the first.
        """
        loss, first_bad = torch.stack([self.last.double(), self.first_bad.double()]).tolist()
        if first_bad:
            step = int(first_bad)
            raise DivergedError(
                f"the loss is not finite at step {step} of task {self.task} "
                f"(lr {self.lr(step - 1):.3g}); lower lr or clip_norm"
            )
        return float(loss)
