"""The order of a stream of shards: a fixed number of lanes, each a walk of its own.

A pool of shards has no order over its pairs, which may be billions, but one over its shards. In
each epoch the shards are permuted and dealt to the lanes in turn, so that each is in one lane. A
lane reads its shards a block at a time: the pairs of a block are permuted, and the block is left
when all of them were taken. Each lane gives a contiguous part of a batch, all as many pairs or one
more. So whoever reads a part of the batch needs the shards of a few lanes alone, and the batches
are the same whatever the number of readers.

Everything is a function of (seed, epoch, lane, block) and the number of pairs in each shard, so a
lane stands at (epoch, block, place), and is put back there without a walk.

Shapes: S shards, N pairs in all of them, L lanes.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

# What the two kinds of permutations are seeded with, beside the seed and the epoch.
SHARDS, PAIRS = 1, 2


class Cursor(NamedTuple):
    """Where a lane stands: `place` pairs of a block of an epoch were taken."""

    epoch: int
    block: int
    place: int


class LaneError(ValueError):
    """Cursors that the lanes of a pool cannot be put to."""


class LaneOrder:
    """The walk over the pairs of S shards, by L lanes.

    A pair is known by its number in the shards joined one after the other, in [0, N).
    """

    def __init__(
        self, sizes: np.ndarray, lanes: int, block_shards: int, seed: Sequence[int]
    ) -> None:
        """`sizes` (S,): how many pairs each shard has. A lane permutes `block_shards` of them.

        There are at most as many lanes as shards with pairs, so that each lane has one in an epoch.
        """
        self.sizes, self.block_shards, self.seed = sizes, block_shards, list(seed)
        # (S,) int64: the number of the first pair of each shard
        self.first: np.ndarray = np.cumsum(sizes, dtype=np.int64) - sizes
        # A shard without pairs is in no lane
        self.shards: np.ndarray = np.flatnonzero(sizes).astype(np.int32)
        # The permuted shards of the epochs that lanes are in, at most two
        self.permuted: dict[int, np.ndarray] = {}
        self.lanes = [Lane(self, number) for number in range(min(lanes, len(self.shards)))]

    def __len__(self) -> int:
        return int(self.sizes.sum(dtype=np.int64))

    def part(self, lane: int, count: int) -> range:
        """Return the places that a lane fills, of the `count` that a batch has for this pool."""
        lanes = len(self.lanes)
        return range(lane * count // lanes, (lane + 1) * count // lanes)

    def take(self, count: int) -> np.ndarray:
        """Return (count,) int64: the next pairs, lane after lane."""
        taken = [np.empty(0, np.int64)]
        for lane in self.lanes:
            taken += lane.take(len(self.part(lane.number, count)))
        return np.concatenate(taken)

    def cursors(self) -> list[list[int]]:
        """Return where each lane stands, as JSON carries it."""
        return [list(lane.cursor) for lane in self.lanes]

    def seek(self, cursors: Sequence[Sequence[int]]) -> None:
        """Go to where another walk of the same shards stood.

        Raises:
            LaneError: it had another number of lanes.
        """
        if len(cursors) != len(self.lanes):
            raise LaneError(
                f"the cursors are those of {len(cursors)} lanes, and there are {len(self.lanes)}"
            )
        for lane, cursor in zip(self.lanes, cursors, strict=True):
            lane.seek(Cursor(*cursor))

    def dealt(self, epoch: int, lane: int) -> np.ndarray:
        """Return (n,) int32: the shards of a lane in an epoch, in the order of its walk.

        The dealing goes on where the epoch before ended, so that the lanes that get one shard more
        are others each time.
        """
        count = len(self.shards)
        first = (lane - epoch * count) % len(self.lanes)
        return self._permuted(epoch)[first :: len(self.lanes)]

    def _permuted(self, epoch: int) -> np.ndarray:
        """Return (n,) int32: the shards that have pairs, in the order of an epoch."""
        if epoch not in self.permuted:
            # Lanes turn at about the same time: the epoch before and this one are enough
            if len(self.permuted) > 1:
                del self.permuted[min(self.permuted)]
            rng = np.random.default_rng([*self.seed, SHARDS, epoch])
            self.permuted[epoch] = rng.permutation(self.shards)
        return self.permuted[epoch]


class Lane:
    """One lane of an order, and where it stands."""

    def __init__(self, order: LaneOrder, number: int) -> None:
        self.order, self.number = order, number
        self.cursor = Cursor(0, 0, 0)
        # Of the block at the cursor: its pairs in their order, where they are known already
        self.pairs: np.ndarray | None = None

    def take(self, count: int) -> Iterator[np.ndarray]:
        """Yield int64 numbers of the next pairs, `count` in all, and move the cursor on."""
        while count:
            if self.pairs is None:
                self.pairs = self._permuted()
            epoch, block, place = self.cursor
            some = self.pairs[place : place + count]
            count -= len(some)
            self.cursor = Cursor(epoch, block, place + len(some))
            if self.cursor.place == len(self.pairs):
                self.seek(Cursor(*self.following(), 0))
            yield some

    def seek(self, cursor: Cursor) -> None:
        """Go to another place."""
        if cursor[:2] != self.cursor[:2]:
            self.pairs = None
        self.cursor = cursor

    def following(self) -> tuple[int, int]:
        """Return the epoch and the block behind the one at the cursor."""
        epoch, block, _ = self.cursor
        if (block + 1) * self.order.block_shards < len(self.order.dealt(epoch, self.number)):
            return epoch, block + 1
        return epoch + 1, 0

    def shards(self, epoch: int, block: int) -> np.ndarray:
        """Return the shards of a block."""
        begin = block * self.order.block_shards
        return self.order.dealt(epoch, self.number)[begin : begin + self.order.block_shards]

    def _permuted(self) -> np.ndarray:
        """Return int64 numbers of the pairs of the block at the cursor, permuted."""
        epoch, block, _ = self.cursor
        shards = self.shards(epoch, block)
        if not len(shards):
            raise LaneError(f"lane {self.number} has no block {block} in epoch {epoch}")
        pairs = []
        for shard in shards.tolist():
            first = self.order.first[shard]
            pairs.append(np.arange(first, first + self.order.sizes[shard], dtype=np.int64))
        seed = [*self.order.seed, PAIRS, epoch, self.number, block]
        return np.random.default_rng(seed).permutation(np.concatenate(pairs))
