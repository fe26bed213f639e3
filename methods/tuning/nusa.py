"""NuSA-CL, null space adaptation: updates between the smallest singular directions of a weight
(https://arxiv.org/abs/2510.21175; code: https://github.com/ZoYujin/NuSA-CL).

    W0 = U S V^T,   W = W0 + U_n M V_n^T,   only M (rank x rank) moves, from 0
    U_n, V_n: the last `rank` singular vectors, without those of the principal subspace
    principal subspace: the fewest leading ones that hold `energy` of the sum of S^2

A model's knowledge is in the large singular values of its weights, and the other directions are
free: no inputs, pairs or teachers of earlier tasks are needed. The update is folded in after each
task, and the next task factors the resulting weight anew. Whatever the optimizer does to M, the
change of a weight has no part in the principal subspace, on either side. Queries, keys and values
are factored separately, as published. Where fewer than `rank` directions are left, the others are
0, so that no shape depends on the weights.

Memory: U_n and V_n, rank x (rows + columns) numbers per weight, and optimizer state for rank^2.
FLOPs: those of `lora` of that rank, and one SVD per weight and task.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods import Task
from methods.tuning._computed import Computed, full_precision
from methods.tuning._subspaces import wide


class Between(nn.Module):
    """The update of one weight, in one part for each of the matrices stacked in it."""

    left: Tensor
    right: Tensor

    def __init__(self, weight: Tensor, parts: int, rank: int, energy: float) -> None:
        """Factor each part of a weight (rows, columns), and begin with M = 0."""
        super().__init__()
        sides = [null_directions(part, rank, energy) for part in weight.detach().chunk(parts)]
        # (parts, rows / parts, rank) and (parts, rank, columns); not in the state dict of a plain
        # CLIP
        lefts = torch.stack([left for left, _ in sides]).to(weight)
        self.register_buffer("left", lefts)
        self.register_buffer("right", torch.stack([right for _, right in sides]).to(weight))
        self.middle = nn.Parameter(weight.new_zeros(parts, lefts.shape[2], lefts.shape[2]))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight in use."""
        with full_precision(weight):
            update = self.left @ self.middle @ self.right
            used: Tensor = weight + update.flatten(0, 1)
        return used


def null_directions(weight: Tensor, rank: int, energy: float) -> tuple[Tensor, Tensor]:
    """Return U_n (rows, rank) and V_n^T (rank, columns) of a matrix, by the formula above."""
    left, values, right = torch.linalg.svd(wide(weight), full_matrices=False)
    held = values.square().cumsum(dim=0)
    before = torch.cat([torch.zeros_like(held[:1]), held[:-1]])
    # A direction is free once those before it hold `energy`
    free = (before >= energy * held[-1]).to(left)[-rank:]
    return left[:, -rank:] * free, right[-rank:] * free[:, None]


@dataclass
class Nusa(Computed):
    """NuSA-CL, of the projections into and out of each attention in both towers.

    Rank and energy are those of the released command.
    """

    rank: int = 128
    energy: float = 0.95
    targets: tuple[str, ...] = ("attn.in_proj_weight", "attn.out_proj.weight")

    def __post_init__(self) -> None:
        if self.rank < 1 or not 0 < self.energy <= 1 or not self.targets:
            raise ValueError(
                f"nusa takes rank >= 1, energy in (0, 1] and one target or more, not {self}"
            )

    def update(self, name: str, weight: Tensor, task: Task) -> nn.Module:
        """Return an update that factors the weight anew, as in every task."""
        parts = 3 if name.endswith("in_proj_weight") else 1
        return Between(weight, parts, self.rank, self.energy)
