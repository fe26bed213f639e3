"""Several processes that take one step together, each with a device of its own.

Every process holds the whole model, draws the same batches and takes the same loss of the same
embeddings; it runs the towers over its own part of the rows alone, and `Ranks.gathered` gives every
part to every process. The gradient of a gathered embedding goes to the process that computed it,
times the number of processes. The mean of all processes' gradients is then that of the whole batch,
both for what reaches a weight through the towers and for what does not (a temperature, a penalty on
weights). So an objective needs no code for several processes. In a single process all of this does
nothing.
"""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

# What is split among the processes: rows that are computed together, or their indices
Chunk = TypeVar("Chunk", bound=Sized)


@dataclass(frozen=True)
class Ranks:
    """The processes that take each step together, and which of them this one is."""

    count: int = 1
    # From 0; process 0 is the one that writes files
    rank: int = 0

    def part(self, count: int, rank: int | None = None) -> slice:
        """Return which of `count` rows this process computes, or the process `rank`.

        The numbers of rows of any two processes differ by at most one.
        """
        which = self.rank if rank is None else rank
        return slice(which * count // self.count, (which + 1) * count // self.count)

    def sizes(self, count: int) -> list[int]:
        """Return how many of `count` rows each process has."""
        parts = [self.part(count, rank) for rank in range(self.count)]
        return [int(part.stop - part.start) for part in parts]

    def padded(self, rows: Tensor) -> Tensor:
        """Return this process's part of (B, ...) rows, or a row of another's where it has none.

        So every process runs each tower, and a hook on a layer sees rows of the batch only;
        `gathered` drops the added row.
        """
        if self.count == 1:
            return rows
        own = rows[self.part(len(rows))]
        return own if len(own) else rows[:1]

    def gathered(self, own: Tensor, count: int) -> Tensor:
        """Return all `count` rows (B, ...), in order, of which each process computed its part."""
        if self.count == 1:
            return own
        return self._joined(own, self.sizes(count))

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Set each tensor, in place, to its mean over the processes, bit-identical in all."""
        if self.count == 1 or not tensors:
            return
        alike: dict[torch.dtype, list[Tensor]] = {}
        for tensor in tensors:
            alike.setdefault(tensor.dtype, []).append(tensor)
        with torch.no_grad():
            # The order must be the same in all processes, as messages are matched by it
            for dtype in sorted(alike, key=str):
                self._average(alike[dtype])

    def total(self, number: float) -> float:
        """Return the sum of a number over the processes."""
        if self.count == 1:
            return number
        summed = torch.tensor(number, dtype=torch.float64)
        dist.all_reduce(summed)
        return float(summed)

    def collected(self, own: Sequence[Tensor], chunks: Sequence[Sized]) -> Tensor:
        """Return the results (N, ...) for all rows, from each process's `dealt` chunks."""
        rows = torch.cat(list(own))
        if self.count == 1 or len(chunks) < self.count:
            # There were too few chunks to split, so every process computed all of them
            return rows
        sizes = []
        for rank in range(self.count):
            part = chunks[self.part(len(chunks), rank)]
            sizes.append(sum(len(chunk) for chunk in part))
        return self._joined(rows, sizes)

    def dealt(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """Return this process's part of the chunks; all of them where there are too few."""
        return chunks[self.part(len(chunks))] if len(chunks) >= self.count else chunks

    def _average(self, alike: Sequence[Tensor]) -> None:
        """Average tensors of one dtype over the processes, in place and in one message."""
        flat = torch.cat([tensor.reshape(-1) for tensor in alike])
        dist.all_reduce(flat)
        flat /= self.count
        means = torch.split(flat, [tensor.numel() for tensor in alike])
        for tensor, mean in zip(alike, means, strict=True):
            tensor.copy_(mean.view_as(tensor))

    def _joined(self, own: Tensor, sizes: Sequence[int]) -> Tensor:
        """Return the rows of all processes without padding; process i has `sizes[i]` rows."""
        # All processes send the same number of rows, as torch's `all_gather` requires
        missing = max(sizes) - len(own)
        if missing > 0:
            own = torch.cat([own, own.new_zeros(missing, *own.shape[1:])])
        pieces: Sequence[Tensor] = _Gathered.apply(own, self)
        return torch.cat([piece[:size] for piece, size in zip(pieces, sizes, strict=True)])


ALONE = Ranks()


class _Gathered(torch.autograd.Function):
    """Gather equal numbers of rows from all processes, with gradients to who computed them."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, ranks: Ranks) -> tuple[Tensor, ...]:
        ctx.ranks = ranks
        pieces = []
        for _ in range(ranks.count):
            pieces.append(torch.empty_like(own, memory_format=torch.contiguous_format))
        dist.all_gather(pieces, own.contiguous())
        return tuple(pieces)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.ranks.count * gradients[ctx.ranks.rank], None


def joined() -> Ranks:
    """Return the processes of torch.distributed's group; this one alone where there is none."""
    if not dist.is_initialized():
        return ALONE
    return Ranks(dist.get_world_size(), dist.get_rank())


def ranks() -> int:
    """Return how many processes are in torch.distributed's group."""
    return joined().count


def rank() -> int:
    """Return this process's rank, from 0; process 0 is the one that writes files."""
    return joined().rank


def part(count: int) -> slice:
    """Return which of `count` rows this process computes."""
    return joined().part(count)


def total(number: float) -> float:
    """Return the sum of a number over all processes of the group."""
    return joined().total(number)


def most(*numbers: int) -> tuple[int, ...]:
    """Return, for each number, its largest value over the processes."""
    if ranks() == 1:
        return numbers
    largest = torch.tensor(numbers, dtype=torch.int64)
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return tuple(largest.tolist())


def agreed(*numbers: int) -> tuple[int, ...]:
    """Return process 0's values of these numbers, after waiting for all processes."""
    if ranks() == 1:
        return numbers
    word = torch.tensor(numbers, dtype=torch.int64)
    dist.broadcast(word, 0)
    return tuple(word.tolist())


def as_first(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return process 0's tensors, under the same names and on the CPU."""
    if ranks() == 1:
        return dict(weights)
    copies = {}
    for name, tensor in weights.items():
        copies[name] = tensor.detach().to("cpu", copy=True).contiguous()
    for tensor in copies.values():
        dist.broadcast(tensor, 0)
    return copies


def dealt(chunks: Sequence[Chunk]) -> Sequence[Chunk]:
    """Return the part of the chunks that this process computes."""
    return joined().dealt(chunks)


def collected(own: Sequence[Tensor], chunks: Sequence[Sized]) -> Tensor:
    """Return the results (N, ...) for all rows, of which each process computed its chunks."""
    return joined().collected(own, chunks)
