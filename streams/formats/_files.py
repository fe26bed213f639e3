"""What the formats that read files share: where a dataset lies, how its items are split, decoded, and stood in for.

How an image is decoded is in `streams/pictures.py`, and on a device in `streams/decoding.py`.

An image that cannot be decoded, or is not there, is replaced by the next item of the same label that can, its caption too, so
what an index gives never depends on what was asked for before. A disk that fails is no such image: that error is passed on.

Shapes: B pairs asked for, N items, P = `image_px` pixels.
"""

import errno
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from streams import EVERY, DatasetError
from streams.formats._places import Form
from streams.formats._splits import kept
from streams.pictures import Crop, pixels

UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
TOLERATED = 10  # unreadable items that are never too many
Pixels = np.ndarray | Tensor


class Source(Protocol):
    """The N items of a place, in an order that the disk has no say in."""

    @property
    def names(self) -> Sequence[str]:
        """What the items are called in messages; the split hashes it."""
        ...

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64: index into the row's classes; -1 where there is none."""
        ...

    def read(self, item: int) -> bytes | Image.Image:
        """An encoded image, or one that is already decoded."""
        ...

    def texts(self, item: int) -> Sequence[str]:
        """Every caption of an item, at least one, the first the one to measure on."""
        ...


class Files:
    """The `Pairs` of a source: one split of it.

    `corrupt` lists the items met so far that cannot be read, in the order they were met.
    """

    def __init__(self, dataset: Mapping[str, Any], form: Form, split: str, source: Source) -> None:
        self.about = f"dataset {dataset['name']!r}"
        self.source, self.first_only = source, split == "test"
        self.items = kept(self.about, form, split, source.names)
        self.labels: np.ndarray = np.asarray(source.labels, np.int64)[self.items]
        self.image_px, self.share = form.image_px, form.corrupt_share
        self.corrupt: list[str] = []
        self.left_out: int = getattr(
            source, "left_out", 0
        )  # images at the place, of whichever split, that have no caption
        self.instead = np.full(
            len(self.items), -1, np.int64
        )  # whose image an index gives; -1: not read yet
        self.read: np.ndarray = np.zeros(
            len(self.items), bool
        )  # what was, here or by a process that decodes ahead
        classes = len(dataset["classes"])
        if classes and not (self.labels.min() >= -1 and self.labels.max() < classes):
            wrong = int(np.flatnonzero((self.labels < -1) | (self.labels >= classes))[0])
            said = f"{self.name(wrong)} has label {self.labels[wrong]}, and the row has {classes} classes"
            raise DatasetError(
                f"{self.about}: {said}. Labels run from 0 to {classes - 1}; name every class in the row."
            )

    def __len__(self) -> int:
        return len(self.items)

    @property
    def seen(self) -> int:
        """How many distinct items were read."""
        return int(self.read.sum())

    def name(self, index: int) -> str:
        """What the item is called, in words that can be printed."""
        return os.fsencode(str(self.source.names[int(self.items[index])])).decode(errors="replace")

    def images(self, indices: np.ndarray, crops: Sequence[Crop] | None = None) -> np.ndarray:
        """(B, 3, P, P) uint8, decoded by as many threads as torch has.

        Raises:
            DatasetError: too many items cannot be decoded.
        """
        made = np.empty((len(indices), 3, self.image_px, self.image_px), np.uint8)
        for place, image in enumerate(
            self.shown(indices, crops, self.opened(indices, crops, pixels))
        ):
            made[place] = image
        return made

    def opened(
        self, indices: np.ndarray, crops: Sequence[Crop] | None, decode: Callable[..., Any]
    ) -> Iterator[Any]:
        """What each item's file is decoded to, or why it is unreadable. Changes nothing: another process may do it."""
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            yield from threads.map(
                partial(self._decoded, decode=decode), indices.tolist(), crops or repeat(None)
            )

    def shown(
        self, indices: np.ndarray, crops: Sequence[Crop] | None, found: Iterable[Any]
    ) -> Iterator[Pixels]:
        """(3, P, P) of each item, `found` already, or another's instead. Raises as `images`."""
        for one, index, crop in zip(found, indices.tolist(), crops or repeat(None), strict=False):
            yield self._pixels(index, crop, one)

    def captions(
        self, indices: np.ndarray, rng: np.random.Generator, part: slice = EVERY
    ) -> list[str]:
        """One caption each, of the item whose image the index gives (what is not of `part` is not read for it); the first one in
        the test split."""
        chances = rng.random(len(indices))
        captions = []
        for index, chance in zip(indices[part], chances[part], strict=True):
            if self.instead[index] < 0:
                self._pixels(int(index), None, None)
            texts = self.source.texts(int(self.items[self.instead[index]]))
            captions.append(texts[0] if self.first_only else texts[int(chance * len(texts))])
        return captions

    def _pixels(self, index: int, crop: Crop | None, found: Pixels | Exception | None) -> Pixels:
        """(3, P, P): the item's own pixels (None: Pillow makes them), or where it has none, those of the next one of its label
        that can be read."""
        if found is None:
            found = self._decoded(index, crop)
        self._note(index, found)
        if not isinstance(found, Exception):
            return found
        alike = np.flatnonzero(self.labels == self.labels[index])
        for other in np.roll(alike, -int(np.searchsorted(alike, index)) - 1)[:-1].tolist():
            found = self._decoded(other, crop)
            self._note(other, found)
            if not isinstance(found, Exception):
                self.instead[index] = other
                return found
        raise DatasetError(
            f"{self.about}: none of the {len(alike)} images of label {self.labels[index]} can be read: {found}"
        )

    def _decoded(
        self, index: int, crop: Crop | None = None, decode: Callable[..., Any] = pixels
    ) -> Any:
        """(3, P, P), or why the image is unreadable. Changes nothing, so that threads may call it."""
        try:
            return decode(self.source.read(int(self.items[index])), self.image_px, crop)
        except UNREADABLE as problem:
            if isinstance(problem, OSError) and problem.errno not in (None, errno.ENOENT):
                raise  # the disk, not the image
            return problem

    def _note(self, index: int, found: Pixels | Exception) -> None:
        """Remember an item that was read; count it if it is met first and unreadable."""
        self.read[index] = True
        if isinstance(found, Exception):
            self._unreadable(self.name(index), found)
        elif self.instead[index] < 0:
            self.instead[index] = index

    def met(self, indices: np.ndarray, unreadable: Sequence[str]) -> None:
        """Count what another process read: items (B,), and the names of those that it met first and could not read.

        Raises:
            DatasetError: too many items cannot be decoded.
        """
        self.read[indices] = True
        for name in unreadable:
            self._unreadable(name, "read by a process that decodes ahead")

    def _unreadable(self, name: str, problem: object) -> None:
        if name in self.corrupt:
            return
        self.corrupt.append(name)
        allowed = max(TOLERATED, self.share * self.seen)
        if len(self.corrupt) > allowed:
            shown = ", ".join(self.corrupt[:20]) + (", ..." if len(self.corrupt) > 20 else "")
            raise DatasetError(
                f"{self.about}: {len(self.corrupt)} of the {self.seen} images read so far cannot be read, and {allowed:.0f} may: "
                f"{shown} (the last one: {problem}). Fetch them again, or raise corrupt_share in the row's params."
            )
