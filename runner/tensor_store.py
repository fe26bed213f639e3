"""Large tensors that several files of weights have in common, each kept once for the whole lab.

    runs/tensors/3f0c...                        a tensor's bytes, named by their sha256
    runs/000042/02/task-0003.deployed.safetensors
                                                a file of weights: the other tensors, and in its
                                                metadata which tensors lie in the store

Such a file stands for a whole one, which holds every tensor itself: the header of that is in the
metadata too, so that its digest can be told. Receipts have the digest of the whole file, wherever
its tensors lie. A file without these keys is whole as it is.

What lies in the store goes when no file names it (`runner.scheduler.tensor_collection`).
Standard library only; `runner.worker.tensor_files` writes these files and reads them as tensors.
"""

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from runner.records import DamagedFileError
from schema.files import fsync

TENSORS = "tensors"
# A smaller tensor stays in its file: it would fill a block of the disk by itself
LARGE_BYTES = 16 * 1024
# Keys of a file's metadata: the header of the whole file, and name -> sha256 of what is elsewhere
WHOLE, STORED = "weir_whole", "weir_stored"
# What a collection is about to remove has this behind its name
GOING = ".going"
# A header is a number of eight bytes, how long it is, and so much JSON; a larger one is none
PREFIX_BYTES, MOST_HEADER_BYTES = 8, 100_000_000
CHUNK_BYTES = 1 << 20
# The most damaged tensors of a file that a message names
SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Part:
    """One tensor of a file of weights: its bytes are in the file, or in the store."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    # Its name in the store; None: it is in the file, `start` bytes from the beginning
    sha256: str | None
    start: int = 0


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the tensors of a file of weights lie, in the order of the whole file."""

    path: Path
    # The first bytes of the whole file, up to its first tensor
    header: bytes
    parts: tuple[Part, ...]

    @property
    def stored(self) -> dict[str, Part]:
        """Return the tensors that lie in the store, by their names in the file."""
        return {part.name: part for part in self.parts if part.sha256 is not None}


def folder_of(path: Path) -> Path:
    """Return the store of the lab that a file of weights lies in: `runs` is three folders up."""
    return path.absolute().parents[2] / TENSORS


