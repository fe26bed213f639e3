"""The pairs of a split that is a stream of shards, with tables only of the open shards.

A pair's index is its number in the concatenation of all shards, by their listed sizes. The pair of
an index never depends on earlier reads: a picture that cannot be read, or has no caption, is
replaced by the next of its shard, which belongs to the same block. Where a shard has fewer pairs
than listed, its other pairs replace the missing ones. Replacements are counted, and the first names
are kept for messages.

Shapes: B pairs asked for, S shards, P = `image_px` pixels.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from schema.checks.preprocessing import Preprocessing
from streams import EVERY, DatasetError
from streams.formats._decoded import DecodedAhead, Pixels
from streams.formats._files import colour_of, tried
from streams.formats._labels import without_classes
from streams.formats._open_shards import OpenShards, Shards
from streams.formats._shard_counts import Counts, Tally
from streams.pictures import OPENAI, Crop, pixels


class ShardPairs(DecodedAhead):
    """The `Pairs` of a stream of shards.

    Attributes:
        lanes, block_shards: the parameters of its order, from its row (`streams/lanes.py`).
    """

    def __init__(self, dataset: Mapping[str, Any], form: Any, shards: Shards) -> None:
        self.name, self.about = dataset["name"], f"dataset {dataset['name']!r}"
        self.lanes, self.block_shards = int(form.lanes), int(form.block_shards)
        self.tally = Tally(self.about, form.corrupt_share)
        self.shards = OpenShards(shards, self.tally)
        self.sizes, self.digest = shards.sizes, shards.digest
        # (N,) int64: one -1 that stands for all, as classes of pairs are not used
        self.labels: np.ndarray = without_classes(len(self))
        self.image_px = int(form.image_px)
        background = colour_of(self.about, form.background)
        preprocessing: Preprocessing = dataset.get("preprocessing", OPENAI)
        # The arguments of `streams.pictures.pixels` beside the crop
        self.how = (background, bool(form.upright), preprocessing)
        # For the pairs read last: the index of the pair whose picture was shown
        self.instead: dict[int, int] = {}

    def __len__(self) -> int:
        return int(self.shards.ends[-1])

    def hold(self, shards: int) -> None:
        """Keep as many shards open as `shards`, the most recently used."""
        self.shards.hold(shards)

    def expect(self, shards: Sequence[int]) -> None:
        """Begin to fetch shards in the background."""
        self.shards.shards.expect(shards)

    # ------------------------------------------------ pairs

    def opened(
        self, indices: np.ndarray, crops: Sequence[Crop] | None, decode: Callable[..., Any]
    ) -> Generator[Any]:
        """Fetch the shards, then yield as `DecodedAhead.opened`.

        Raises:
            DatasetError: a shard cannot be fetched.
        """
        self.shards.arrive(indices)
        yield from super().opened(indices, crops, decode)

    def shown(
        self, indices: np.ndarray, crops: Sequence[Crop] | None, decoded: Iterable[Any]
    ) -> Iterator[Pixels]:
        """Yield as `DecodedAhead.shown`; an unreadable pair is replaced by another of its shard."""
        self.instead = {}
        yield from super().shown(indices, crops, decoded)

    def captions(
        self, indices: np.ndarray, rng: np.random.Generator, part: slice = EVERY
    ) -> list[str]:
        """Return one caption per index, of the pair whose picture is shown for it."""
        return self.captions_by(indices[part], rng.random(len(indices))[part])

    def captions_by(self, indices: np.ndarray, chances: np.ndarray) -> list[str]:
        """Return one caption per index, chosen by a number in [0, 1) for each."""
        captions = []
        for index, chance in zip(indices.tolist(), chances.tolist(), strict=True):
            if index not in self.instead:
                self._pixels(index, None, None)
            texts = self.shards.texts(self.instead[index])
            captions.append(texts[int(chance * len(texts))])
        return captions

    def news(self) -> Counts:
        """Return the counts since the last call, to be sent to another process."""
        return self.tally.news()

    def met(self, indices: np.ndarray, news: Counts) -> None:
        """Add the counts of another process, which read the pairs `indices` (B,).

        Raises:
            DatasetError: too many pairs cannot be read.
        """
        self.tally.add(news)

    def lines(self) -> list[str]:
        """Return a sentence for each kind of pairs replaced since the last call."""
        return self.tally.lines()

    # ------------------------------------------------ one of them

    def _pixels(self, index: int, crop: Crop | None, image: Any) -> Pixels:
        """Return (3, P, P): the pair's pixels, or those of the next readable one of its shard.

        `image`: what it was decoded to already; None: Pillow decodes it now.
        """
        shard, place = self.shards.place(index)
        count = len(self.shards.open(shard))
        self.tally.add(Counts(read=1, short=int(place >= count)))
        size, problem = int(self.sizes[shard]), None
        for further in range(size):
            other = index - place + (place + further) % size
            if further or image is None:
                # Replacements of missing pairs are existing pairs, which are tried anyway
                if (place + further) % size >= count:
                    continue
                image = self._decoded(other, crop)
            if not isinstance(image, Exception) and self.shards.texts(other):
                self.instead[index] = other
                return image  # type: ignore[no-any-return]
            problem = image if isinstance(image, Exception) else "it has no caption"
            if not further:
                self.tally.add(Counts(unreadable=1, names=self.shards.names(other)), problem)
        name = self.shards.shards.name(shard)
        raise DatasetError(
            f"{self.about}: none of the {count} pairs of {name} can be read: "
            f"{problem or 'it has none'}. Fetch it again, or take it out of the list."
        )

    def _decoded(self, index: int, crop: Crop | None, decode: Callable[..., Any] = pixels) -> Any:
        """Return (3, P, P), or why the picture is unreadable."""
        shard, place = self.shards.at(index)
        image = tried(shard, place, decode, (self.image_px, crop, *self.how))
        # A shard that cannot be fetched is an error, and not an unreadable picture
        if isinstance(image, DatasetError):
            raise image
        return image
