"""The pictures of pairs, decoded ahead by threads, for pairs that are found in different ways.

Shapes: B pairs asked for, P = `image_px` pixels.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
import torch
from torch import Tensor

from streams.pictures import Crop, pixels

Pixels = np.ndarray | Tensor


class DecodedAhead:
    """The part of `Pairs` that decodes; a subclass says how one picture is decoded and shown."""

    image_px: int

    def images(self, indices: np.ndarray, crops: Sequence[Crop] | None = None) -> np.ndarray:
        """Return (B, 3, P, P) uint8, decoded by as many threads as torch has.

        Raises:
            DatasetError: too many pictures cannot be decoded.
        """
        images = np.empty((len(indices), 3, self.image_px, self.image_px), np.uint8)
        self.fill(images, indices, crops)
        return images

    def fill(
        self,
        images: np.ndarray,
        indices: np.ndarray,
        crops: Sequence[Crop] | None = None,
        decode: Callable[..., Any] = pixels,
    ) -> None:
        """Write the pictures into (B, 3, P, P) uint8, as `decode` makes them.

        What stands for an unreadable one is decoded by Pillow.

        Raises:
            DatasetError: too many pictures cannot be decoded.
        """
        # Closed here: collected later, by a thread of its own pool, it could not end that pool
        with closing(self.opened(indices, crops, decode)) as decoded:
            for place, image in enumerate(self.shown(indices, crops, decoded)):
                images[place] = image

    def opened(
        self, indices: np.ndarray, crops: Sequence[Crop] | None, decode: Callable[..., Any]
    ) -> Generator[Any]:
        """Yield what each picture is decoded to, or why it is unreadable.

        Changes nothing of what is counted, so that another process may do it.
        """
        one = partial(self._decoded, decode=decode)
        count = torch.get_num_threads()
        # A single thread would only hand each picture over
        if count == 1:
            yield from map(one, indices.tolist(), crops or repeat(None))
            return
        with ThreadPoolExecutor(count) as threads:
            yield from threads.map(one, indices.tolist(), crops or repeat(None))

    def shown(
        self, indices: np.ndarray, crops: Sequence[Crop] | None, decoded: Iterable[Any]
    ) -> Iterator[Pixels]:
        """Yield (3, P, P) of each picture, `decoded` already, or of another one instead.

        Raises:
            DatasetError: too many pictures cannot be decoded.
        """
        each = zip(decoded, indices.tolist(), crops or repeat(None), strict=False)
        for image, index, crop in each:
            yield self._pixels(index, crop, image)

    def _decoded(self, index: int, crop: Crop | None, decode: Callable[..., Any] = pixels) -> Any:
        """Return (3, P, P), or why the picture is unreadable."""
        raise NotImplementedError

    def _pixels(self, index: int, crop: Crop | None, image: Any) -> Pixels:
        """Return (3, P, P): the picture's pixels, or those of the one that stands for it.

        `image`: what it was decoded to already; None: Pillow decodes it now.
        """
        raise NotImplementedError
