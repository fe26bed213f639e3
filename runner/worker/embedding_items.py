"""The items of a batch as a cache of embeddings knows them: images or texts, each with its place.

So that a number depends neither on what an item happens to be drawn with nor on what is known
already, an item is always encoded in a batch of the same size and at the same place in it, which
follows from what it is known by.
"""

import hashlib
from collections.abc import Hashable
from typing import NamedTuple
from zlib import crc32

import numpy as np
from torch import Tensor

from streams import Draw

# Items of a batch in which they are encoded
AT_ONCE = 32
# Bytes of an item's name: a sha256, and the place
NAME_BYTES = 33


class Item(NamedTuple):
    """One pair's image or text."""

    # What it is known by in this trial
    key: Hashable
    # Its place in the batch that it is encoded in
    place: int
    # Its pixels or tokens
    content: np.ndarray

    @property
    def name(self) -> bytes:
        """Return what the item is known by in every trial, NAME_BYTES long."""
        content = np.ascontiguousarray(self.content).data
        return hashlib.sha256(content).digest() + bytes([self.place])


def items_of(which: str, draw: Draw, tokens: Tensor) -> list[Item]:
    """Return the images or the texts of a batch, as `which` says; `tokens` are (B, L) on the CPU.

    An image is known by where it comes from (which pairs, which place in them), a text by its
    tokens.
    """
    items = []
    if which == "text":
        for row in tokens.numpy():
            key = row.tobytes()
            items.append(Item(key, crc32(key) % AT_ONCE, row))
        return items
    sources = [(id(pairs), int(place)) for pairs, places in draw.chosen for place in places]
    for source, pixels in zip(sources, draw.images.numpy(), strict=True):
        items.append(Item(source, source[1] % AT_ONCE, pixels))
    return items
