"""The split of a dataset's items into training and test items."""

import hashlib
import os
from collections.abc import Callable, Sequence

import numpy as np

from streams import DatasetError
from streams.formats._places import Form
from streams.formats._unused import Unused
from streams.pictures import SUFFIXES

# Indices of items: an array, or a range where it is all of them.
Items = np.ndarray | range


def share_of(name: str) -> float:
    """Return a number in [0, 1) that depends only on the name."""
    return int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:7]) / 2**56


def kept(
    about: str,
    form: Form,
    split: str,
    names: Sequence[str],
    unused: Unused,
    shares: Callable[[], np.ndarray] | None = None,
) -> Items:
    """Return the ascending indices of the items in a split, (n,), or a range of all.

    `shares` returns `share_of` each name, where these are known already.

    Raises:
        DatasetError: an invalid share, an empty split, or a location without pairs.
    """
    _check_numbers(about, form)
    if not len(names):
        beside = "; ".join(["", *unused.lines()])
        raise DatasetError(
            f"{about}: no pairs were found for its {split} split: no images "
            f"({', '.join(SUFFIXES)}), or none with a caption{beside}. See what is at its "
            "location, "
            "and what the row's params say of it."
        )
    items: Items = range(len(names))
    if form.train == form.test and 0 < form.test_share < 1:
        each = shares() if shares is not None else np.array([share_of(name) for name in names])
        items = np.flatnonzero((each < form.test_share) == (split == "test"))
    elif form.train == form.test:
        # Names are not hashed where one split has all items
        items = items if (form.test_share == 1) == (split == "test") else range(0)
    elif form.test_share:
        raise DatasetError(
            f"{about}: train and test are two places, and test_share would split each. Keep one of "
            "the two."
        )
    if not len(items):
        raise DatasetError(
            f"{about}: its {split} split is empty ({len(names)} items, test_share "
            f"{form.test_share}). Name two places with train and test, or split one with "
            "test_share."
        )
    return items


def _check_numbers(about: str, form: Form) -> None:
    """Check that shares lie between 0 and 1, and that the image size is above 0."""
    fractions = (form.test_share, form.corrupt_share)
    if not all(0 <= share <= 1 for share in fractions) or form.image_px <= 0:
        raise DatasetError(
            f"{about}: test_share={form.test_share}, corrupt_share={form.corrupt_share}, "
            f"image_px={form.image_px}; shares lie between 0 and 1, and image_px is above 0"
        )
