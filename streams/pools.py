"""The pools that the sources of a mixture draw from.

`Pool` draws pairs in a random order over all of them, `LanePool` draws from streams of shards by
lanes (`streams/lanes.py`). Every random choice is a function of a seed and the number of the epoch,
so the state of a pool is a few numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from streams import Pairs
from streams.formats._shard_pairs import ShardPairs
from streams.joined import JoinedPairs
from streams.lanes import LaneError, LaneOrder

# Pairs of a dataset, and the indices of those that are meant.
Portion = tuple[Pairs, np.ndarray]


def all_of(pairs: Pairs) -> np.ndarray:
    """Return the indices of all pairs, (N,) int64; empty for a stream of shards, drawn whole."""
    if isinstance(pairs, ShardPairs):
        return np.empty(0, np.int64)
    return np.arange(len(pairs))


def runs_of(chosen: Sequence[Portion]) -> list[Portion]:
    """Return the same pairs, with those of joined streams split by dataset, in order."""
    runs = list[Portion]()
    for pairs, indices in chosen:
        if isinstance(pairs, JoinedPairs):
            runs += pairs.runs(indices)
        else:
            runs.append((pairs, indices))
    return runs


class MixtureError(ValueError):
    """A mixture cannot make batches."""


class Drawn(Protocol):
    """The interface of a pool that batches are drawn from."""

    def __len__(self) -> int: ...

    def draw(self, count: int) -> list[Portion]:
        """Return the next `count` pairs, and advance."""
        ...

    def expect(self, places: range) -> None:
        """Begin to fetch the data that these places of the next batches need."""
        ...

    def state(self) -> Any:
        """Return the position of the pool, as JSON values."""
        ...

    def load_state(self, state: Any) -> None:
        """Go to where another walk of the same pool was."""
        ...


class Pool:
    """A pool of pairs, drawn without replacement in a new random order each epoch."""

    def __init__(
        self, portions: Sequence[Portion], seed: Sequence[int], places: np.ndarray | None = None
    ) -> None:
        """Use the pairs of the portions, or only those at `places` among them."""
        self.pairs: list[Pairs] = []
        # Several portions may be of the same dataset, which is then held once.
        owner: dict[int, int] = {}
        owners, indices = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for pairs, some in portions:
            if id(pairs) not in owner:
                owner[id(pairs)] = len(self.pairs)
                self.pairs.append(pairs)
            owners.append(np.full(len(some), owner[id(pairs)], np.int64))
            indices.append(some)
        self.owners, self.indices = np.concatenate(owners), np.concatenate(indices)
        self.seed = list(seed)
        if places is not None:
            self.owners, self.indices = self.owners[places], self.indices[places]
        self.epoch = self.position = 0
        self.order = self._shuffled()

    def __len__(self) -> int:
        return len(self.indices)

    def _shuffled(self) -> np.ndarray:
        return np.random.default_rng([*self.seed, 1, self.epoch]).permutation(len(self))

    def draw(self, count: int) -> list[Portion]:
        """Return the next `count` pairs, as portions by dataset, and advance."""
        chosen = []
        places = self.take(count) if count else np.empty(0, np.int64)
        for owner, pairs in enumerate(self.pairs):
            indices = self.indices[places[self.owners[places] == owner]]
            if len(indices):
                chosen.append((pairs, indices))
        return chosen

    def take(self, count: int) -> np.ndarray:
        """Return the next `count` places in the pool, and advance."""
        taken: list[np.ndarray] = []
        while count:
            if self.position == len(self):
                self.epoch, self.position = self.epoch + 1, 0
                self.order = self._shuffled()
            some = self.order[self.position : self.position + count]
            taken.append(some)
            self.position += len(some)
            count -= len(some)
        return np.concatenate(taken)

    def expect(self, places: range) -> None:
        """Do nothing, as any pair may be next."""

    def state(self) -> list[int]:
        """Return the epoch, and how many of its pairs were taken."""
        return [self.epoch, self.position]

    def load_state(self, state: Sequence[int]) -> None:
        """Go to where another walk of the same pool was."""
        self.epoch, self.position = state
        self.order = self._shuffled()


class LanePool:
    """A pool of streams of shards, drawn by lanes."""

    def __init__(self, streams: Sequence[ShardPairs], seed: Sequence[int], count: int) -> None:
        """Join the streams; a batch has `count` pairs of them, and at most as many lanes."""
        first = streams[0]
        self.pairs: Any = first
        if len(streams) > 1:
            self.pairs = JoinedPairs(streams)
        self.digests = [stream.digest for stream in streams]
        self.count = count
        lanes, block = min(first.lanes, count), first.block_shards
        self.order = LaneOrder(self.pairs.sizes, lanes, block, seed)
        # For each lane, the block whose successor was already requested
        self.expected: dict[int, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self.order)

    def draw(self, count: int) -> list[Portion]:
        """Return the next `count` pairs, lane after lane, and advance."""
        if not count:
            return []
        return [(self.pairs, self.order.take(count))]

    def expect(self, places: range) -> None:
        """Begin to fetch the next block's shards for the lanes of these places."""
        shards, mine = list[int](), 0
        for lane in self.order.lanes:
            own = self.order.part(lane.number, self.count)
            if own.stop <= places.start or places.stop <= own.start:
                continue
            mine += 1
            block = lane.cursor.epoch, lane.cursor.block
            if self.expected.get(lane.number) != block:
                self.expected[lane.number] = block
                shards += lane.shards(*block).tolist() + lane.shards(*lane.following()).tolist()
        if shards:
            # Room for the current blocks, and for as many that a batch has just finished
            self.pairs.hold(mine * self.order.block_shards + len(self.order.lanes))
            self.pairs.expect(shards)

    def state(self) -> dict[str, Any]:
        """Return the position of each lane, and a digest of the shards."""
        return {"lanes": self.order.cursors(), "shards": self.digests}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore the positions of another pool of the same shards.

        Raises:
            MixtureError: the shards or the number of lanes differ.
        """
        if not isinstance(state, Mapping) or state["shards"] != self.digests:
            raise MixtureError(
                "the shards, their names or their sizes are not those that the checkpoint was "
                "written with: put them back, or begin the trial anew"
            )
        try:
            self.order.seek(state["lanes"])
        except LaneError as problem:
            raise MixtureError(str(problem)) from problem
        self.expected = {}


def expect(pools: Sequence[Drawn], counts: Sequence[int], part: slice) -> None:
    """Begin to fetch the data of a part of the next batches, with `counts` pairs of each pool."""
    begin = 0
    for pool, count in zip(pools, counts, strict=True):
        # The part's ends, clipped to this pool's places and counted from the first of them
        first, last = max(part.start - begin, 0), min(part.stop - begin, count)
        if first < last:
            pool.expect(range(first, last))
        begin += count


def pool_of(
    about: str,
    portions: Sequence[Portion],
    seed: Sequence[int],
    count: int,
    places: np.ndarray | None,
) -> Drawn:
    """Return the pool of a source, of which a batch has `count` pairs.

    Messages call the source `about`. `places` is as in `Pool`.

    Raises:
        MixtureError: streams of shards are mixed with other pairs, or differ in lanes or blocks.
    """
    streams = list[ShardPairs]()
    for pairs, _ in portions:
        if isinstance(pairs, ShardPairs) and pairs not in streams:
            streams.append(pairs)
    if not streams or not count:
        return Pool([] if streams else portions, seed, None if streams else places)
    for pairs, _ in portions:
        if not isinstance(pairs, ShardPairs):
            raise MixtureError(
                f"{about} draws from {streams[0].name!r}, a stream of shards (lanes), and from "
                "another dataset that is none, and the two have no order in common. Give all "
                "datasets of a task, or of all tasks before it, the same lanes, or none"
            )
    for other in streams:
        ours = (streams[0].lanes, streams[0].block_shards)
        if (other.lanes, other.block_shards) != ours:
            raise MixtureError(
                f"{about} draws from {streams[0].name!r} with lanes and block_shards {ours}, and "
                f"from {other.name!r} with {(other.lanes, other.block_shards)}. Write the same"
            )
    return LanePool(streams, seed, count)
