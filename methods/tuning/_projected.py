"""Steps in a subspace, for tunings whose optimizer works on a small matrix in place of a weight.

During a step the optimizer is given the small matrix, so that its state stays small.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


@dataclass(frozen=True)
class Projection:
    """The projection of a matrix (rows, columns) onto `rank` directions of its rows or columns.

    A direction that is not used may be 0 in `basis`, so that the small matrix keeps its shape, and
    the optimizer its state.
    """

    # left: (rows, rank), else (rank, columns); orthonormal but for directions of 0
    basis: Tensor
    left: bool
    # (rows, directions), orthonormal: the whole change of the weight, decay included, avoids them
    protected: Tensor | None = None

    def down(self, gradient: Tensor) -> Tensor:
        """Return the small matrix of a large one: (rank, columns) if left, else (rows, rank)."""
        return self.basis.T @ gradient if self.left else gradient @ self.basis.T

    def back(self, small: Tensor) -> Tensor:
        """Return the large matrix (rows, columns) of a small one."""
        return self.basis @ small if self.left else small @ self.basis

    def move(self, weight: Tensor, small: Tensor, scale: float, decay: float | Tensor) -> None:
        """Change a weight in place by a step of the small matrix, and let it decay.

        weight <- (1 - decay) weight + scale * back(small), with no change within `protected`.
        """
        if self.protected is None:
            weight.mul_(1 - decay).add_(self.back(small), alpha=scale)
            return
        if self.protected.shape[1] >= len(weight):
            # No direction is free, and rounding must not change the weight either
            return
        change = scale * self.back(small) - decay * weight
        weight.add_(change - self.protected @ (self.protected.T @ change))


def can_choose(model: nn.Module, names: Iterable[str]) -> bool:
    """Return whether these weights' gradients are finite, so that directions can be chosen.

    Under fp16 those of the first steps may not be: the scale of the loss is still too large, and
    such a step is left out (`torch.amp.GradScaler`).
    """
    for name in names:
        gradient = model.get_parameter(name).grad
        # Waits: once in `gap` steps, as the decomposition that follows does
        if gradient is not None and not bool(gradient.isfinite().all()):
            return False
    return True


@contextmanager
def stepped_in(
    weights: Mapping[nn.Parameter, Projection], scale: float, optimizer: Optimizer
) -> Iterator[None]:
    """Take a step of the optimizer in subspaces, the step itself being the body of the `with`.

    Each weight becomes (1 - lr * weight_decay) W + scale * back(step in the subspace), where its
    projection protects nothing. Every weight must have a gradient, and has none afterwards.
    """
    whole = {parameter: parameter.data for parameter in weights}
    with torch.no_grad():
        for parameter, projection in weights.items():
            assert parameter.grad is not None
            small = projection.down(parameter.grad)
            parameter.grad = None
            # Starts at 0, so that the small matrix after the step is the step itself
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
                # The weight decays here, because the optimizer does not see it
                projection.move(parameter, step, scale, group["lr"] * group["weight_decay"])
