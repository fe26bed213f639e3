"""The order of a stream of shards: a fixed number of lanes that are read in parallel.

As a pool may have billions of pairs, its shards are permuted and not all of its pairs. In each
epoch the permuted shards are dealt to the lanes in turn, so that each shard is in one lane. A lane
reads its shards in blocks: the pairs of a block are permuted, and all are taken before the next
block. Each lane fills a contiguous part of a batch, of equal size or one pair more. So a process
that reads part of a batch needs the shards of a few lanes only, and batches do not depend on the
number of processes.

The order is a function of (seed, epoch, lane, block) and the number of pairs in each shard. So the
position of a lane is (epoch, block, place), and it can be restored without reading on from the
start.

Shapes: S shards, N pairs in all of them, L lanes.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

# Words that distinguish the seeds of the two kinds of permutations.
SHARDS, PAIRS = 1, 2


class Cursor(NamedTuple):
    """The position of a lane: `place` pairs of the block of the epoch were taken."""

    epoch: int
    block: int
    place: int


class LaneError(ValueError):
    """Saved cursors do not fit the lanes of a pool."""


class LaneOrder:
    """The order in which L lanes take the pairs of S shards.

    A pair is given by its number in the concatenated shards, in [0, N).
    """

    def __init__(
        self, sizes: np.ndarray, lanes: int, block_shards: int, seed: Sequence[int]
    ) -> None:
        """Start at the beginning; `sizes` (S,) are the shards' numbers of pairs.

        A block has `block_shards` shards. There are at most as many lanes as shards with pairs, so
        that each lane has a shard in every epoch.
        """
        self.sizes, self.block_shards, self.seed = sizes, block_shards, list(seed)
        # (S,) int64: the number of the first pair of each shard
        self.first: np.ndarray = np.cumsum(sizes, dtype=np.int64) - sizes
        # Shards without pairs are left out
        self.shards: np.ndarray = np.flatnonzero(sizes).astype(np.int32)
        # The permuted shards of at most two epochs that lanes are in
        self.permuted: dict[int, np.ndarray] = {}
        self.lanes = [Lane(self, number) for number in range(min(lanes, len(self.shards)))]

    def __len__(self) -> int:
        return int(self.sizes.sum(dtype=np.int64))

    def part(self, lane: int, count: int) -> range:
        """Return the places that a lane fills, of a batch's `count` places for this pool."""
        lanes = len(self.lanes)
        return range(lane * count // lanes, (lane + 1) * count // lanes)

    def take(self, count: int) -> np.ndarray:
        """Return the numbers of the next pairs, lane after lane, (count,) int64."""
        taken = [np.empty(0, np.int64)]
        for lane in self.lanes:
            taken += lane.take(len(self.part(lane.number, count)))
        return np.concatenate(taken)

    def cursors(self) -> list[list[int]]:
        """Return the position of each lane, as JSON values."""
        return [list(lane.cursor) for lane in self.lanes]

    def seek(self, cursors: Sequence[Sequence[int]]) -> None:
        """Restore the positions of another order over the same shards.

        Raises:
            LaneError: the number of lanes differs.
        """
        if len(cursors) != len(self.lanes):
            raise LaneError(
                f"the cursors are those of {len(cursors)} lanes, and there are {len(self.lanes)}"
            )
        for lane, cursor in zip(self.lanes, cursors, strict=True):
            lane.seek(Cursor(*cursor))

    def dealt(self, epoch: int, lane: int) -> np.ndarray:
        """Return the shards of a lane in an epoch, in reading order, (n,) int32.

        Dealing continues with the lane after the last of the epoch before, so that the lanes with
        one more shard vary.
        """
        count = len(self.shards)
        first = (lane - epoch * count) % len(self.lanes)
        return self._permuted(epoch)[first :: len(self.lanes)]

    def _permuted(self, epoch: int) -> np.ndarray:
        """Return the shards that have pairs, in the order of an epoch, (n,) int32."""
        if epoch not in self.permuted:
            # Lanes change epochs at about the same time, so two epochs are enough
            if len(self.permuted) > 1:
                del self.permuted[min(self.permuted)]
            rng = np.random.default_rng([*self.seed, SHARDS, epoch])
            self.permuted[epoch] = rng.permutation(self.shards)
        return self.permuted[epoch]


class Lane:
    """One lane of an order, with its position."""

    def __init__(self, order: LaneOrder, number: int) -> None:
        self.order, self.number = order, number
        self.cursor = Cursor(0, 0, 0)
        # The permuted pairs of the current block; None until they are needed
        self.pairs: np.ndarray | None = None

    def take(self, count: int) -> Iterator[np.ndarray]:
        """Yield arrays of the next `count` pair numbers, int64, and advance the cursor."""
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
        """Move to another position."""
        if cursor[:2] != self.cursor[:2]:
            self.pairs = None
        self.cursor = cursor

    def following(self) -> tuple[int, int]:
        """Return the epoch and the number of the next block."""
        epoch, block, _ = self.cursor
        if (block + 1) * self.order.block_shards < len(self.order.dealt(epoch, self.number)):
            return epoch, block + 1
        return epoch + 1, 0

    def shards(self, epoch: int, block: int) -> np.ndarray:
        """Return the shards of a block."""
        begin = block * self.order.block_shards
        return self.order.dealt(epoch, self.number)[begin : begin + self.order.block_shards]

    def _permuted(self) -> np.ndarray:
        """Return the permuted numbers of the current block's pairs, int64."""
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
