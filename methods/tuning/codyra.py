"""CoDyRA: low-rank updates whose ranks are chosen while training, W = W0 + sum_i w_i B_i A_i with sparse gates w
(https://arxiv.org/abs/2412.01004, equations 3 to 5).

The gates start random and B at zero, so the function is unchanged at first. After a dense phase each step of the optimizer is
followed by the proximal step of an L1 penalty, w <- sign(w) max(|w| - kappa, 0), kappa rising linearly to its value; what is
left is folded in when the task ends, and the next begins with fresh ones. Memory and FLOPs: as `lora` of the same rank on all
matrices of the blocks; nothing is added at inference.
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
        super().__init__()
        rows, columns = weight.shape
        self.down = nn.Parameter(
            nn.init.kaiming_uniform_(torch.empty(rank, columns), a=math.sqrt(5)).to(weight)
        )
        self.up = nn.Parameter(weight.new_zeros(rows, rank))
        self.gates = nn.Parameter(torch.randn(rank).to(weight))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight in use."""
        with full_precision(weight):
            return weight + (self.up * self.gates) @ self.down


@dataclass
class Codyra(Computed):
    """By default of all matrices of the blocks in both towers, at the released rank and threshold."""

    rank: int = 16
    targets: tuple[str, ...] = (
        "attn.in_proj_weight",
        "attn.out_proj.weight",
        "mlp.c_fc.weight",
        "mlp.c_proj.weight",
    )
    kappa: float = 0.005  # of the proximal step, in the end
    dense_share: float = 0.5  # of the task's steps, before the first proximal step
    ramp_share: float = 0.1  # of the task's steps, in which kappa rises (released: 50 of 500 steps)
    _steps: int = field(default=0, init=False, repr=False)  # of the task, so far
    _due: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        shares = (self.dense_share, self.ramp_share)
        if (
            self.rank < 1
            or not self.targets
            or self.kappa < 0
            or not all(0 <= share <= 1 for share in shares)
        ):
            raise ValueError(
                f"codyra takes rank >= 1, one target or more, kappa >= 0 and shares in [0, 1], not {self}"
            )

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Count the task's steps from 0."""
        self._steps, self._due = 0, task.steps
        return super().begin(model, task)

    def update(self, name: str, weight: Tensor, task: Task) -> nn.Module:
        """A fresh one in every task."""
        return Gated(weight, self.rank)

    def threshold(self, step: int, steps: int) -> float:
        """Kappa after a step, counted from 1, of a task of so many."""
        since = step - self.dense_share * steps
        return (
            self.kappa * min(1.0, since / max(self.ramp_share * steps, 1.0)) if since > 0 else 0.0
        )

    @contextmanager
    def stepping(self, model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
        """The proximal step after the optimizer's."""
        yield
        self._steps += 1
        kappa = self.threshold(self._steps, self._due)
        with torch.no_grad():
            for _, update in self.updates(model):
                if kappa and isinstance(update, Gated):
                    update.gates.copy_(
                        update.gates.sign() * (update.gates.abs() - kappa).clamp(min=0)
                    )

    def state_dict(self) -> dict[str, Tensor]:
        """How many steps of the task are done."""
        return {"steps": torch.tensor(self._steps)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The reverse."""
        self._steps = int(state["steps"])
