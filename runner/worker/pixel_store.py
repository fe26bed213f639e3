"""Decoded pictures on the disk of the lab, known by what was decoded: each is decoded once.

    store/decoded/7c1f.../              what was decoded by one version of what decodes, to one size
        9e02.../keys.npy                (n, 16) uint8: which pictures, by content
                sums.npy                (n,) uint32: crc32 of the pixels of each
                pixels                  n times (3, P, P) uint8

A picture is known by the sha of its file and of how it is prepared, so a file that has changed is
another picture. A folder is written aside and moved into place when a test set has been passed
over: it is whole, or it is not there. Deleting any of it is always safe.
"""

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image, features

from runner.run_files import Assignment
from runner.worker.shared_store import ASIDE, Shelf
from schema.checks.preprocessing import Preprocessing
from schema.files import fsync
from schema.spec import canonical
from streams.formats._disk import DAMAGES, span
from streams.pictures import OPENAI, Colour, Crop, pixels

# The version of what is written here, and of how `streams.pictures` decodes
VERSION = 1
KEY_BYTES = 16
# What the two tables of a folder have beside their rows, at most
HEADERS_BYTES = 1024
# What is left free of the disk
FREE_BYTES = 2 * 2**30

log = logging.getLogger(__name__)


class PixelStore:
    """The decoded pictures of one size, as one process uses them."""

    def __init__(self, shelf: Shelf, image_px: int, budget_bytes: int) -> None:
        """`shelf` is a folder of the store; of all that it holds, `budget_bytes` stay."""
        self.image_px, self.budget_bytes = image_px, budget_bytes
        self.shelf = shelf
        self.own = shelf.part(_versions(image_px))
        self.row_bytes = 3 * image_px * image_px
        # With its key and its sum
        self.cost_bytes = self.row_bytes + KEY_BYTES + 4
        # Threads decode several pictures at once
        self.lock = threading.Lock()
        self.packs: dict[str, _Pack] = {}
        self.writing: _Writing | None = None
        # What may be written before the next call of `publish`
        self.room_bytes = 0
        # Set when nothing more is to be written, as the disk or the budget is full
        self.full = False
        self.look()

    def look(self) -> None:
        """Know what lies in the store now; what cannot be read is left alone."""
        assert self.own.folder is not None
        for name in self.own.names():
            if name not in self.packs:
                with contextlib.suppress(*DAMAGES):
                    self.packs[name] = _Pack(self.own.folder / name, self.row_bytes)

    def pixels(
        self,
        picture: bytes | Image.Image,
        image_px: int,
        crop: Crop | None = None,
        background: Colour | None = None,
        upright: bool = False,
        preprocessing: Preprocessing = OPENAI,
    ) -> np.ndarray:
        """Return what `streams.pictures.pixels` returns, from the disk where it is there already.

        Raises:
            OSError, ValueError, and others: it cannot be decoded.
        """
        how: Any = (crop, background, upright, preprocessing)
        if not isinstance(picture, bytes) or crop is not None or image_px != self.image_px:
            return pixels(picture, image_px, *how)
        content = hashlib.blake2b(repr(how).encode(), digest_size=KEY_BYTES)
        content.update(picture)
        key = content.digest()
        for pack in self.packs.values():
            image = pack.read(key)
            if image is not None:
                return image.reshape(3, image_px, image_px)
        image = pixels(picture, image_px, *how)
        self._write(key, np.ascontiguousarray(image))
        return image

    def _write(self, key: bytes, image: np.ndarray) -> None:
        """Keep a picture that was decoded. Only others gain by it, so a full disk ends nothing."""
        with self.lock:
            if self.full or (self.writing is not None and key in self.writing.rows):
                return
            try:
                if self.writing is None:
                    self.writing = self._begun()
                self.writing.add(key, image)
                self.full = self.writing.bytes + self.cost_bytes > self.room_bytes
            except OSError as error:
                log.info("no more decoded images are kept: %s", error)
                self.full = True

    def _begun(self) -> "_Writing":
        """Return a new folder aside.

        Raises:
            OSError: nothing can be written, or the disk is nearly full.
        """
        folder = self.own.folder
        assert folder is not None
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        # What this suite has read already stays: it would be wanted again before what is new
        used = sum(pack.bytes for pack in self.packs.values() if pack.used)
        # The disk may be everybody's: a half of what is free is left to others
        self.room_bytes = min(self.budget_bytes - used, (free - FREE_BYTES) // 2)
        if self.room_bytes < HEADERS_BYTES + self.cost_bytes:
            raise OSError(f"{folder} is full ({self.budget_bytes / 1e9:.1f} GB may lie there)")
        return _Writing(Path(tempfile.mkdtemp(dir=folder, prefix=ASIDE)))

    def publish(self) -> None:
        """Move what was decoded since the last call into place, for other processes and trials."""
        with self.lock:
            writing, self.writing = self.writing, None
        if writing is None:
            return
        assert self.own.folder is not None
        try:
            writing.close(self.own.folder)
            # Those that were used last stay
            self.shelf.keep(self.budget_bytes)
        except OSError as error:
            log.warning("decoded images are not kept: %s", error)
        finally:
            shutil.rmtree(writing.folder, ignore_errors=True)
        self.look()


def open_pixels(assignment: Assignment, image_px: int) -> PixelStore | None:
    """Return where an attempt finds and leaves decoded pictures; None: nowhere."""
    if not assignment.store or not assignment.decoded_gb:
        return None
    shelf = Shelf(Path(assignment.store) / "decoded", assignment)
    return PixelStore(shelf, image_px, int(assignment.decoded_gb * 1e9))


class _Pack:
    """A folder of decoded pictures that lies in place."""

    def __init__(self, folder: Path, row_bytes: int) -> None:
        """Read the tables.

        Raises:
            `DAMAGES`: they are not there, or not as they were written.
        """
        self.folder, self.row_bytes = folder, row_bytes
        self.keys: np.ndarray = np.load(folder / "keys.npy")
        self.sums: np.ndarray = np.load(folder / "sums.npy")
        count = len(self.keys)
        tables = (self.keys.shape, self.keys.dtype, self.sums.shape, self.sums.dtype)
        if tables != ((count, KEY_BYTES), np.uint8, (count,), np.uint32):
            raise ValueError(f"the tables of {folder} are not as they were written")
        # (n,) uint64, sorted: the first half of each key, and whose it is
        halves = self.keys[:, :8].copy().view(np.uint64)[:, 0]
        self.order: np.ndarray = np.argsort(halves, kind="stable")
        self.halves: np.ndarray = halves[self.order]
        self.file = folder / "pixels"
        # Whether this process has read a picture here
        self.used = False

    def read(self, key: bytes) -> np.ndarray | None:
        """Return the pixels of a picture; None: it is not here, or not as it was written."""
        half = np.frombuffer(key[:8], np.uint64)[0]
        place = int(np.searchsorted(self.halves, half))
        if place == len(self.halves) or self.halves[place] != half:
            return None
        row = int(self.order[place])
        if self.keys[row].tobytes() != key:
            return None
        # Read, not mapped: mapped pages would count as this process's memory
        try:
            content = span(self.file, row * self.row_bytes, self.row_bytes)
        # Another trial needed the room
        except OSError:
            return None
        if len(content) != self.row_bytes or zlib.crc32(content) != self.sums[row]:
            return None
        self._note_use()
        return np.frombuffer(content, np.uint8)

    @property
    def bytes(self) -> int:
        """Return how many bytes the pictures take."""
        return len(self.keys) * self.row_bytes

    def _note_use(self) -> None:
        """Have the folder's time say when it was used last; it may be another user's, or gone."""
        if not self.used:
            self.used = True
            with contextlib.suppress(OSError):
                os.utime(self.folder)


class _Writing:
    """A folder of decoded pictures that is being written."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self.folder = folder
        self.file = folder / "pixels"
        # By key, the crc32 of the pixels, in the order of the rows
        self.rows: dict[bytes, int] = {}
        # What the folder will take on the disk
        self.bytes = HEADERS_BYTES

    def add(self, key: bytes, image: np.ndarray) -> None:
        """Write a picture behind the others."""
        with self.file.open("ab") as file:
            file.write(image.data)
        self.rows[key] = zlib.crc32(image.data)
        self.bytes += image.nbytes + KEY_BYTES + 4

    def close(self, folder: Path) -> None:
        """Move the folder into place below `folder`, under a name that its pictures give it."""
        keys = b"".join(self.rows)
        table = np.frombuffer(keys, np.uint8).reshape(-1, KEY_BYTES)
        np.save(self.folder / "keys.npy", table)
        np.save(self.folder / "sums.npy", np.array(list(self.rows.values()), np.uint32))
        # Threads write in any order, so the name is that of the set
        name = hashlib.sha256(b"".join(sorted(self.rows))).hexdigest()[:32]
        for written in self.folder.iterdir():
            fsync(written)
        try:
            self.folder.rename(folder / name)
            fsync(folder)
        # Another process that was quicker wrote the same
        except OSError:
            if not (folder / name).exists():
                raise


def _versions(image_px: int) -> str:
    """Return 32 hex digits that change with what decodes, and with the size."""
    codecs = {}
    for codec in ("jpg", "jpg_2000", "webp", "zlib", "libtiff", "avif"):
        codecs[codec] = features.version(codec)
    about = {"version": VERSION, "pillow": PIL.__version__, "codecs": codecs, "px": image_px}
    return hashlib.sha256(canonical(about).encode()).hexdigest()[:32]
