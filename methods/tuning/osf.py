"""OSF, orthogonal subspace fine-tuning: of each chosen weight only the part with the small singular values moves, away from the
large ones (https://arxiv.org/abs/2504.07097; in peft as OSFConfig).

    W0 = U_h S_h V_h + U_l S_l V_l;  U_l, S_l, V_l move;  dU_l -= U_h (U_h^T dU_l),  dV_l -= (dV_l V_h^T) V_h

What earlier tasks made important stands in the large singular values and is frozen; each task factors anew. Memory: U and V of
each weight, and the weight itself, up to twice the weights more while training. FLOPs: one SVD per weight and task, and two
products the size of the weight per step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from methods import Task
from methods.tuning._computed import Computed, full_precision


class Tail(nn.Module):
    """The update of one weight: how far its small singular triplets have moved."""

    left_high: Tensor
    right_high: Tensor
    start: Tensor

    def __init__(self, weight: Tensor, frozen_share: float) -> None:
        super().__init__()
        left, values, right = torch.linalg.svd(
            weight.detach().to(torch.promote_types(weight.dtype, torch.float32)),
            full_matrices=False,
        )
        kept = round(frozen_share * len(values))
        self.register_buffer("left_high", left[:, :kept].to(weight).contiguous())
        self.register_buffer("right_high", right[:kept].to(weight).contiguous())
        self.left = nn.Parameter(left[:, kept:].to(weight).contiguous())
        self.values = nn.Parameter(values[kept:].to(weight).contiguous())
        self.right = nn.Parameter(right[kept:].to(weight).contiguous())
        self.register_buffer("start", self.product().detach())

    def product(self) -> Tensor:
        """The part of the weight that moves."""
        return (self.left * self.values) @ self.right

    def forward(self, weight: Tensor) -> Tensor:
        """The weight in use; unmoved, it is the weight to the bit."""
        with full_precision(weight):
            return weight + (self.product() - self.start)


@dataclass
class Osf(Computed):
    """By default of the MLPs and the attention in both towers, half of the singular values frozen, as in peft."""

    frozen_share: float = 0.5  # of the singular values, the largest
    targets: tuple[str, ...] = (
        "attn.in_proj_weight",
        "attn.out_proj.weight",
        "mlp.c_fc.weight",
        "mlp.c_proj.weight",
    )

    def __post_init__(self) -> None:
        if not 0 <= self.frozen_share < 1 or not self.targets:
            raise ValueError(
                f"osf takes a frozen_share of at least 0 and below 1 and one target or more, not {self}"
            )

    def update(self, name: str, weight: Tensor, task: Task) -> nn.Module:
        """Factored anew in every task."""
        return Tail(weight, self.frozen_share)

    @contextmanager
    def stepping(self, model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
        """Take out of the gradients what points into the frozen subspaces."""
        with torch.no_grad():
            for _, tail in self.updates(model):
                if (
                    isinstance(tail, Tail)
                    and tail.left.grad is not None
                    and tail.right.grad is not None
                ):
                    tail.left.grad -= tail.left_high @ (tail.left_high.T @ tail.left.grad)
                    tail.right.grad -= (tail.right.grad @ tail.right_high.T) @ tail.right_high
        yield
