"""MIGU: of each linear layer only the output units with the largest magnitudes learn (https://arxiv.org/abs/2406.17245).

    n_j = mean over tokens of |h_j| / ||h||_1 in the forward pass of a step;  rows of units below the quantile q of n stay

Inputs of different tasks make different units speak up, so tasks touch different rows. The whole update of a row is held back,
decay and momentum too, not only its gradient. Not in the first task, which has nothing to protect. Memory: one number per
output unit. FLOPs: those of full fine-tuning, and the fused projection of query, key and value once more forward, because
attention does not show its output. Layers of both towers are compared within themselves only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from methods import Task, Tuning
from methods.compute.distributed import ALONE, Ranks
from methods.parameters import moving
from methods.tuning._masked import Rows, held


@dataclass
class Migu(Tuning):
    """At the share of the released scripts."""

    quantile: float = 0.7  # of a layer's units, those that stay
    _sums: dict[str, Tensor] = field(
        default_factory=dict, init=False, repr=False
    )  # layer -> magnitudes of this step
    _ranks: Ranks = field(default=ALONE, init=False, repr=False)
    _hooks: list[Any] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.quantile < 1:
            raise ValueError(
                f"migu takes a quantile of at least 0 and below 1, not {self.quantile}"
            )

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Watch the linear layers, from the second task on."""
        self._sums, self._hooks, self._ranks = {}, [], task.ranks
        for path, module in model.named_modules() if task.number > 1 else ():
            if isinstance(module, nn.MultiheadAttention):
                self._hooks.append(module.register_forward_hook(self._attended(path)))
            elif type(module) is nn.Linear:
                self._hooks.append(module.register_forward_hook(self._linear(path)))
        return moving(model)

    def _linear(self, path: str) -> Any:
        return lambda module, inputs, output: self._add(path, output)

    def _attended(self, path: str) -> Any:
        """The projections into and out of attention, under the names of their parameters' owners."""

        def hook(
            module: nn.MultiheadAttention, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]
        ) -> None:
            with torch.no_grad():
                self._add(
                    f"{path}.in_proj",
                    functional.linear(inputs[0], module.in_proj_weight, module.in_proj_bias),
                )
            self._add(f"{path}.out_proj", output[0])

        return hook

    def _add(self, layer: str, output: Tensor) -> None:
        with torch.no_grad():
            size = output.detach().float().abs().flatten(0, -2)
            share = (size / size.sum(dim=1, keepdim=True).clamp(min=1e-12)).mean(dim=0)
            self._sums[layer] = self._sums.get(layer, 0) + share

    @contextmanager
    def stepping(self, model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
        """Hold back the rows of quiet units."""
        self._ranks.average(list(self._sums.values()))
        rows: list[Rows] = []
        for layer, sums in self._sums.items():
            quiet = torch.zeros(len(sums), dtype=torch.bool, device=sums.device)
            quiet[sums.argsort(stable=True)[: int(self.quantile * len(sums))]] = True
            for name in _parameters(layer):
                parameter = dict(model.named_parameters()).get(name)
                if parameter is not None and parameter.requires_grad:
                    rows.append((parameter, quiet))
        with held(rows):
            yield
        self._sums = {}

    def end(self, model: nn.Module) -> None:
        """Stop watching."""
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._sums = [], {}


def _parameters(layer: str) -> tuple[str, str]:
    """Weight and bias of a layer; the fused projection has its own names."""
    return (
        (f"{layer}_weight", f"{layer}_bias")
        if layer.endswith(".in_proj")
        else (f"{layer}.weight", f"{layer}.bias")
    )
