"""Task vectors tau_i = theta_i - theta_0: one model at a time, or one tensor of all models."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from methods import Weights
from methods.foldings import Parts
from methods.histories import read

Vector = dict[str, Tensor]
# Up to this many bytes one tensor of all models is held in memory; beyond, it is read again
HELD_BYTES = 2**30


def moved(initial: Weights, weights: Weights) -> Vector:
    """Return the task vector of one model, in new memory."""
    return {name: weights[name] - tensor for name, tensor in initial.items()}


def task_vectors(history: Sequence[Weights]) -> Iterator[Vector]:
    """Yield the task vector of each model that is combined, in new memory."""
    for index in range(1, len(history)):
        vector = moved(history[0], history[index])
        yield vector
        # Dropped before the next is read, so that only one task vector is in memory
        del vector


class TensorVectors(Iterable[Tensor]):
    """One tensor of each task vector, in order; may be iterated over repeatedly.

    Where all fit into a limit they are held, so that each is read once; else each iteration reads
    them again, and holds one at a time.
    """

    def __init__(self, history: Sequence[Weights], name: str) -> None:
        self.history, self.name = history, name
        self.start = history[0][name]
        self.held: list[Tensor] | None = None
        if self.start.nbytes * len(self) <= HELD_BYTES:
            self.held = [tensor - self.start for tensor in read(history, name)]

    def __len__(self) -> int:
        return len(self.history) - 1

    def __iter__(self) -> Iterator[Tensor]:
        if self.held is not None:
            yield from self.held
            return
        for index in range(1, len(self.history)):
            yield self.history[index][self.name] - self.start


def by_tensor(
    history: Sequence[Weights], merged: Callable[[str, TensorVectors], Tensor]
) -> Weights:
    """Return theta_0 plus `merged(name, task vectors)`, tensor by tensor."""
    initial = history[0]
    weights = {}
    for name, start in initial.items():
        weights[name] = start + merged(name, TensorVectors(history, name))
    return weights


def mean(vectors: TensorVectors) -> Tensor:
    """Return the mean of one tensor of all task vectors."""
    return added(vectors) / len(vectors)


def added(vectors: Iterable[Tensor]) -> Tensor:
    """Return the sum of tensors, in new memory."""
    summed: Tensor | None = None
    for tensor in vectors:
        summed = tensor.clone() if summed is None else summed.add_(tensor)
    assert summed is not None
    return summed


def plus(initial: Weights, vector: Vector, scale: float) -> Weights:
    """Return theta_0 + scale tau."""
    return {name: tensor + scale * vector[name] for name, tensor in initial.items()}


# ---------------------------------------------------------------- running forms


def add(parts: Parts, part: str, vector: Vector) -> None:
    """Add a vector to a sum of the running form; the caller must not use the vector afterwards."""
    sums = parts.setdefault(part, {})
    for name, tensor in vector.items():
        sums[name] = sums[name].add_(tensor) if name in sums else tensor


def counted(parts: Parts) -> int:
    """Count one more model, and return the new number of models.

    The number is stored as the length of a tensor, so that it is known for tensors without
    contents, too.
    """
    parts["seen"] = {"tasks": torch.ones(seen(parts) + 1)}
    return seen(parts)


def seen(parts: Parts) -> int:
    """Return how many models have been counted."""
    return len(parts["seen"]["tasks"]) if "seen" in parts else 0


def take_sum(parts: Parts, initial: Weights, weights: Weights) -> Parts:
    """Take a model into the sum of the task vectors."""
    add(parts, "sum", moved(initial, weights))
    return parts


def take_signs(parts: Parts, vector: Vector) -> Parts:
    """Take a task vector into the sums that an election of signs needs.

    Those are, per entry, the sum of all and, for either sign, the sum and the count: which sign
    wins is known only at the end, and may change with each task.
    """
    if not parts:
        for part, dtype in _SIGNS.items():
            parts[part] = {n: torch.zeros_like(t, dtype=dtype) for n, t in vector.items()}
    for name, tensor in vector.items():
        above, below = tensor > 0, tensor < 0
        parts["positive"][name] += tensor * above
        parts["negative"][name] += tensor * below
        parts["positives"][name] += above
        parts["negatives"][name] += below
    add(parts, "sum", vector)
    return parts


# The tensors of an election beside the sum, with their dtypes; None: that of the vectors
_SIGNS = {
    "positive": None,
    "negative": None,
    "positives": torch.int16,
    "negatives": torch.int16,
}


def elected(parts: Parts) -> Vector:
    """Return, per entry, the mean of those whose sign is that of the sum; 0 where the sum is 0."""
    means = {}
    for name, summed in parts["sum"].items():
        agreeing = of_sign(summed, parts["positive"][name], parts["negative"][name])
        counts = of_sign(summed, parts["positives"][name], parts["negatives"][name])
        means[name] = agreeing / counts.clamp(min=1)
    return means


def of_sign(summed: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Return, per entry, `positive` or `negative` by the sign of a sum; 0 where the sum is 0."""
    return torch.where(summed > 0, positive, negative) * (summed != 0)


# ---------------------------------------------------------------- sizes


def smallest(magnitudes: Tensor, *ranks: int) -> list[float]:
    """Return the values at these ranks, from 0 for the smallest, of a vector in new memory.

    The vector is reordered in place. It may have any size, whereas `torch.quantile` is limited to
    16 million entries, and `torch.kthvalue` also allocates an index per entry.
    """
    partition(magnitudes, sorted({*ranks}))
    return [float(magnitudes[rank]) for rank in ranks]


@torch.library.custom_op("weir::partition", mutates_args=("flat",))
def partition(flat: Tensor, ranks: list[int]) -> None:
    """Partially sort a vector in place, so that these ranks hold the values of the sorted vector.

    It is registered as an operation of torch, so that it also works on tensors without contents. It
    allocates no memory.
    """
    flat.numpy().partition(ranks)


@partition.register_fake
def _(flat: Tensor, ranks: list[int]) -> None:
    """Do nothing for a tensor without contents."""


def fraction(name: str, value: float, *, least: float = 0.0, most: float = 1.0) -> None:
    """Check that a parameter is a fraction within bounds.

    Raises:
        ValueError: the value lies outside [least, most].
    """
    if not least <= value <= most:
        raise ValueError(f"{name} is a share of the entries, in [{least:g}, {most:g}], not {value}")
