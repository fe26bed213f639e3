"""What is derived from a file and kept beside the data until the file changes, and parts of files read by seek."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np

from schema.files import fsync

Arrays = dict[str, np.ndarray]


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
