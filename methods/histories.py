"""A history of weights as a merging technique reads it: model by model, and tensor by tensor.

Tensors on disk are read when they are needed, and are not kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, overload, runtime_checkable

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]


@runtime_checkable
class ReadsTensors(Protocol):
    """A history with a faster way to read one tensor of all its models."""

    def read(self, name: str) -> Iterator[Tensor]:
        """Yield the tensor of this name from each model after the first, in order."""


def read(history: Sequence[Weights], name: str) -> Iterator[Tensor]:
    """Yield the tensor of this name from each model but the first, in order."""
    if isinstance(history, ReadsTensors):
        yield from history.read(name)
        return
    for index in range(1, len(history)):
        yield history[index][name]


class Wide(Sequence[Weights]):
    """A history whose floating-point tensors are read in float32 at least, and not kept."""

    def __init__(self, history: Sequence[Weights]) -> None:
        self.history = history
        # All models have the names of the first, which is in memory
        self.names = float_names(history[0]) if history else []

    def __len__(self) -> int:
        return len(self.history)

    @overload
    def __getitem__(self, index: int) -> Weights: ...
    @overload
    def __getitem__(self, index: slice) -> "Wide": ...
    def __getitem__(self, index: int | slice) -> "Weights | Wide":
        if isinstance(index, slice):
            return Wide(self.history[index])
        return WideWeights(self.history[index], self.names)

    def read(self, name: str) -> Iterator[Tensor]:
        """Yield the tensor of this name from each model that is combined, in order."""
        for tensor in read(self.history, name):
            yield widened(tensor)


class WideWeights(Weights):
    """The floating-point tensors of some weights, in float32 at least, read when they are used."""

    def __init__(self, weights: Weights, names: list[str] | None = None) -> None:
        """Wrap weights; `names` are their floating-point tensors, where these are known already."""
        self.weights = weights
        self.names = float_names(weights) if names is None else names

    def __getitem__(self, name: str) -> Tensor:
        return widened(self.weights[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def wide(weights: Weights) -> dict[str, Tensor]:
    """Return the floating-point tensors in float32 at least; copies only what was narrower."""
    return dict(WideWeights(weights))


def widened(tensor: Tensor) -> Tensor:
    """Return a floating-point tensor in float32 at least, copied only where it was narrower."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def float_names(weights: Weights) -> list[str]:
    """Return the names of the floating-point tensors, in order."""
    return [name for name, tensor in weights.items() if tensor.is_floating_point()]
