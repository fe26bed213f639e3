"""The encoded images of Parquet files, row by row: where they lie, or of a copy.

A Parquet file can only be read by whole row groups. A test split is measured in the order of its
rows, so it is read where it lies, and each row group once. Training pairs come in any order, so the
images of each file are copied once into one file under the data folder, and read from there by
seek.
"""

import logging
import shutil
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schema.files import fsync
from streams import DatasetError
from streams.formats._disk import span, version_of

# How many rows are read at once while images are copied.
ROWS = 64
GB = 1e9
# How many row groups are held, so that a batch may reach from one into the next; and the most bytes
# of images that one of them may have.
HELD, MOST_BYTES = 2, 1 << 28

log = logging.getLogger(__name__)


class Images(Protocol):
    """The interface of the images of files, by the numbers of a file and of a row in it."""

    def read(self, file: int, row: int) -> bytes:
        """Return an encoded image; empty where the cell has none."""
        ...

    def size(self, file: int, row: int) -> int:
        """Return the size of an encoded image, in bytes."""
        ...


def images_of(
    about: str, files: Sequence[Path], column: str, split: str, cache: Path
) -> "CopiedImages | GroupImages":
    """Return the images of a split, copied to `cache` where they are read in any order.

    Raises:
        DatasetError: the copy does not fit on the disk.
    """
    if split == "test" and _largest(files, column) <= MOST_BYTES:
        return GroupImages(files, column)
    return CopiedImages(about, files, column, cache)


class CopiedImages:
    """Images of a copy, of which any is one seek away."""

    def __init__(self, about: str, files: Sequence[Path], column: str, cache: Path) -> None:
        """Copy the images of files that are not copied yet.

        Raises:
            DatasetError: they do not fit on the disk.
        """
        _announce_copies(about, files, column, cache)
        folders = [_copied(file, column, cache) for file in files]
        self.copies = [folder / "images" for folder in folders]
        # By file: (rows, 2) int64, offset and size in bytes
        self.spans: list[np.ndarray] = [np.load(folder / "spans.npy") for folder in folders]

    def read(self, file: int, row: int) -> bytes:
        """Return an encoded image."""
        return span(self.copies[file], *self.spans[file][row].tolist())

    def size(self, file: int, row: int) -> int:
        """Return the size of an encoded image, in bytes."""
        return int(self.spans[file][row, 1])


class GroupImages:
    """Images where they lie; the row groups that were read last are held."""

    def __init__(self, files: Sequence[Path], column: str) -> None:
        self.files, self.column = list(files), column
        # By file: the number of the first row of each row group, and the end
        self.firsts: list[np.ndarray] = []
        for file in files:
            footer = pq.read_metadata(file)
            rows = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
            self.firsts.append(np.cumsum([0, *rows], dtype=np.int64))
        self._forget()

    def _forget(self) -> None:
        """Hold no row group, as in a new process."""
        self.held: OrderedDict[tuple[int, int], pa.ChunkedArray] = OrderedDict()
        self.lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another process, which reads its own row groups."""
        return {"files": self.files, "column": self.column, "firsts": self.firsts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.files, self.column, self.firsts = state["files"], state["column"], state["firsts"]
        self._forget()

    def read(self, file: int, row: int) -> bytes:
        """Return an encoded image; threads that want the same row group wait for one read."""
        group = int(np.searchsorted(self.firsts[file], row, side="right")) - 1
        with self.lock:
            cells = self._group(file, group)
        return image_in(cells[row - int(self.firsts[file][group])].as_py())

    def size(self, file: int, row: int) -> int:
        """Return the size of an encoded image, in bytes."""
        return len(self.read(file, row))

    def _group(self, file: int, group: int) -> pa.ChunkedArray:
        """Return the images of a row group."""
        cells = self.held.pop((file, group), None)
        if cells is None:
            with pq.ParquetFile(self.files[file]) as opened:
                table = opened.read_row_group(group, columns=[self.column])
            cells = table.column(0)
        self.held[file, group] = cells
        while len(self.held) > HELD:
            self.held.popitem(last=False)
        return cells


def image_in(cell: Any) -> bytes:
    """Return the bytes in a cell of an image column; empty where it has none."""
    image = cell.get("bytes") if isinstance(cell, dict) else cell
    return image or b""


def _largest(files: Sequence[Path], column: str) -> int:
    """Return how many bytes the images of the largest row group take."""
    largest = 0
    for file in files:
        footer = pq.read_metadata(file)
        for group in range(footer.num_row_groups):
            largest = max(largest, _image_bytes(footer.row_group(group), column))
    return largest


def _announce_copies(about: str, files: Sequence[Path], column: str, cache: Path) -> None:
    """Log how many bytes of images will be copied, and how to avoid it, if any will.

    Raises:
        DatasetError: they do not fit on the disk.
    """
    missing = [file for file in files if not _folder(file, column, cache).exists()]
    needed_bytes = 0
    for file in missing:
        footer = pq.read_metadata(file)
        for group in range(footer.num_row_groups):
            needed_bytes += _image_bytes(footer.row_group(group), column)
    if not needed_bytes:
        return
    cache.mkdir(parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(cache).free
    text = (
        f"{about}: the images of {len(missing)} Parquet files, {needed_bytes / GB:.3g} GB, are "
        f"copied to {cache} once"
    )
    instead = "With lanes in the row's params training images are read where they lie"
    if needed_bytes > free_bytes:
        raise DatasetError(
            f"{text}, which has room for {free_bytes / GB:.3g} GB. {instead}; or name a data "
            "folder on a larger disk."
        )
    log.warning("%s, as any row may follow any other. %s.", text, instead)


def _image_bytes(group: pq.RowGroupMetaData, column: str) -> int:
    """Return how many bytes the images of a row group take."""
    total = 0
    for number in range(group.num_columns):
        chunk = group.column(number)
        if chunk.path_in_schema.partition(".")[0] == column:
            total += chunk.total_uncompressed_size
    return total


def _folder(file: Path, column: str, cache: Path) -> Path:
    """Return the folder of the copy of a file's images."""
    return cache / f"{file.stem}-{version_of(file, column)}"


def _copied(file: Path, column: str, cache: Path) -> Path:
    """Return the folder with the concatenated images of a file, and the position of each.

    It is created on first use.
    """
    folder = _folder(file, column, cache)
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    aside = cache / f".aside-{uuid4().hex}"
    aside.mkdir()
    sizes = []
    with (aside / "images").open("wb") as out, pq.ParquetFile(file) as source:
        for batch in source.iter_batches(ROWS, columns=[column]):
            for cell in batch.column(0).to_pylist():
                # A cell without an image takes no bytes, and counts as an unreadable image later.
                sizes.append(out.write(image_in(cell)))
    # Written to a temporary folder, flushed, then moved, so that a reader sees all of it or none.
    offsets = np.cumsum([0, *sizes])
    np.save(aside / "spans.npy", np.stack([offsets[:-1], sizes], 1).astype(np.int64))
    for written in aside.iterdir():
        fsync(written)
    try:
        aside.rename(folder)
        fsync(cache)
    # Another worker was first; its copy is identical.
    except OSError:
        shutil.rmtree(aside)
        if not folder.exists():
            raise
    return folder
