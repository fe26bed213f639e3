"""What the formats that read files share: where a dataset lies, how its items are split, decoded, and stood in for.

How an image is decoded is in `streams/pictures.py`, and on a device in `streams/decoding.py`.

An image that cannot be decoded, or is not there, is replaced by the next item of the same label that can, its caption too, so
what an index gives never depends on what was asked for before. A disk that fails is no such image: that error is passed on.

Shapes: B pairs asked for, N items, P = `image_px` pixels.
"""

import errno
import hashlib
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from schema.files import fsync
from streams import EVERY, DatasetError
from streams.pictures import Crop, pixels

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff")
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
TEMPLATE = "a photo of a {}"  # of a row that has no templates
Arrays = dict[str, np.ndarray]
Pixels = np.ndarray | Tensor


class Form(Protocol):
    """The params that every format of files has."""

    @property
    def train(self) -> Any:
        """Where the training pairs are, as the format says it."""
        ...

    @property
    def test(self) -> Any:
        """Where the test pairs are; the same place as `train`: `test_share` splits it."""
        ...

    @property
    def test_share(self) -> float:
        """Share of the items that are test pairs, by a hash of the item's name."""
        ...

    @property
    def image_px(self) -> int:
        """Side of the square, in pixels."""
        ...

    @property
    def corrupt_share(self) -> float:
        """Share of the items read that may be unreadable; ten always may."""
        ...


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
        self.items = _kept(self.about, form, split, source.names)
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

    def every_caption(self) -> list[list[str]]:
        """Return all captions of each item whose image is shown, the first one first.

        Called after `images`, which finds out which items cannot be read and show another's instead.
        """
        shown = np.where(self.instead < 0, np.arange(len(self.instead)), self.instead)
        return [list(self.source.texts(int(self.items[place]))) for place in shown]

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


def place(dataset: Mapping[str, Any], data: Path, wanted: str) -> Path:
    """Where the row says the dataset lies; `wanted` says what should be there.

    Raises:
        DatasetError: no location, an address, or nothing there.
    """
    about, location = f"dataset {dataset['name']!r}", dataset.get("location")
    if not location:
        raise DatasetError(
            f"{about}: format {dataset['format']} needs a `location` that contains {wanted}"
        )
    if "://" in location:
        raise DatasetError(
            f"{about}: location {location!r} is an address, and nothing is downloaded. Fetch it, and name the folder."
        )
    return there(about, data / location, wanted)


def there(about: str, path: Path, wanted: str) -> Path:
    """The path, if it exists.

    Raises:
        DatasetError: it does not.
    """
    if path.exists():
        return path
    raise DatasetError(
        f"{about}: there is no {path}; it should contain {wanted}. (Relative locations start at the data folder.)"
    )


def part(form: Form, split: str) -> Any:
    """Where the form says that a split is."""
    return form.train if split == "train" else form.test


def matching(about: str, folder: Path, said: str, suffix: str) -> list[Path]:
    """The files that a sub-location means, sorted: a file, a folder's with the suffix, or a pattern (`data/train-*.parquet`).

    Raises:
        DatasetError: there are none.
    """
    if any(sign in said for sign in "*?["):
        found = [path for path in folder.glob(said) if path.is_file()]
    elif (folder / said).is_file():
        found = [folder / said]
    else:
        found = [
            path for path in (folder / said).rglob(f"*{suffix}") if not path.name.startswith(".")
        ]
    if not found:
        raise DatasetError(
            f"{about}: there are no {suffix} files at {folder / said}. Say where with location, train and test."
        )
    return sorted(found)


def told(
    about: str, labels: Sequence[Any], classes: Sequence[str], named: Sequence[str] = ()
) -> np.ndarray:
    """(N,) int64: labels that are numbers as they are, None as -1, and names by their place among the classes.

    `named`: what the numbers mean where the files say so. Where the row names the same classes in another order, that one counts.

    Raises:
        DatasetError: a name that is no class, or what is neither a name nor a number.
    """
    number = {name: place for place, name in enumerate(classes)}
    moved = [number[name] for name in named] if sorted(named) == sorted(classes) else []
    found = []
    for label in labels:
        if isinstance(label, str) and label not in number:
            raise DatasetError(
                f"{about}: label {label!r} is not among the row's classes: {', '.join(classes)}"
            )
        if not (
            label is None
            or isinstance(label, str)
            or (isinstance(label, int | float) and label == int(label))
        ):
            raise DatasetError(
                f"{about}: label {label!r} is neither the name of a class nor its number"
            )
        place = -1 if label is None else number[label] if isinstance(label, str) else int(label)
        found.append(
            moved[place] if 0 <= place < len(moved) and not isinstance(label, str) else place
        )
    return np.array(found, np.int64)


def by_label(
    dataset: Mapping[str, Any], classes: Sequence[str], labels: np.ndarray
) -> list[list[str]]:
    """The captions of each label: every template of the row with the class name; labels (N,).

    Raises:
        DatasetError: a label without a class.
    """
    for label in np.unique(labels).tolist():
        if not 0 <= label < len(classes):
            said = f"captions from templates need a class for every label, and {label} has none of the {len(classes)}"
            raise DatasetError(
                f"dataset {dataset['name']!r}: {said}. Name every class in the row, or take captions from elsewhere."
            )
    return [
        [template.replace("{}", name) for template in dataset["templates"] or [TEMPLATE]]
        for name in classes
    ]


def cached(folder: Path, file: Path, more: str, build: Callable[[], Arrays]) -> Arrays:
    """What `build` finds in a file, kept in `folder` until the file changes; `more` is what else it depends on."""
    about = file.stat()
    key = hashlib.sha256(
        f"{file.absolute()} {about.st_size} {about.st_mtime_ns} {more}".encode()
    ).hexdigest()[:16]
    kept = folder / f"{file.stem}-{key}.npz"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f".aside-{uuid4().hex}"
        with aside.open("wb") as out:
            np.savez(out, **build())  # type: ignore[arg-type]
            out.flush()
            os.fsync(out.fileno())
        aside.replace(kept)
        fsync(folder)
    with np.load(kept) as arrays:
        return dict(arrays)


def span(file: Path, offset: int, size: int) -> bytes:
    """`size` bytes of a file."""
    with file.open("rb") as opened:
        opened.seek(offset)
        return opened.read(size)


def share_of(name: str) -> float:
    """A number in [0, 1) that only the name decides."""
    return int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:7]) / 2**56


def _kept(about: str, form: Form, split: str, names: Sequence[str]) -> np.ndarray:
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
