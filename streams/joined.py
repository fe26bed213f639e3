"""Several streams of shards joined to one, for the pool of several datasets."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from streams import EVERY, Pairs
from streams.formats._decoded import DecodedAhead
from streams.formats._labels import without_classes
from streams.formats._shard_counts import Counts
from streams.formats._shard_pairs import ShardPairs
from streams.pictures import Crop


class JoinedPairs(DecodedAhead):
    """The `Pairs` of several concatenated streams of shards.

    Shapes: B pairs asked for, P = `image_px` pixels.
    """

    def __init__(self, parts: Sequence[ShardPairs]) -> None:
        self.parts, self.image_px = list(parts), parts[0].image_px
        self.sizes: np.ndarray = np.concatenate([part.sizes for part in parts])
        # (D + 1,) int64: the number of the first pair of each of D parts, and the end
        self.first: np.ndarray = np.cumsum([0, *map(len, parts)], dtype=np.int64)
        # The number of the first shard of each part, and the end
        self.first_shard: np.ndarray = np.cumsum([0, *[len(part.sizes) for part in parts]])

        # (N,) int64: one -1 that stands for all
        self.labels = without_classes(int(self.first[-1]))

    def __len__(self) -> int:
        return int(self.first[-1])

    def hold(self, shards: int) -> None:
        """Keep as many shards of each part open as `shards`, the most recently used."""
        for part in self.parts:
            part.hold(shards)

    def expect(self, shards: Sequence[int]) -> None:
        """Begin to fetch shards in the background."""
        numbers = np.asarray(shards, np.int64)
        for part, (begin, end) in zip(self.parts, pairwise(self.first_shard), strict=True):
            mine = numbers[(begin <= numbers) & (numbers < end)]
            if len(mine):
                part.expect((mine - begin).tolist())

    def runs(self, indices: np.ndarray) -> list[tuple[Pairs, np.ndarray]]:
        """Return runs of consecutive pairs of the same stream, with the stream, in order."""
        owners, runs = self._owners(indices), list[tuple[Pairs, np.ndarray]]()
        turns = np.flatnonzero(np.diff(owners)) + 1
        for some in np.split(np.arange(len(indices)), turns):
            if len(some):
                owner = int(owners[some[0]])
                runs.append((self.parts[owner], indices[some] - self.first[owner]))
        return runs

    def opened(
        self, indices: np.ndarray, crops: Sequence[Crop] | None, decode: Callable[..., Any]
    ) -> Generator[Any]:
        """Yield each pair's decoded picture, or the error that makes it unreadable."""
        images: list[Any] = [None] * len(indices)
        for part, places, own in self._each(indices):
            decoded = part.opened(own, _some(crops, places), decode)
            for place, image in zip(places.tolist(), decoded, strict=True):
                images[place] = image
        yield from images

    def shown(
        self, indices: np.ndarray, crops: Sequence[Crop] | None, decoded: Iterable[Any]
    ) -> Iterator[Any]:
        """Yield the pixels (3, P, P) of each pair; an unreadable one is replaced from its shard."""
        before, images = list(decoded), [None] * len(indices)
        for part, places, own in self._each(indices):
            mine = [before[place] for place in places.tolist()]
            shown = part.shown(own, _some(crops, places), mine)
            for place, image in zip(places.tolist(), shown, strict=True):
                images[place] = image
        return iter(images)

    def captions(
        self, indices: np.ndarray, rng: np.random.Generator, part: slice = EVERY
    ) -> list[str]:
        """Return one caption per index, of the pair whose picture is shown for it."""
        chances, indices = rng.random(len(indices))[part], indices[part]
        captions = [""] * len(indices)
        for stream, places, own in self._each(indices):
            texts = stream.captions_by(own, chances[places])
            for place, text in zip(places.tolist(), texts, strict=True):
                captions[place] = text
        return captions

    def news(self) -> list[Counts]:
        """Return each part's counts since the last call, to be sent to another process."""
        return [part.news() for part in self.parts]

    def met(self, indices: np.ndarray, news: Sequence[Counts]) -> None:
        """Add the counts of another process, which read these pairs.

        Raises:
            DatasetError: too many pairs cannot be read.
        """
        for part, counts in zip(self.parts, news, strict=True):
            part.met(indices, counts)

    def _owners(self, indices: np.ndarray) -> np.ndarray:
        """Return the number of the part that each pair belongs to, (B,)."""
        owners: np.ndarray = np.searchsorted(self.first, indices, side="right") - 1
        return owners

    def _each(self, indices: np.ndarray) -> Iterator[tuple[ShardPairs, np.ndarray, np.ndarray]]:
        """Yield each part with pairs among `indices`, their places, and their numbers in it."""
        owners = self._owners(indices)
        for owner in np.unique(owners).tolist():
            places = np.flatnonzero(owners == owner)
            yield self.parts[owner], places, indices[places] - self.first[owner]


def _some(crops: Sequence[Crop] | None, places: np.ndarray) -> list[Crop] | None:
    """Return the crops at these places; None where nothing is cropped."""
    if crops is None:
        return None
    return [crops[place] for place in places.tolist()]
