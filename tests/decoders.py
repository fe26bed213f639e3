"""What the tests of decoders have in common: picture files, crops, and a mixture of three pools."""

import io
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image

from streams import Draw
from streams.augmentation import box
from streams.loading import Loader
from streams.pictures import Crop
from tests.streams.test_crops import FOMO, HARD, how

# Formats whose pictures are drawn, and have no files
DRAWN = ("world", "idsprites")
CROPS: dict[str, Crop | None] = {
    "middle": None,
    "fomo": partial(box, how(FOMO), 5),
    "hard": partial(box, how(HARD), 6),
}


def file(picture: Image.Image, kind: str = "JPEG", **more: Any) -> bytes:
    """Return a picture as the bytes of a file."""
    out = io.BytesIO()
    picture.save(out, kind, **({"quality": 90} if kind == "JPEG" else {}) | more)
    return out.getvalue()


def off(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return by how many levels of 256 two pictures differ, number by number."""
    return np.abs(one.astype(int) - other)


def same(one: Draw, other: Draw) -> bool:
    """Return whether two batches are equal to the bit."""
    return (
        torch.equal(one.images, other.images)
        and one.captions == other.captions
        and bool((one.sources == other.sources).all())
    )


def met(drawn: Loader) -> list[tuple[list[str], int]]:
    """Return of each source which items were unreadable, in order, and how many were read."""
    sources: list[Any] = []
    for pool in drawn.mixture.pools:
        sources += pool.pairs
    return [(getattr(pairs, "corrupt", []), getattr(pairs, "seen", 0)) for pairs in sources]
