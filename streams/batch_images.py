"""The images of a batch on the host, read into one piece of memory.

A process that decodes ahead takes memory that it shares with the one that trains, so that images
are written once and copied no further.

Shapes: B pairs in a batch, P = `image_px` pixels.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from schema.checks.augmentation import TURBO, Augmentation
from streams import DatasetError, Pairs
from streams.formats._decoded import DecodedAhead
from streams.pictures import Crop, pixels

# What the state of a mixture and the table `statistic` call the pictures left to Pillow
LEFT = "left_to_pillow"
# Pairs, which of them, and what is cut from each
Request = tuple[Pairs, np.ndarray, list[Crop] | None]


class HostImages:
    """What makes the images of a recipe's batches.

    Attributes:
        left: pictures that another decoder left to Pillow, in this task.
    """

    def __init__(self, augmentation: Augmentation) -> None:
        """Decode as the recipe says.

        Raises:
            DatasetError: the package that it needs is not installed.
        """
        self.turbo: Any = None
        if augmentation.decoder == TURBO:
            self.turbo = _turbo()
        self.left = 0

    def read(self, requests: Sequence[Request], shared: bool) -> Tensor:
        """Return (B, 3, P, P) uint8; `shared`: in memory that another process can be handed.

        Raises:
            DatasetError: too many pictures cannot be decoded.
        """
        count = sum(len(indices) for _, indices, _ in requests)
        images, first = torch.empty(0), 0
        for pairs, indices, crops in requests:
            drawn = None
            # Others are drawn, and have no files
            if isinstance(pairs, DecodedAhead):
                shape: Sequence[int] = (3, pairs.image_px, pairs.image_px)
            else:
                drawn = pairs.images(indices, crops)
                shape = drawn.shape[1:]
            if not first:
                images = _memory((count, *shape), shared)
            part = images[first : first + len(indices)].numpy()
            first += len(indices)
            if drawn is not None:
                part[:] = drawn
            elif isinstance(pairs, DecodedAhead):
                pairs.fill(part, indices, crops, self._decode)
        if self.turbo is not None:
            self.left += self.turbo.news()
        return images

    @property
    def _decode(self) -> Callable[..., np.ndarray]:
        """Return what makes (3, P, P) uint8 of a file."""
        decode: Callable[..., np.ndarray] = pixels
        if self.turbo is not None:
            decode = self.turbo.pixels
        return decode

    def begin(self) -> None:
        """Begin to count for a task."""
        self.left = 0

    def note(self, left: int) -> None:
        """Count what another process left to Pillow."""
        self.left += left

    def state(self) -> dict[str, int]:
        """Return the count, as JSON carries it; nothing where Pillow decodes everything."""
        return {} if self.turbo is None else {LEFT: self.left}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on counting where another process was."""
        self.left = int(state.get(LEFT, 0))


def _turbo() -> Any:
    """Return the decoder of `streams/turbo.py`, imported only where a recipe asks for it.

    Raises:
        DatasetError: its package is not installed.
    """
    try:
        from streams.turbo import TurboDecoder
    except ImportError as problem:
        raise DatasetError(
            f"decoder {TURBO!r} needs simplejpeg, which cannot be imported ({problem}). Install it "
            "(pip install simplejpeg), or leave decoder out of the recipe's augmentation_params."
        ) from problem
    return TurboDecoder()


def _memory(shape: Sequence[int], shared: bool) -> Tensor:
    """Return uint8 of a shape, not yet written."""
    if not shared:
        return torch.empty(*shape, dtype=torch.uint8)
    # As torch's own loader does for the batches that it puts together
    kind: Any = torch.UntypedStorage
    flat = torch.empty(0, dtype=torch.uint8).set_(kind._new_shared(math.prod(shape)))
    return flat.view(*shape)
