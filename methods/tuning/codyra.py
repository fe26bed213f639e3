"""CoDyRA: low-rank updates whose ranks are chosen while training, W = W0 + sum_i w_i B_i A_i with
sparse gates w (https://arxiv.org/abs/2412.01004, equations 3 to 5).

The gates start at random values and B at zero, so the function is unchanged at first. After a dense
phase each step of the optimizer is followed by the proximal step of an L1 penalty, w <- sign(w)
max(|w| - kappa, 0), kappa rising linearly to its value. The released code lets it rise in 50 levels
of five steps each, the whole second half of its 500 steps; here it rises with every step. The
released code also sets to 0 what has shrunk below kappa. What is left is folded in when the task
ends, and the next begins with fresh updates.

Memory and FLOPs: as `lora` of the same rank on all matrices of the blocks; nothing is added at
inference.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from methods import Task
from methods.tuning._computed import Computed, full_precision


class Gated(nn.Module):
    """The update of one weight."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        """Draw the update of a weight (rows, columns), which changes nothing at first."""
        super().__init__()
        rows, columns = weight.shape
        # Drawn on the CPU whatever the device: the generator is the one that checkpoints restore
        down = nn.init.kaiming_uniform_(torch.empty(rank, columns), a=math.sqrt(5))
        self.down = nn.Parameter(down.to(weight))
        self.up = nn.Parameter(weight.new_zeros(rows, rank))
        self.gates = nn.Parameter(torch.randn(rank).to(weight))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight in use."""
        with full_precision(weight):
            return weight + (self.up * self.gates) @ self.down


@dataclass
class Codyra(Computed):
    """CoDyRA, by default of all matrices of the blocks in both towers.

    Rank, threshold and phases are those of the released code.
    """

    rank: int = 16
    targets: tuple[str, ...] = (
        "attn.in_proj_weight",
        "attn.out_proj.weight",
        "mlp.c_fc.weight",
        "mlp.c_proj.weight",
    )
    # The final threshold of the proximal step
    kappa: float = 0.005
    # The share of the task's steps before the first proximal step
    dense_share: float = 0.5
    # The share of the task's steps over which kappa rises
    ramp_share: float = 0.5
    # How many steps the task has taken so far, and how many it will take
    _steps: int = field(default=0, init=False, repr=False)
    _due: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        shares = 0 <= self.dense_share <= 1 and 0 <= self.ramp_share <= 1
        if self.rank < 1 or not self.targets or self.kappa < 0 or not shares:
            raise ValueError(
                "codyra takes rank >= 1, one target or more, kappa >= 0 and shares in [0, 1], "
                f"not {self}"
            )

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Count the task's steps from 0."""
        self._steps, self._due = 0, task.steps
        return super().begin(model, task)

    def update(self, name: str, weight: Tensor, task: Task) -> nn.Module:
        """Return a new update, as in every task."""
        return Gated(weight, self.rank)

    def threshold(self, step: int, steps: int) -> float:
        """Return kappa after a step, counted from 1, of a task of so many."""
        since = step - self.dense_share * steps
        if since <= 0:
            return 0.0
        return self.kappa * min(1.0, since / max(self.ramp_share * steps, 1.0))

    @contextmanager
    def stepping(self, model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
        """Take the proximal step after the optimizer's."""
        yield
        self._steps += 1
        kappa = self.threshold(self._steps, self._due)
        if not kappa:
            return
        with torch.no_grad():
            for _, update in self.updates(model):
                if isinstance(update, Gated):
                    size = (update.gates.abs() - kappa).clamp(min=0)
                    update.gates.copy_(update.gates.sign() * size)

    def state_dict(self) -> dict[str, Tensor]:
        """Return how many steps of the task have been taken."""
        return {"steps": torch.tensor(self._steps)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state_dict` returned."""
        self._steps = int(state["steps"])
