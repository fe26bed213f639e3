"""Covariances of the inputs of chosen weights, for tunings that avoid the inputs' directions."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from methods.compute.distributed import Ranks
from methods.tuning._covariances import Covariances


class Inputs(Covariances):
    """The uncentered covariances of the inputs of weights, by the names of the weights.

    A hook on a layer adds X^T X of each of its forward passes, X (tokens, columns) being its input.
    """

    def watch(self, model: nn.Module, names: Sequence[str], ranks: Ranks, what: str) -> None:
        """Register hooks on the layers of these weights, until `stop`.

        The error message names `what`.

        Raises:
            ValueError: a weight whose input no module receives, like that of attention's output
                projection.
        """
        self.begin(ranks)
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
            self.add(name, inputs[0].flatten(0, -2))

        return hook
