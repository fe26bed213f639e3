"""The pairs of a place that holds files: how they are decoded, counted, and stood in for.

How an image is decoded is in `streams/pictures.py`, and on a device in `streams/decoding.py`.

An image that cannot be decoded, or is not there, is replaced by the next item of the same label
that can, its caption too, so what an index gives never depends on what was asked for before. A disk
that fails is no such image: that error is passed on.

Shapes: B pairs asked for, N items, P = `image_px` pixels.
"""

import errno
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from PIL import Image, ImageColor

from schema.checks.preprocessing import Preprocessing
from streams import EVERY, DatasetError
from streams.formats._decoded import DecodedAhead, Pixels
from streams.formats._labels import check_labels
from streams.formats._places import Form
from streams.formats._splits import Items, kept
from streams.formats._unused import Unused, first_names, printable
from streams.pictures import OPENAI, Colour, Crop, pixels

UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    NotImplementedError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
# So many unreadable items are never too many, however few were read.
TOLERATED = 10
# How many unreadable items an error names.
SHOWN = 20


class Readable(Protocol):
    """A source of pictures by number."""

    def read(self, item: int, /) -> bytes | Image.Image:
        """Return an encoded image, or one that is already decoded."""
        ...


class Source(Readable, Protocol):
    """The N items of a place, in an order that the disk has no say in."""

    @property
    def names(self) -> Sequence[str]:
        """Return what the items are called in messages; the split hashes it."""
        ...

    @property
    def labels(self) -> np.ndarray:
        """Return (N,) int64: index into the row's classes; -1 where there is none."""
        ...

    def read(self, item: int) -> bytes | Image.Image:
        """Return an encoded image, or one that is already decoded."""
        ...

    def texts(self, item: int) -> Sequence[str]:
        """Return every caption of an item, at least one, the first the one to measure on."""
        ...


class Unreadable:
    """The items of a split that cannot be read.

    Attributes:
        names: in the order they were met.
        reasons: why each cannot be read, by name.
    """

    def __init__(self, about: str, share: float) -> None:
        """`share`: how many of the items read may be unreadable; ten always may."""
        self.about, self.share = about, share
        self.names: list[str] = []
        self.reasons: dict[str, str] = {}

    def add(self, name: str, problem: object, seen: int) -> None:
        """Count an item, once; `seen`: how many distinct items were read so far.

        Raises:
            DatasetError: there are too many.
        """
        if name in self.reasons:
            return
        self.names.append(name)
        self.reasons[name] = str(problem) or type(problem).__name__
        allowed = max(TOLERATED, self.share * seen)
        if len(self.names) > allowed:
            raise DatasetError(f"{self.about}: {_too_many(self.names, seen, allowed, problem)}")


