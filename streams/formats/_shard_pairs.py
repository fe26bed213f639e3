"""The pairs of a split that is a stream of shards: no table of them, only of the shards at hand.

A pair is known by its number in the shards joined one after the other, by the sizes that their list
gives. What an index gives never depends on what was asked for before: a picture that cannot be
read, or has no caption, is replaced by the next of its shard, and so by one of its block. Where a
shard holds fewer pairs than its list says, its pairs stand for those that are missing. What was
replaced is counted, and the first names are kept for messages.

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
        lanes, block_shards: how its row wants it walked (`streams/lanes.py`).
    """

    def __init__(self, dataset: Mapping[str, Any], form: Any, shards: Shards) -> None:
        self.name, self.about = dataset["name"], f"dataset {dataset['name']!r}"
        self.lanes, self.block_shards = int(form.lanes), int(form.block_shards)
        self.tally = Tally(self.about, form.corrupt_share)
        self.shards = OpenShards(shards, self.tally)
        self.sizes, self.digest = shards.sizes, shards.digest
        # (N,) int64: one -1 that stands for all, as no pair is asked for its class
        self.labels: np.ndarray = without_classes(len(self))
        self.image_px = int(form.image_px)
        background = colour_of(self.about, form.background)
        preprocessing: Preprocessing = dataset.get("preprocessing", OPENAI)
        # What `streams.pictures.pixels` is told beside the crop
        self.how = (background, bool(form.upright), preprocessing)
        # Of the pairs that were read last: whose picture each shows
        self.instead: dict[int, int] = {}

    def __len__(self) -> int:
        return int(self.shards.ends[-1])

    def hold(self, shards: int) -> None:
        """Keep the tables of so many shards, those that were used last."""
        self.shards.hold(shards)

    def expect(self, shards: Sequence[int]) -> None:
        """Have shards at hand soon."""
        self.shards.shards.expect(shards)

    # ------------------------------------------------ pairs

    def opened(
        self, indices: np.ndarray, crops: Sequence[Crop] | None, decode: Callable[..., Any]
    ) -> Generator[Any]:
        """Yield as `DecodedAhead.opened`, once the shards are at hand.

        Raises:
            DatasetError: a shard cannot be had.
        """
        self.shards.arrive(indices)
        yield from super().opened(indices, crops, decode)

    def shown(
        self, indices: np.ndarray, crops: Sequence[Crop] | None, decoded: Iterable[Any]
    ) -> Iterator[Pixels]:
        """Yield as `DecodedAhead.shown`; what stands for a pair is another of its shard."""
        self.instead = {}
        yield from super().shown(indices, crops, decoded)

    def captions(
        self, indices: np.ndarray, rng: np.random.Generator, part: slice = EVERY
    ) -> list[str]:
        """Return one caption each, of the pair whose picture the index gives."""
        return self.captions_by(indices[part], rng.random(len(indices))[part])

    def captions_by(self, indices: np.ndarray, chances: np.ndarray) -> list[str]:
        """Return one caption each, chosen by a number in [0, 1)."""
        captions = []
        for index, chance in zip(indices.tolist(), chances.tolist(), strict=True):
            if index not in self.instead:
                self._pixels(index, None, None)
            texts = self.shards.texts(self.instead[index])
            captions.append(texts[int(chance * len(texts))])
        return captions

    def news(self) -> Counts:
        """Return what was counted since the last call, for another process."""
        return self.tally.news()

    def met(self, indices: np.ndarray, news: Counts) -> None:
        """Count what another process read: pairs (B,), and what it counted of them.

        Raises:
            DatasetError: too many pairs cannot be read.
        """
        self.tally.add(news)

    def lines(self) -> list[str]:
        """Return a sentence for each kind of what was replaced since the last call."""
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
                # What stands for a pair that the shard has not was tried, or will be
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
        # A shard that cannot be had is no unreadable picture
        if isinstance(image, DatasetError):
            raise image
        return image
