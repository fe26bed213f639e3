"""Arrays derived from a file and cached until it changes, and parts of files read by seek."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4
from zipfile import BadZipFile

import numpy as np

from schema.files import fsync

Arrays = dict[str, np.ndarray]
# The errors of reading a cached file that is missing or damaged
DAMAGES = (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, BadZipFile)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a lock that only one process of this machine has at a time; others wait for it.

    On a file system without locks nothing waits, and the same work may be done twice.
    """
    with file.open("ab") as lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def trying(file: Path) -> Iterator[bool]:
    """Take the same lock if it is free; yields whether it was taken."""
    with file.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        except BlockingIOError:
            held = False
        # As in `locked`, without file locks the work may be done twice
        except OSError:
            held = True
        yield held


def version_of(file: Path, more: str) -> str:
    """Return 16 hex digits that change with a file's path, size and time, and with `more`."""
    about = file.stat()
    words = f"{file.absolute()} {about.st_size} {about.st_mtime_ns} {more}"
    return hashlib.sha256(words.encode(errors="surrogateescape")).hexdigest()[:16]


def cached(folder: Path, file: Path, more: str, build: Callable[[], Arrays]) -> Arrays:
    """Return the arrays that `build` derives from a file, cached in `folder` until it changes.

    `more` names what else the arrays depend on. A damaged cache is rebuilt.
    """
    derived = folder / f"{file.stem}-{version_of(file, more)}.npz"
    # A zip file has a checksum of each member, so damage is noticed
    with suppress(*DAMAGES):
        return _read(derived)
    # Built before anything is written, so that an error leaves no file behind
    arrays = build()
    folder.mkdir(parents=True, exist_ok=True)
    # Written to a temporary file, flushed, then moved, so that a reader sees a whole file or none.
    aside = folder / f".aside-{uuid4().hex}"
    with aside.open("wb") as out:
        np.savez(out, **arrays)  # type: ignore[arg-type]
        out.flush()
        os.fsync(out.fileno())
    aside.replace(derived)
    fsync(folder)
    return _read(derived)


def _read(file: Path) -> Arrays:
    # Opened here, as numpy leaves a file open that it cannot read
    with file.open("rb") as opened, np.load(opened) as arrays:
        return dict(arrays)


def span(file: Path, offset: int, size: int) -> bytes:
    """Return `size` bytes of a file, from an offset."""
    with file.open("rb") as opened:
        opened.seek(offset)
        return opened.read(size)


def saved(file: Path, array: np.ndarray) -> None:
    """Write an array to a temporary file and move it into place."""
    aside = file.parent / f".aside-{uuid4().hex}"
    with aside.open("wb") as out:
        np.save(out, array)
        out.flush()
        os.fsync(out.fileno())
    aside.replace(file)
    fsync(file.parent)
