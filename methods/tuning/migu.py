"""MIGU: in each linear layer only the output units with the largest magnitudes are trained
(https://arxiv.org/abs/2406.17245).

    n_j = sum over tokens of |h_j| / ||h||_1 in the forward passes of a step
    rows of units below the quantile q of n are frozen

Inputs of different tasks activate different units, so tasks change different rows. The whole update
of a frozen row is undone, decay and momentum included, not only its gradient. In the first task,
which has nothing to protect, all rows are trained. Units are compared within their layer only.

Memory: one number per output unit. FLOPs: those of full fine-tuning, and the fused projection of
query, key and value once more forward, because attention does not show its output.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from methods import Task, Tuning
from methods.compute.distributed import ALONE, Ranks
from methods.parameters import moving
from methods.tuning._masked import Rows, held


@dataclass
class Migu(Tuning):
    """MIGU, at the share of the released scripts."""

    # The share of a layer's units that are frozen
    quantile: float = 0.7
    # The magnitudes of this step so far, by the name of the layer
    _sums: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    _ranks: Ranks = field(default=ALONE, init=False, repr=False)
    _hooks: list[RemovableHandle] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.quantile < 1:
            raise ValueError(
                f"migu takes a quantile of at least 0 and below 1, not {self.quantile}"
            )

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Watch the linear layers, from the second task on."""
        self._sums, self._hooks, self._ranks = {}, [], task.ranks
        if task.number > 1:
            for path, module in model.named_modules():
                if isinstance(module, nn.MultiheadAttention):
                    self._hooks.append(module.register_forward_hook(self._attended(path)))
                elif type(module) is nn.Linear:
                    self._hooks.append(module.register_forward_hook(self._linear(path)))
        return moving(model)

    def _linear(self, path: str) -> Callable[[nn.Module, Any, Tensor], None]:
        """Return a hook that adds the output of a linear layer."""

        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            self._add(path, output)

        return hook

    def _attended(self, path: str) -> Callable[[Any, tuple[Tensor, ...], tuple[Tensor, ...]], None]:
        """Return a hook that adds the outputs of attention's input and output projections.

        They are keyed by the names of the modules that own their parameters.
        """

        def hook(module: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
            with torch.no_grad():
                projected = functional.linear(inputs[0], module.in_proj_weight, module.in_proj_bias)
            self._add(f"{path}.in_proj", projected)
            self._add(f"{path}.out_proj", output[0])

        return hook

    def _add(self, layer: str, output: Tensor) -> None:
        """Add the magnitudes (units,) of an output (..., units), every token with equal weight."""
        with torch.no_grad():
            size = output.detach().float().abs().flatten(0, -2)
            share = (size / size.sum(dim=1, keepdim=True).clamp(min=1e-12)).sum(dim=0)
            self._sums[layer] = self._sums.get(layer, 0) + share

    @contextmanager
    def stepping(self, model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
        """Undo the step's changes of rows whose units had small magnitudes."""
        # Each process has seen its own rows of the batch
        self._ranks.average(list(self._sums.values()))
        parameters = dict(model.named_parameters())
        rows: list[Rows] = []
        for layer, sums in self._sums.items():
            quiet = torch.zeros(len(sums), dtype=torch.bool, device=sums.device)
            quiet[sums.argsort(stable=True)[: int(self.quantile * len(sums))]] = True
            for name in _names(layer):
                parameter = parameters.get(name)
                if parameter is not None and parameter.requires_grad:
                    rows.append((parameter, quiet))
        with held(rows):
            yield
        self._sums = {}

    def end(self, model: nn.Module) -> None:
        """Remove the hooks."""
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._sums = [], {}


def _names(layer: str) -> tuple[str, str]:
    """Return the names of a layer's weight and bias; the fused projection has names of its own."""
    if layer.endswith(".in_proj"):
        return f"{layer}_weight", f"{layer}_bias"
    return f"{layer}.weight", f"{layer}.bias"
