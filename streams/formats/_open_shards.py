"""The shards of a stream that are at hand: opened when a pair of theirs is drawn.

Shapes: B pairs asked for, S shards.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from streams import DatasetError
from streams.formats._shard_counts import Counts, Tally
from streams.formats._unused import printable

# Shards whose tables are held where nobody said how many are at hand.
HELD = 64


class Shard(Protocol):
    """One shard that has arrived."""

    def __len__(self) -> int: ...

    def read(self, place: int) -> bytes:
        """Return the image of a pair."""
        ...

    def texts(self, place: int) -> list[str]:
        """Return the captions of a pair; none where it has none."""
        ...

    def key(self, place: int) -> str:
        """Return what a pair is called in its shard; for messages, as it may be read anew."""
        ...


class Shards(Protocol):
    """The S shards of a split, by number."""

    @property
    def sizes(self) -> np.ndarray:
        """Return (S,): how many pairs each has, by the list."""
        ...

    @property
    def digest(self) -> str:
        """Return what changes with the shards, their order or their sizes."""
        ...

    def open(self, shard: int) -> Shard:
        """Return a shard, fetched where it is not here."""
        ...

    def fetch(self, shards: Sequence[int]) -> None:
        """Have shards here, side by side."""
        ...

    def expect(self, shards: Sequence[int]) -> None:
        """Have shards here soon."""
        ...

    def name(self, shard: int) -> str:
        """Return what a shard is called in messages."""
        ...


class OpenShards:
    """The shards that were used last, and where a pair lies by its number."""

    def __init__(self, shards: Shards, tally: Tally) -> None:
        self.shards, self.tally = shards, tally
        self.sizes = shards.sizes
        # (S,) int64: the number behind the last pair of each shard
        self.ends: np.ndarray = np.cumsum(self.sizes, dtype=np.int64)
        self.opened: OrderedDict[int, Shard] = OrderedDict()
        self.held = HELD

    def hold(self, shards: int) -> None:
        """Keep the tables of so many shards, those that were used last."""
        self.held = max(shards, 1)

    def place(self, index: int) -> tuple[int, int]:
        """Return in which shard a pair is, and which of its list it is."""
        shard = int(np.searchsorted(self.ends, index, side="right"))
        return shard, index - int(self.ends[shard] - self.sizes[shard])

    def at(self, index: int) -> tuple[Shard, int]:
        """Return the shard of a pair, and which of the pairs that it has stands for it.

        Raises:
            DatasetError: it has none, or cannot be had.
        """
        number, place = self.place(index)
        shard = self.open(number)
        if not len(shard):
            raise DatasetError(
                f"{self.tally.about}: {self.shards.name(number)} has no pair, and its list says "
                f"{self.sizes[number]}. Fetch it again, or take it out of the list."
            )
        return shard, place % len(shard)

    def texts(self, index: int) -> list[str]:
        """Return the captions of a pair."""
        shard, place = self.at(index)
        return shard.texts(place)

    def every_text(self) -> Iterator[str]:
        """Yield every caption, shard after shard, without reading a picture."""
        for number in np.flatnonzero(self.sizes).tolist():
            shard = self.open(number)
            for place in range(len(shard)):
                yield from shard.texts(place)

    def names(self, index: int) -> list[str]:
        """Return what a pair is called in messages, unless enough are named already."""
        if not self.tally.wants_names:
            return []
        number, _ = self.place(index)
        shard, place = self.at(index)
        return [printable(f"{self.shards.name(number)}/{shard.key(place)}")]

    def arrive(self, indices: np.ndarray) -> None:
        """Open the shards of some pairs, those that are not here side by side; indices (B,)."""
        numbers = np.unique(np.searchsorted(self.ends, indices, side="right")).tolist()
        missing = [number for number in numbers if number not in self.opened]
        # All of them at once, whatever is held
        self.held = max(self.held, len(numbers))
        if len(missing) > 1:
            self.shards.fetch(missing)
        for number in numbers:
            self.open(number)

    def open(self, number: int) -> Shard:
        """Return a shard, opened if it is not at hand."""
        shard = self.opened.get(number)
        if shard is None:
            shard = self.opened[number] = self.shards.open(number)
            beyond = len(shard) - int(self.sizes[number])
            self.tally.add(Counts(beyond=max(beyond, 0)))
            while len(self.opened) > self.held:
                self.opened.popitem(last=False)
        else:
            self.opened.move_to_end(number)
        return shard
