"""The images of a test set: decoded when they are asked for, and forgotten once they are encoded.

A suite of 63 test sets of 10,000 images at 224 px is 95 GB of pixels, so they are never held
together. Whoever encodes asks for a part of 256 images while the part before is on the device.
"""

from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import numpy as np

from evals import Images
from evals._matching import digest_of
from runner.worker.pixel_store import PixelStore
from streams import Pairs
from streams.formats._files import Files

# So many images are decoded at once where all of them are looked at
AT_ONCE = 256


class DecodedImages:
    """N images of a dataset, by their places in it."""

    def __init__(
        self,
        pairs: Pairs,
        items: np.ndarray,
        store: PixelStore | None = None,
        known: dict[int, bytes] | None = None,
    ) -> None:
        """`items` (N,) are the images' places in the dataset.

        `store` is where decoded images are on this machine. `known` is shared among the parts of a
        test set: by place, what tells the image's pixels from others.
        """
        self.pairs, self.items, self.store = pairs, items, store
        self.known: dict[int, bytes] = {} if known is None else known

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, part: slice) -> np.ndarray:
        """Return (n, 3, P, P) uint8: a part of the images.

        Raises:
            DatasetError: too many of them cannot be decoded.
        """
        items = self.items[part]
        if self.store is None or not isinstance(self.pairs, Files):
            return self.pairs.images(items)
        px = self.pairs.image_px
        images = np.empty((len(items), 3, px, px), np.uint8)
        # Closed here: collected later, by a thread of its own pool, it could not end that pool.
        with closing(self.pairs.opened(items, None, self.store.pixels)) as decoded:
            for place, image in enumerate(self.pairs.shown(items, None, decoded)):
                images[place] = image
        return images

    def some(self, items: np.ndarray) -> "DecodedImages":
        """Return some of the images, by index."""
        return DecodedImages(self.pairs, self.items[items], self.store, self.known)

    def digests(self) -> list[bytes]:
        """Return for each image what tells its pixels from those of others.

        What is not known yet is decoded, once.
        """
        unknown = []
        for place, item in enumerate(self.items.tolist()):
            if item not in self.known:
                unknown.append(place)
        images = self.some(np.array(unknown, np.int64))
        chunks = parts_of(len(images))
        for chunk, pixels in zip(chunks, asked_ahead(images, chunks), strict=True):
            for item, image in zip(images.items[chunk.start :].tolist(), pixels, strict=False):
                self.known[item] = digest_of(image)
        return [self.known[item] for item in self.items.tolist()]


def parts_of(count: int) -> list[range]:
    """Return the places of `count` images, in parts that are decoded at once."""
    places = range(count)
    return [places[first : first + AT_ONCE] for first in range(0, count, AT_ONCE)]


def asked_ahead(images: Images, parts: Sequence[range]) -> Generator[np.ndarray]:
    """Yield (n, 3, P, P) uint8 of each part; the next one is asked for before it is wanted.

    Raises:
        DatasetError: too many images cannot be decoded.
    """
    with ThreadPoolExecutor(1) as thread:
        coming: Future[np.ndarray] | None = None
        for part in parts:
            following = thread.submit(_writable, images, part)
            if coming is not None:
                yield coming.result()
            coming = following
        if coming is not None:
            yield coming.result()


def _writable(images: Images, part: range) -> np.ndarray:
    """Return a part of the images, of which torch takes no array that is read-only."""
    pixels = images[part.start : part.stop]
    return pixels if pixels.flags.writeable else pixels.copy()
