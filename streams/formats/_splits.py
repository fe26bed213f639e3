"""Which items of a place are in which split."""

import hashlib
import os
from collections.abc import Sequence

import numpy as np

from streams import DatasetError
from streams.formats._places import Form
from streams.pictures import SUFFIXES


def share_of(name: str) -> float:
    """A number in [0, 1) that only the name decides."""
    return int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:7]) / 2**56


def kept(about: str, form: Form, split: str, names: Sequence[str]) -> np.ndarray:
    """The items of the split."""
    if not (0 <= form.test_share <= 1 and 0 <= form.corrupt_share <= 1 and form.image_px > 0):
        said = f"test_share={form.test_share}, corrupt_share={form.corrupt_share}, image_px={form.image_px}"
        raise DatasetError(f"{about}: {said}; shares lie between 0 and 1, and image_px is above 0")
    if not len(names):
        said = f"no pairs were found for its {split} split: no images ({', '.join(SUFFIXES)}), or none with a caption"
        raise DatasetError(
            f"{about}: {said}. See what is at its location, and what the row's params say of it."
        )
    items = np.arange(len(names))
    if form.train == form.test:
        items = items[[(share_of(name) < form.test_share) == (split == "test") for name in names]]
    elif form.test_share:
        raise DatasetError(
            f"{about}: train and test are two places, and test_share would split each. Keep one of the two."
        )
    if not len(items):
        raise DatasetError(
            f"{about}: its {split} split is empty ({len(names)} items, test_share {form.test_share}). "
            f"Name two places with train and test, or split one with test_share."
        )
    return items