class Files(DecodedAhead):
    """The `Pairs` of a source: one split of it.

    Attributes:
        unreadable: the items met so far that cannot be read, and why.
        unused: what lies at the place, of whichever split, and is no pair.
        remarks: what is odd at the place and allowed, a sentence each.
    """

    def __init__(self, dataset: Mapping[str, Any], form: Form, split: str, source: Source) -> None:
        self.about = f"dataset {dataset['name']!r}"
        self.source, self.first_only = source, split == "test"
        self.unused: Unused = getattr(source, "unused", Unused())
        self.remarks: list[str] = getattr(source, "remarks", [])
        hashed = getattr(source, "shares", None)
        self.items = kept(self.about, form, split, source.names, self.unused, hashed)
        self.labels = _labels_of(source.labels, self.items)
        self.image_px = form.image_px
        self.background = colour_of(self.about, getattr(form, "background", ""))
        self.upright: bool = getattr(form, "upright", False)
        self.preprocessing: Preprocessing = dataset.get("preprocessing", OPENAI)
        self.unreadable = Unreadable(self.about, form.corrupt_share)
        # What was read, here or elsewhere; whether it is known whose image an index gives.
        self.read, self.known = np.zeros((2, len(self.items)), bool)
        self.instead: dict[int, int] = {}
        check_labels(self.about, len(dataset["classes"]), self.labels, self.name)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def corrupt(self) -> list[str]:
        """Return the names of the items that cannot be read, in the order they were met."""
        return self.unreadable.names

    @property
    def seen(self) -> int:
        """Return how many distinct items were read."""
        return int(self.read.sum())

    def name(self, index: int) -> str:
        """Return what the item is called, in words that can be printed."""
        return printable(str(self.source.names[int(self.items[index])]))

    def captions(
        self, indices: np.ndarray, rng: np.random.Generator, part: slice = EVERY
    ) -> list[str]:
        """Return one caption each, of the item whose image the index gives.

        The test split gives the first one. What is not of `part` is not read for it, and `rng` goes
        on as for all.
        """
        chances = rng.random(len(indices))
        captions = []
        for index, chance in zip(indices[part], chances[part], strict=True):
            if not self.known[index]:
                self._pixels(int(index), None, None)
            texts = self.source.texts(int(self.items[self.instead.get(int(index), index)]))
            captions.append(texts[0] if self.first_only else texts[int(chance * len(texts))])
        return captions

    def every_caption(self) -> list[list[str]]:
        """Return all captions of each item whose image is shown, the first one first.

        Called after `images`, which finds out whose image stands in for one that cannot be read.
        """
        shown = (self.instead.get(index, index) for index in range(len(self)))
        return [list(self.source.texts(int(self.items[place]))) for place in shown]

    def met(self, indices: np.ndarray, unreadable: Sequence[str]) -> None:
        """Count what another process read: items (B,), and the names of those it could not read.

        Raises:
            DatasetError: too many items cannot be decoded.
        """
        self.read[indices] = True
        for name in unreadable:
            self.unreadable.add(name, "read by a process that decodes ahead", self.seen)

    def _pixels(self, index: int, crop: Crop | None, image: Pixels | Exception | None) -> Pixels:
        """Return (3, P, P): the item's pixels, or those of the next readable one of its label.

        `image`: what it was decoded to already; None: Pillow decodes it now.
        """
        if image is None:
            image = self._decoded(index, crop)
        self._note(index, image)
        if not isinstance(image, Exception):
            return image
        # The next of the same label in the order of the split, whoever asks and whatever was asked.
        others = _next_alike(self.labels, index)
        for other in others:
            image = self._decoded(other, crop)
            self._note(other, image)
            if not isinstance(image, Exception):
                self.instead[index], self.known[index] = other, True
                return image
        raise DatasetError(
            f"{self.about}: none of the {len(others) + 1} images of label {self.labels[index]} can "
            f"be read: {image}"
        )

    def _decoded(self, index: int, crop: Crop | None, decode: Callable[..., Any] = pixels) -> Any:
        """Return (3, P, P), or why the image is unreadable. Changes nothing, as threads call it."""
        how = (self.image_px, crop, self.background, self.upright, self.preprocessing)
        return tried(self.source, int(self.items[index]), decode, how)

    def _note(self, index: int, image: Pixels | Exception) -> None:
        """Remember an item that was read; count it if it is met first and unreadable."""
        self.read[index] = True
        if isinstance(image, Exception):
            self.unreadable.add(self.name(index), image, self.seen)
        else:
            self.known[index] = True


def _labels_of(labels: np.ndarray, items: Items) -> np.ndarray:
    """Return (n,) int64: the labels of some items; one that stands for all stays one."""
    labels = np.asarray(labels, np.int64)
    if isinstance(items, range) and len(items) == len(labels):
        return labels
    if not any(labels.strides):
        return np.broadcast_to(labels[:1].reshape(()), (len(items),))
    chosen: np.ndarray = labels[np.asarray(items)]
    return chosen


def tried(source: Readable, item: int, decode: Callable[..., Any], how: Sequence[Any]) -> Any:
    """Return what an item's picture is decoded to, or why it is unreadable.

    `how`: the further arguments of `decode`.
    """
    try:
        return decode(source.read(item), *how)
    except UNREADABLE as problem:
        # An error of the disk, not of the image, has a number.
        if isinstance(problem, OSError) and problem.errno not in (None, errno.ENOENT):
            raise
        return problem


def _next_alike(labels: np.ndarray, index: int) -> list[int]:
    """Return the other items of the same label, from the next one on and round to the first."""
    alike = np.flatnonzero(labels == labels[index])
    others: list[int] = np.roll(alike, -int(np.searchsorted(alike, index)) - 1)[:-1].tolist()
    return others


def _too_many(corrupt: Sequence[str], seen: int, allowed: float, problem: object) -> str:
    """Return that too many images cannot be read, which ones, and what to do."""
    shown = first_names(corrupt, SHOWN)
    return (
        f"{len(corrupt)} of the {seen} images read so far cannot be read, and {allowed:.0f} may: "
        f"{shown} (the last one: {problem}). Fetch them again, or raise corrupt_share in the "
        "row's params."
    )


def colour_of(about: str, name: str) -> Colour | None:
    """Return the red, green and blue of a colour's name; None where none is named.

    Raises:
        DatasetError: no colour is called so.
    """
    if not name:
        return None
    try:
        return ImageColor.getrgb(name)[:3]
    except ValueError as problem:
        raise DatasetError(
            f"{about}: background {name!r} is no colour. Write a name such as white, or #ffffff"
        ) from problem
