"""Covariances of the inputs of chosen weights, for tunings that avoid the inputs' directions."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from methods.compute.distributed import ALONE, Ranks
from methods.tuning._computed import full_precision


class Inputs:
    """The uncentered covariances of the inputs of weights, by the names of the weights.

    A hook on a layer adds X^T X of each of its forward passes, X (tokens, columns) being its
    input. A pass that is repeated, for a chunk or for checkpointing, counts again, so users of the
    sums must not depend on their scale. FLOPs: 2 columns^2 for each token of a weight.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self._hooks: list[RemovableHandle] = []
        self._ranks = ALONE

    def watch(self, model: nn.Module, names: Sequence[str], ranks: Ranks, what: str) -> None:
        """Register hooks on the layers of these weights, until `stop`.

        The error message names `what`.

        Raises:
            ValueError: a weight whose input no module receives, like that of attention's output
                projection.
        """
        self.stop()
        self._ranks = ranks
        for name in names:
            path, _, own = name.rpartition(".")
            module = model.get_submodule(path)
            fused = isinstance(module, nn.MultiheadAttention) and own == "in_proj_weight"
            if not fused and type(module) is not nn.Linear:
                raise ValueError(
                    f"{what} must see the inputs of its targets, and nothing shows those of "
                    f"{name!r}. Name the ends of weights of linear layers, or "
                    "attn.in_proj_weight"
                )
            self._hooks.append(module.register_forward_hook(self._adding(name)))

    def _adding(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        """Return a hook that adds the covariance of a layer's first input."""

        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            rows = inputs[0].detach().flatten(0, -2)
            with torch.no_grad(), full_precision(rows):
                rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
                own = rows.T @ rows
                self.sums[name] = self.sums[name] + own if name in self.sums else own

        return hook

    def taken(self) -> dict[str, Tensor]:
        """Return the sums since the last call, over all processes, and begin new ones."""
        # Each process has seen its own rows of the batch
        self._ranks.average([self.sums[name] for name in sorted(self.sums)])
        sums, self.sums = self.sums, {}
        return sums

    def stop(self) -> None:
        """Remove the hooks."""
        for hook in self._hooks:
            hook.remove()
        self._hooks, self.sums = [], {}
