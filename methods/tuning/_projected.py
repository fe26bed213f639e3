"""Steps in a subspace: for the length of a step the optimizer sees a small matrix in place of a weight, and its state stays
small.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


@dataclass(frozen=True)
class Projection:
    """Onto `rank` directions of the rows (left) or columns of a matrix (rows, columns)."""

    basis: Tensor  # left: (rows, rank); else (rank, columns); orthonormal
    left: bool

    def down(self, gradient: Tensor) -> Tensor:
        """(rank, columns) or (rows, rank)."""
        return self.basis.T @ gradient if self.left else gradient @ self.basis.T

    def back(self, small: Tensor) -> Tensor:
        """(rows, columns)."""
        return self.basis @ small if self.left else small @ self.basis


@contextmanager
def stepped_in(
    weights: Mapping[nn.Parameter, Projection], scale: float, optimizer: Optimizer
) -> Iterator[None]:
    """Around a step of the optimizer: W <- (1 - lr * weight_decay) W + scale * back(step in the subspace).

    The small matrix is zero before the step, so that whatever the optimizer makes of it is the step; the weight decays
    here, because the optimizer does not see it.
    """
    whole = {parameter: parameter.data for parameter in weights}
    with torch.no_grad():
        for parameter, projection in weights.items():
            assert parameter.grad is not None
            small = projection.down(parameter.grad)
            parameter.grad = None
            parameter.data = torch.zeros_like(small)
            parameter.grad = small
    try:
        yield
    finally:
        groups = {
            parameter: group for group in optimizer.param_groups for parameter in group["params"]
        }
        with torch.no_grad():
            for parameter, projection in weights.items():
                step, parameter.grad = parameter.data, None
                parameter.data = whole[parameter]
                group = groups[parameter]
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(
                    projection.back(step), alpha=scale
                )
