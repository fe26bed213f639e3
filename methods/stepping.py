"""The optimizers that are written here take their steps in one way."""

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer


class SteppingOptimizer(Optimizer):
    """An optimizer that takes its step parameter by parameter."""

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step of every parameter that has a gradient; return the loss of `closure`."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._take(parameter, parameter.grad, group)
        return loss

    def _take(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Take one step of a parameter of a group."""
        raise NotImplementedError
