"""LoRA: only low-rank updates of chosen weights move, W = W0 + (alpha / rank) B A (https://arxiv.org/abs/2106.09685).

A starts random and B at zero, so the function is unchanged at first; `end` folds the update into W0, bit for bit the weight
that training used, and the next task starts a fresh pair: the ranks of all tasks add up. With `merge_after_task` false one pair
goes on from task to task, and the update of the whole stream has that rank. All else is frozen, the temperature too. Memory:
optimizer state for rank x (rows + columns) per weight; the gradient of each chosen weight is formed in passing, so FLOPs are
those of full fine-tuning less the weight gradients of what was not chosen (0.86 with the default of FoMo-in-Flux, as in its
table).
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from methods import Task
from methods.tuning._computed import Computed, full_precision


class LowRank(nn.Module):
    """The update of one weight; `kept`: the pair that an earlier task ended with, whose product the weight holds already."""

    held: Tensor | None

    def __init__(
        self, weight: Tensor, rank: int, scale: float, kept: tuple[Tensor, Tensor] | None
    ) -> None:
        super().__init__()
        rows, columns = weight.shape
        # Drawn on the CPU whatever the device: one generator, the one that checkpoints restore
        down = nn.init.kaiming_uniform_(torch.empty(rank, columns), a=math.sqrt(5))
        self.down = nn.Parameter(down.to(weight) if kept is None else kept[0].to(weight))
        self.up = nn.Parameter(weight.new_zeros(rows, rank) if kept is None else kept[1].to(weight))
        self.scale = scale
        self.register_buffer("held", None if kept is None else self.product().detach())

    def product(self) -> Tensor:
        """The update itself."""
        return self.scale * (self.up @ self.down)

    def forward(self, weight: Tensor) -> Tensor:
        """The weight in use."""
        with full_precision(weight):
            return (
                weight + self.product()
                if self.held is None
                else weight + (self.product() - self.held)
            )


@dataclass
class Lora(Computed):
    """Low-rank updates; by default of the query, key and value projections and of the second matrix of each MLP, in both towers,
    at the rank and scale of FoMo-in-Flux's table."""

    rank: int = 4
    alpha: float = 4.0
    targets: tuple[str, ...] = (
        "attn.in_proj_weight",
        "mlp.c_proj.weight",
    )  # ends of parameter names; the weights are matrices
    merge_after_task: bool = True  # False: one pair for the whole stream
    _kept: dict[str, Tensor] = field(
        default_factory=dict, init=False, repr=False
    )  # <weight>.down, <weight>.up

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.alpha > 0 or not self.targets:
            raise ValueError(f"lora takes rank >= 1, alpha > 0 and one target or more, not {self}")

    def update(self, name: str, weight: Tensor, task: Task) -> nn.Module:
        """A fresh pair, or the one that goes on."""
        kept = (
            (self._kept[f"{name}.down"], self._kept[f"{name}.up"])
            if f"{name}.up" in self._kept
            else None
        )
        return LowRank(weight, self.rank, self.alpha / self.rank, kept)

    def end(self, model: nn.Module) -> None:
        """Fold the updates in, and remember the pairs if they go on."""
        if not self.merge_after_task:
            pairs = [
                (name, update)
                for name, update in self.updates(model)
                if isinstance(update, LowRank)
            ]
            self._kept = {f"{name}.down": update.down.detach().clone() for name, update in pairs}
            self._kept |= {f"{name}.up": update.up.detach().clone() for name, update in pairs}
        super().end(model)

    def state_dict(self) -> dict[str, Tensor]:
        """The pairs that go on."""
        return dict(self._kept)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The reverse."""
        self._kept = dict(state)
