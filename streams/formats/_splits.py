"""Which items of a place are in which split."""

import hashlib
import os
from collections.abc import Sequence

import numpy as np

from streams import DatasetError
from streams.formats._places import Form
from streams.formats._unused import Unused
from streams.pictures import SUFFIXES


def share_of(name: str) -> float:
    """Return a number in [0, 1) that only the name decides."""
    return int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:7]) / 2**56


def kept(about: str, form: Form, split: str, names: Sequence[str], unused: Unused) -> np.ndarray:
    """Return (n,) ascending: which of the items of a place are in a split.

    Raises:
        DatasetError: a share that is none, a split that is empty, or a place that holds no pairs.
    """
    shares = (form.test_share, form.corrupt_share)
    if not all(0 <= share <= 1 for share in shares) or form.image_px <= 0:
        raise DatasetError(
            f"{about}: test_share={form.test_share}, corrupt_share={form.corrupt_share}, "
            f"image_px={form.image_px}; shares lie between 0 and 1, and image_px is above 0"
        )
    if not len(names):
        beside = "; ".join(["", *unused.lines()])
        raise DatasetError(
            f"{about}: no pairs were found for its {split} split: no images "
            f"({', '.join(SUFFIXES)}), or none with a caption{beside}. See what is at its location, "
            "and what the row's params say of it."
        )
    items = np.arange(len(names))
    if form.train == form.test:
        is_test = np.array([share_of(name) < form.test_share for name in names])
        items = items[is_test == (split == "test")]
    elif form.test_share:
        raise DatasetError(
            f"{about}: train and test are two places, and test_share would split each. Keep one of "
            "the two."
        )
    if not len(items):
        raise DatasetError(
            f"{about}: its {split} split is empty ({len(names)} items, test_share "
            f"{form.test_share}). Name two places with train and test, or split one with test_share."
        )
    return items
