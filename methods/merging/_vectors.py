"""Task vectors tau_i = theta_i - theta_0, walked one at a time, and the election of signs that TIES
made of them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from methods import Weights

Vector = dict[str, Tensor]


def task_vectors(history: Sequence[Weights]) -> Iterator[Vector]:
    """Yield the task vector of each of what is combined, in new memory."""
    initial = history[0]
    for index in range(1, len(history)):
        weights = history[index]
        vector = {name: weights[name] - tensor for name, tensor in initial.items()}
        # A task vector in use is one model, not two
        del weights
        yield vector
        del vector


def total(vectors: Iterable[Vector]) -> Vector:
    """Return the sum of vectors, which are lost."""
    summed: Vector = {}
    for vector in vectors:
        for name, tensor in vector.items():
            summed[name] = summed[name].add_(tensor) if name in summed else tensor
    return summed


def plus(initial: Weights, vector: Vector, scale: float) -> Weights:
    """Return theta_0 + scale tau."""
    return {name: tensor + scale * vector[name] for name, tensor in initial.items()}


def elected(vectors: Callable[[], Iterable[Vector]]) -> Vector:
    """Return, per entry, the mean of those whose sign is that of the sum; 0 where the sum is 0.

    `vectors` is called, and what it returns walked, twice.
    """
    signs = total(vectors())
    agreeing, counts = {}, {}
    for name, tensor in signs.items():
        tensor.sign_()
        agreeing[name] = torch.zeros_like(tensor)
        counts[name] = torch.zeros_like(tensor, dtype=torch.int16)
    for vector in vectors():
        for name, tensor in vector.items():
            agrees = (tensor.sign() == signs[name]) & (tensor != 0)
            agreeing[name] += tensor * agrees
            counts[name] += agrees
    return {name: tensor / counts[name].clamp(min=1) for name, tensor in agreeing.items()}


def smallest(magnitudes: Tensor, *ranks: int) -> list[float]:
    """Return the values at these ranks, from 0 for the smallest, of a vector in new memory.

    The vector is left in another order. This is for any size: `torch.quantile` ends at 16 million
    entries, and `torch.kthvalue` holds as many indices, too.
    """
    partition(magnitudes, sorted({*ranks}))
    return [float(magnitudes[rank]) for rank in ranks]


@torch.library.custom_op("weir::partition", mutates_args=("flat",))
def partition(flat: Tensor, ranks: list[int]) -> None:
    """Put the values of these ranks in their places of a vector, in place and in no new memory.

    It is an operation of torch, so that it has a meaning for tensors without contents, too.
    """
    flat.numpy().partition(ranks)


@partition.register_fake
def _(flat: Tensor, ranks: list[int]) -> None:
    """Leave a tensor without contents as it is."""


def fraction(name: str, value: float, *, least: float = 0.0, most: float = 1.0) -> None:
    """Refuse what is no share.

    Raises:
        ValueError: outside [least, most].
    """
    if not least <= value <= most:
        raise ValueError(f"{name} is a share of the entries, in [{least:g}, {most:g}], not {value}")
