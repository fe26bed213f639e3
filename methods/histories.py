"""A history of weights as a technique sees it: item by item, and in there tensor by tensor.

What lies on disk is read when a tensor is asked for, and is not kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, overload, runtime_checkable

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]


@runtime_checkable
class ReadsTensors(Protocol):
    """A history that can read one tensor of all its items better than one after the other."""

    def read(self, name: str) -> Iterator[Tensor]:
        """Yield a tensor of each item after the first, in order."""


def read(history: Sequence[Weights], name: str) -> Iterator[Tensor]:
    """Yield a tensor of each of what is combined, in order: all of a history but its first."""
    if isinstance(history, ReadsTensors):
        yield from history.read(name)
        return
    for index in range(1, len(history)):
        yield history[index][name]


class Wide(Sequence[Weights]):
    """A history as a technique sees it, in float32 at least; nothing is kept of what is read."""

    def __init__(self, history: Sequence[Weights]) -> None:
        self.history = history
        # All items have the names of the first, which is in memory
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
        """Yield a tensor of each of what is combined, in order."""
        for tensor in read(self.history, name):
            yield widened(tensor)


class WideWeights(Weights):
    """What is floating point of some weights, in float32 at least, read when it is asked for."""

    def __init__(self, weights: Weights, names: list[str] | None = None) -> None:
        """Show some weights; `names` are those that are floating point, where they are known."""
        self.weights = weights
        self.names = float_names(weights) if names is None else names

    def __getitem__(self, name: str) -> Tensor:
        return widened(self.weights[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def wide(weights: Weights) -> dict[str, Tensor]:
    """Return what is floating point, in float32 at least; no copy of what is that wide."""
    return dict(WideWeights(weights))


def widened(tensor: Tensor) -> Tensor:
    """Return a floating-point tensor in float32 at least; no copy of one that is that wide."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def float_names(weights: Weights) -> list[str]:
    """Return the names of what is floating point, in order."""
    return [name for name, tensor in weights.items() if tensor.is_floating_point()]