def read_header(path: Path) -> dict[str, Any] | None:
    """Return the JSON that a safetensors file begins with; None: it is no such file.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    with path.open("rb") as file:
        return _header(file)


def layout(path: Path) -> Layout | None:
    """Return where the tensors of a file lie; None: it is whole, or it is no file of weights.

    Raises:
        OSError: it is not there, or cannot be read.
        DamagedFileError: it names tensors of the store, and not as it was written.
    """
    header = read_header(path)
    metadata = (header or {}).get("__metadata__")
    if header is None or not isinstance(metadata, dict) or STORED not in metadata:
        return None
    try:
        stored, whole_text = json.loads(metadata[STORED]), metadata[WHOLE]
        begin = PREFIX_BYTES + _header_bytes(path)
        parts = []
        for name, entry in _in_order(json.loads(whole_text)):
            first, last = entry["data_offsets"]
            start = 0 if name in stored else begin + header[name]["data_offsets"][0]
            part = Part(
                name=name,
                dtype=entry["dtype"],
                shape=tuple(entry["shape"]),
                size=last - first,
                sha256=stored.get(name),
                start=start,
            )
            parts.append(part)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedFileError(path, "does not say which tensors lie in the store") from error
    text = whole_text.encode()
    prefix = len(text).to_bytes(PREFIX_BYTES, "little")
    return Layout(path=path, header=prefix + text, parts=tuple(parts))


def digest(path: Path) -> str:
    """Return the sha256 of a file; of one with tensors in the store, that of the whole file.

    Raises:
        OSError: the file or one of its tensors is not there, or cannot be read.
        DamagedFileError: it names tensors of the store, and not as it was written.
    """
    where = layout(path) if path.suffix == ".safetensors" else None
    if where is None:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    sums = hashlib.sha256(where.header)
    with path.open("rb") as own:
        for part in where.parts:
            if part.sha256 is None:
                own.seek(part.start)
                _add(sums, own, part.size)
            else:
                with opened(folder_of(path), part.sha256) as file:
                    _add(sums, file, part.size)
    return sums.hexdigest()


@contextlib.contextmanager
def opened(store: Path, sha256: str) -> Iterator[BufferedReader]:
    """Open a tensor of the store.

    Raises:
        FileNotFoundError: it is not there.
    """
    # A collection renames before it looks a last time, and names it again where that was wrong
    for name in (sha256, f"{sha256}{GOING}"):
        with contextlib.suppress(FileNotFoundError):
            file = (store / name).open("rb")
            break
    else:
        file = (store / sha256).open("rb")
    with file:
        yield file


def named_by(path: Path) -> set[str]:
    """Return the names in the store of the tensors that a file of weights needs.

    Raises:
        OSError, DamagedFileError: as `layout`.
    """
    where = layout(path)
    return {part.sha256 for part in where.parts if part.sha256} if where is not None else set()


def present(runs: Path) -> dict[str, int]:
    """Return name -> bytes of every tensor of the store that lies at its place."""
    sizes = {}
    with contextlib.suppress(FileNotFoundError), os.scandir(runs / TENSORS) as entries:
        for entry in entries:
            # What is written aside begins with a dot, and what goes ends with a word
            if "." not in entry.name:
                with contextlib.suppress(FileNotFoundError):
                    sizes[entry.name] = entry.stat().st_size
    return sizes


def is_there(path: Path, sizes: Mapping[str, int]) -> bool:
    """Return whether a file of weights is there with all that it names, by names and sizes alone.

    sizes: what lies in the store, as `present` returns it.
    """
    try:
        where = layout(path)
    except (OSError, DamagedFileError):
        return False
    parts = where.stored.values() if where is not None else ()
    return all(sizes.get(str(part.sha256)) == part.size for part in parts)


def damages(path: Path) -> list[str]:
    """Return what is said of the tensors of a file that are not in the store as they were written.

    A sentence for each of the first SHOWN, without a full stop, and one that counts the others.
    """
    try:
        where = layout(path)
    except (OSError, DamagedFileError):
        return []
    store, sentences = folder_of(path), []
    for name, part in sorted(where.stored.items() if where is not None else ()):
        reason = _damage(store, str(part.sha256))
        if reason:
            sentences.append(f"its tensor {name!r} {reason} ({store / str(part.sha256)})")
    others = len(sentences) - SHOWN
    if others > 0:
        sentences[SHOWN:] = [f"so are {others} other tensors of it"]
    return sentences


def is_whole(store: Path, sha256: str) -> bool:
    """Return whether a tensor lies at its place in the store as its name says."""
    try:
        with (store / sha256).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False


def put(store: Path, sha256: str, content: bytes | memoryview) -> None:
    """Put a tensor into the store, whole or not at all, where it is not there as it was written.

    One that is there counts as used now. One that is damaged is mended.
    """
    place = store / sha256
    if is_whole(store, sha256):
        # The file may be another user's
        with contextlib.suppress(OSError):
            os.utime(place)
        return
    # Two machines may write the same at the same time
    aside = store / f".{sha256}.{uuid.uuid4().hex}"
    try:
        aside.write_bytes(content)
        fsync(aside)
        aside.replace(place)
        fsync(store)
    finally:
        aside.unlink(missing_ok=True)


def _damage(store: Path, sha256: str) -> str:
    """Return what is wrong with a tensor of the store, in words; "" where nothing is."""
    try:
        with opened(store, sha256) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return "is missing from the store"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return "" if found == sha256 else "is no longer as it was written"


def _header(file: BufferedReader) -> dict[str, Any] | None:
    """Return the JSON at the beginning of an open safetensors file; None: it is none."""
    size = int.from_bytes(file.read(PREFIX_BYTES), "little")
    if not 0 < size <= MOST_HEADER_BYTES:
        return None
    try:
        header = json.loads(file.read(size))
    except (ValueError, RecursionError):
        return None
    return header if isinstance(header, dict) else None


def _header_bytes(path: Path) -> int:
    """Return how long the JSON at the beginning of a safetensors file is."""
    with path.open("rb") as file:
        return int.from_bytes(file.read(PREFIX_BYTES), "little")


def _in_order(header: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the tensors of a header in the order in which their bytes lie."""
    entries = [(name, entry) for name, entry in header.items() if name != "__metadata__"]
    entries.sort(key=lambda item: item[1]["data_offsets"][0])
    return entries


def _add(sums: Any, file: BufferedReader, size: int) -> None:
    """Add so many bytes of a file to a digest; a file that is too short changes it all the same."""
    while size > 0:
        chunk = file.read(min(size, CHUNK_BYTES))
        if not chunk:
            break
        sums.update(chunk)
        size -= len(chunk)
