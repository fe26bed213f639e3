"""DoRA: low-rank updates of the directions of chosen weights' rows, and one scale per row
(https://arxiv.org/abs/2402.09353, equation 5; as in FoMo-in-Flux,
https://arxiv.org/abs/2408.14471).

    W = m * (W0 + s B A) / ||W0 + s B A|| by rows, s = alpha / rank

A starts random, B at zero and m at the norms of W0's rows, so the function is unchanged at first.
No gradient goes through the norm (section 4.3 of the paper). Memory and FLOPs: as `lora`, one
number per row more, and the weight in use once more per pass.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods import Task
from methods.tuning._computed import Computed, full_precision


class Turned(nn.Module):
    """The update of one weight."""

    def __init__(self, weight: Tensor, rank: int, scale: float) -> None:
        """Draw the update of a weight (rows, columns), which changes nothing at first."""
        super().__init__()
        rows, columns = weight.shape
        # Drawn on the CPU whatever the device: the generator is the one that checkpoints restore
        down = nn.init.kaiming_uniform_(torch.empty(rank, columns), a=math.sqrt(5))
        self.down = nn.Parameter(down.to(weight))
        self.up = nn.Parameter(weight.new_zeros(rows, rank))
        self.size = nn.Parameter(weight.detach().norm(dim=1, keepdim=True))
        self.scale = scale

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight in use; the quotient is 1 to the bit at first."""
        with full_precision(weight):
            moved = weight + self.scale * (self.up @ self.down)
            norm = moved.detach().norm(dim=1, keepdim=True)
            return moved * (self.size / torch.where(norm > 0, norm, torch.ones_like(norm)))


@dataclass
class Dora(Computed):
    """DoRA, by default of the same weights as `lora`."""

    rank: int = 4
    alpha: float = 4.0
    targets: tuple[str, ...] = (
        "attn.in_proj_weight",
        "mlp.c_proj.weight",
    )

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.alpha > 0 or not self.targets:
            raise ValueError(f"dora takes rank >= 1, alpha > 0 and one target or more, not {self}")

    def update(self, name: str, weight: Tensor, task: Task) -> nn.Module:
        """Return a new update, as in every task."""
        return Turned(weight, self.rank, self.alpha / self.rank)
