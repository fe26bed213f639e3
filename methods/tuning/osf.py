"""OSF, orthogonal subspace fine-tuning: of each chosen weight only the part with the small singular
values is trained, orthogonal to the large ones (https://arxiv.org/abs/2504.07097; in peft as
OSFConfig).

    W0 = U_h S_h V_h + U_l S_l V_l, of which U_l, S_l and V_l are trained
    dU_l -= U_h (U_h^T dU_l),   dV_l -= (dV_l V_h^T) V_h

What was important to earlier tasks is in the large singular values, and is frozen; each task
factors the weight anew. As in the paper and in peft, gradients have no part in the frozen
subspaces. Steps do, where an optimizer scales each entry by itself: under AdamW 10 to 20 % of the
change of a weight lies in the span of U_h or V_h. With `project_step` the step is projected, too,
and the change of a weight has no part there, whatever the optimizer is.

Memory: U and V of each weight, and the weight itself, up to twice the weights more while training.
FLOPs: one SVD per weight and task, and two products the size of the weight per step, four with
`project_step`.
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
    """The update of one weight: the change of its small singular triplets."""

    left_high: Tensor
    right_high: Tensor
    start: Tensor

    def __init__(self, weight: Tensor, frozen_share: float) -> None:
        """Factor a weight (rows, columns), and freeze the largest share of its triplets."""
        super().__init__()
        wide = weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
        left, values, right = torch.linalg.svd(wide, full_matrices=False)
        high = round(frozen_share * len(values))
        self.register_buffer("left_high", left[:, :high].to(weight).contiguous())
        self.register_buffer("right_high", right[:high].to(weight).contiguous())
        self.left = nn.Parameter(left[:, high:].to(weight).contiguous())
        self.values = nn.Parameter(values[high:].to(weight).contiguous())
        self.right = nn.Parameter(right[high:].to(weight).contiguous())
        self.register_buffer("start", self.product().detach())

    def product(self) -> Tensor:
        """Return the trained part of the weight, (rows, columns)."""
        return (self.left * self.values) @ self.right

    def project(self, left: Tensor, right: Tensor) -> None:
        """Project `left` and `right` out of the frozen subspaces, in place."""
        left -= self.left_high @ (self.left_high.T @ left)
        right -= (right @ self.right_high.T) @ self.right_high

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight in use; before the first step it is the weight to the bit."""
        with full_precision(weight):
            return weight + (self.product() - self.start)


@dataclass
class Osf(Computed):
    """OSF, by default of the MLPs and the attention in both towers.

    Half of the singular values are frozen, as in peft.
    """

    # The share of the singular values, the largest, that is frozen
    frozen_share: float = 0.5
    targets: tuple[str, ...] = (
        "attn.in_proj_weight",
        "attn.out_proj.weight",
        "mlp.c_fc.weight",
        "mlp.c_proj.weight",
    )
    # Whether the step is projected, too, and not only the gradient
    project_step: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.frozen_share < 1 or not self.targets:
            raise ValueError(
                "osf takes a frozen_share of at least 0 and below 1 and one target or more, "
                f"not {self}"
            )

    def update(self, name: str, weight: Tensor, task: Task) -> nn.Module:
        """Return an update that factors the weight anew, as in every task."""
        return Tail(weight, self.frozen_share)

    @contextmanager
    def stepping(self, model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
        """Project the gradients, and the step with `project_step`, out of the frozen subspaces."""
        tails = [tail for _, tail in self.updates(model) if isinstance(tail, Tail)]
        with torch.no_grad():
            for tail in tails:
                if tail.left.grad is not None and tail.right.grad is not None:
                    tail.project(tail.left.grad, tail.right.grad)
        yield
        if self.project_step:
            with torch.no_grad():
                for tail in tails:
                    tail.project(tail.left, tail.right)
