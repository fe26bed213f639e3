"""The open shards of a stream, each opened when one of its pairs is first drawn.

Shapes: B pairs asked for, S shards.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from streams import DatasetError
from streams.formats._shard_counts import Counts, Tally
from streams.formats._unused import printable

# The default number of shards that are kept open.
HELD = 64


class Shard(Protocol):
    """The interface of a shard that is on this machine, with its table of pairs."""

    # The captions of each class, where captions are made of the names of classes; else empty.
    by_label: Sequence[list[str]]

    def __len__(self) -> int: ...

    def read(self, place: int) -> bytes:
        """Return the image of a pair."""
        ...

    def texts(self, place: int) -> list[str]:
        """Return the captions of a pair; none where it has none."""
        ...

    def key(self, place: int) -> str:
        """Return a pair's name in its shard, for messages; it may have to be read from the file."""
        ...


class Shards(Protocol):
    """The interface of the S shards of a split, accessed by number."""

    @property
    def sizes(self) -> np.ndarray:
        """Return the number of pairs of each shard according to the list, (S,)."""
        ...

    @property
    def digest(self) -> str:
        """Return a digest of the shards' names, order and sizes."""
        ...

    def open(self, shard: int) -> Shard:
        """Open a shard, after fetching it if needed."""
        ...

    def fetch(self, shards: Sequence[int]) -> None:
        """Fetch shards in parallel, and wait for them."""
        ...

    def expect(self, shards: Sequence[int]) -> None:
        """Begin to fetch shards in the background."""
        ...

    def name(self, shard: int) -> str:
        """Return a shard's name in messages."""
        ...


class OpenShards:
    """The most recently used shards, and the shard and place of each pair number."""

    def __init__(self, shards: Shards, tally: Tally) -> None:
        self.shards, self.tally = shards, tally
        self.sizes = shards.sizes
        # (S,) int64: one more than the number of the last pair of each shard
        self.ends: np.ndarray = np.cumsum(self.sizes, dtype=np.int64)
        self.opened: OrderedDict[int, Shard] = OrderedDict()
        self.held = HELD

    def hold(self, shards: int) -> None:
        """Keep as many shards open as `shards`, the most recently used."""
        self.held = max(shards, 1)

    def place(self, index: int) -> tuple[int, int]:
        """Return the shard of a pair, and the pair's place in the shard's list."""
        shard = int(np.searchsorted(self.ends, index, side="right"))
        return shard, index - int(self.ends[shard] - self.sizes[shard])

    def at(self, index: int) -> tuple[Shard, int]:
        """Return the open shard of a pair, and the place in it of the pair or of its replacement.

        Raises:
            DatasetError: the shard has no pairs, or cannot be fetched.
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
        """Yield every caption, shard by shard, without reading pictures."""
        for number in np.flatnonzero(self.sizes).tolist():
            shard = self.open(number)
            for place in range(len(shard)):
                yield from shard.texts(place)

    def names(self, index: int) -> list[str]:
        """Return a pair's name for messages, as a list; [] once enough pairs have been named."""
        if not self.tally.wants_names:
            return []
        number, _ = self.place(index)
        shard, place = self.at(index)
        return [printable(f"{self.shards.name(number)}/{shard.key(place)}")]

    def arrive(self, indices: np.ndarray) -> None:
        """Open the shards of the pairs `indices` (B,); missing ones are fetched in parallel."""
        numbers = np.unique(np.searchsorted(self.ends, indices, side="right")).tolist()
        missing = [number for number in numbers if number not in self.opened]
        # All are kept open together, even beyond the usual number
        self.held = max(self.held, len(numbers))
        if len(missing) > 1:
            self.shards.fetch(missing)
        for number in numbers:
            self.open(number)

    def open(self, number: int) -> Shard:
        """Return a shard, opened if it is not open yet."""
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
