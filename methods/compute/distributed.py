"""Several processes that take one step together, each with a device of its own: what each does, and what they give each other.

Every process holds the whole model, draws the same batches and takes the same loss of the same embeddings; it runs the towers
over its own part of the rows alone, and `gathered` gives all parts to all. The gradient of a gathered embedding goes to the
process that made it, times the number of processes, so that the mean of all processes' gradients is that of the whole batch, for
what reaches a weight through the towers and for what does not (a temperature, a penalty on weights) alike. So no objective knows
of it. In one process all of this does nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

_alone = False


@contextmanager
def alone() -> Iterator[None]:
    """Within it, this process works for itself."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def ranks() -> int:
    """How many processes there are."""
    return dist.get_world_size() if not _alone and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0; the first is the one that writes."""
    return dist.get_rank() if ranks() > 1 else 0


def part(count: int, which: int | None = None) -> slice:
    """Which of `count` rows are those of this process, or of another: as many as any other's, or one less."""
    which = rank() if which is None else which
    return slice(which * count // ranks(), (which + 1) * count // ranks())


def padded(rows: Tensor) -> Tensor:
    """This process's part of (B, ...) rows, and as long as the longest of the parts: all of them are the same work."""
    if ranks() == 1:
        return rows
    own, longest = rows[part(len(rows))], -(-len(rows) // ranks())
    return own if len(own) == longest else torch.cat([own, rows[: longest - len(own)]])


def gathered(own: Tensor, count: int) -> Tensor:
    """(B, ...) the `count` rows of which each process has its part, in their order; what a part is longer is left out."""
    if ranks() == 1:
        return own
    longest = -(-count // ranks())
    whole = (
        own
        if len(own) == longest
        else torch.cat([own, own.new_zeros(longest - len(own), *own.shape[1:])])
    )
    return torch.cat(
        [piece[: _size(count, which)] for which, piece in enumerate(_Gathered.apply(whole))]
    )


def _size(count: int, which: int) -> int:
    found = part(count, which)
    return int(found.stop - found.start)


class _Gathered(torch.autograd.Function):
    """Every process's rows, all as many; a gradient goes to those who made them."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> tuple[Tensor, ...]:
        pieces = [
            torch.empty_like(own, memory_format=torch.contiguous_format) for _ in range(ranks())
        ]
        dist.all_gather(pieces, own.contiguous())
        return tuple(pieces)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return ranks() * gradients[rank()]


@torch.no_grad()
def average(tensors: Sequence[Tensor]) -> None:
    """Each of the tensors becomes its mean over the processes, the same bits in all of them."""
    if ranks() == 1 or not tensors:
        return
    for dtype in sorted({tensor.dtype for tensor in tensors}, key=str):
        alike = [tensor for tensor in tensors if tensor.dtype is dtype]
        flat = torch.cat([tensor.reshape(-1) for tensor in alike])
        dist.all_reduce(flat)
        flat /= ranks()
        means = torch.split(flat, [tensor.numel() for tensor in alike])
        for tensor, mean in zip(alike, means, strict=True):
            tensor.copy_(mean.view_as(tensor))


def total(number: float) -> float:
    """The sum over the processes."""
    if ranks() == 1:
        return number
    summed = torch.tensor(number, dtype=torch.float64)
    dist.all_reduce(summed)
    return float(summed)


def most(*said: int) -> tuple[int, ...]:
    """Of each number the largest of the processes'."""
    if ranks() == 1:
        return said
    found = torch.tensor(said, dtype=torch.int64)
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return tuple(found.tolist())


def agreed(*said: int) -> tuple[int, ...]:
    """What the first process says."""
    if ranks() == 1:
        return said
    word = torch.tensor(said, dtype=torch.int64)
    dist.broadcast(word, 0)
    return tuple(word.tolist())


def as_first(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The first process's tensors under the same names, on the CPU."""
    if ranks() == 1:
        return dict(weights)
    made = {
        name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in weights.items()
    }
    for tensor in made.values():
        dist.broadcast(tensor, 0)
    return made


def dealt(pieces: Sequence[Tensor]) -> Iterable[Tensor]:
    """This process's part of pieces; see `collected`."""
    return pieces[part(len(pieces))] if len(pieces) >= ranks() else pieces


def collected(made: Sequence[Tensor], pieces: Sequence[Tensor]) -> Tensor:
    """(N, ...) of all rows, from what each process made of its part of the pieces; all of them, where there were too few."""
    own = torch.cat(list(made))
    if ranks() == 1 or len(pieces) < ranks():
        return own
    sizes = [
        sum(len(piece) for piece in pieces[part(len(pieces), which)]) for which in range(ranks())
    ]
    whole = torch.cat([own, own.new_zeros(max(sizes) - len(own), *own.shape[1:])])
    every: Sequence[Tensor] = _Gathered.apply(whole)
    return torch.cat([rows[:size] for rows, size in zip(every, sizes, strict=True)])
