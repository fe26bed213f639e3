"""Single rows of Parquet files, in any order, of a copy of the images.

A Parquet file can only be read by whole row groups, so the encoded images of each file are copied
once into one file under the data folder, and read from there by seek.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schema.files import fsync
from streams import DatasetError
from streams.formats._disk import span, version_of
from streams.formats._labels import (
    by_label,
    label_numbers,
    order_of,
    renamed,
    without_classes,
)
from streams.formats._parquet_columns import names_in
from streams.formats._tables import RowNames, texts_of
from streams.formats._unused import NO_CAPTION, Unused

# How many rows are read at once while images are copied.
ROWS = 64
GB = 1e9

log = logging.getLogger(__name__)


class Rows:
    """The rows of Parquet files."""

    def __init__(
        self,
        stems: list[str],
        files: list[Path],
        dataset: Mapping[str, Any],
        form: Any,
        cache: Path,
    ) -> None:
        about = f"dataset {dataset['name']!r}"
        self.unused, self.remarks, self.covers = Unused(), list[str](), list(files)
        self.captions: list[pa.ChunkedArray] = []
        self.copies: list[Path] = []
        classes = list(dataset["classes"]) or names_in(files[0], form.label)
        labels, spans, rows = [], [], []
        _announce_copies(about, files, form.image, cache)
        for stem, file in zip(stems, files, strict=True):
            # Each file has its own class names and numbers.
            used = self._with_captions(file, stem, form.caption)
            rows.append(used)
            labels.append(self._labels(about, file, form.label, classes)[used])
            copy = _copied(file, form.image, cache)
            self.copies.append(copy / "images")
            spans.append(np.load(copy / "spans.npy")[used])
        # (N, 2): offset and size in bytes.
        self.spans: np.ndarray = np.concatenate(spans)
        self.file = np.repeat(np.arange(len(rows), dtype=np.int32), list(map(len, rows)))
        # The row number of each pair in its file.
        self.row = np.concatenate(rows)
        self.names = RowNames(stems, self.file, self.row)
        if len(self.names) and not np.any(self.spans[:, 1]):
            names = ", ".join(file.name for file in files[:3])
            raise DatasetError(
                f"{about}: no row of {names} holds the bytes of an image, only where it once lay. "
                "Write the files anew with the images in them (embed_external_files=True)."
            )
        self.labels = np.concatenate(labels) if form.label else without_classes(len(self.names))
        self.by_label = [] if form.caption else by_label(dataset, classes, self.labels)

    def read(self, item: int) -> bytes:
        """Return the bytes in the image column."""
        return span(self.copies[self.file[item]], *self.spans[item].tolist())

    def size(self, item: int) -> int:
        """Return the size of the encoded image, in bytes."""
        return int(self.spans[item, 1])

    def texts(self, item: int) -> list[str]:
        """Return the captions of a row: from its column, or from the templates."""
        if not self.captions:
            return self.by_label[self.labels[item]]
        return texts_of(self.captions[self.file[item]][int(self.row[item])].as_py())

    def _with_captions(self, file: Path, stem: str, caption: str) -> np.ndarray:
        """Return the numbers of a file's rows that have a caption; the others are counted."""
        rows: np.ndarray = np.arange(int(pq.read_metadata(file).num_rows))
        if not caption:
            return rows
        column = _column(file, caption)
        self.captions.append(column)
        has_text: np.ndarray = np.array([bool(texts_of(cell)) for cell in column.to_pylist()], bool)
        self.unused.add(NO_CAPTION, *[f"{stem}/{row}" for row in rows[~has_text]])
        used: np.ndarray = rows[has_text]
        return used

    def _labels(self, about: str, file: Path, label: str, classes: list[str]) -> np.ndarray:
        """Return the class number of each row of a file, as in the dataset row; -1 where none.

        Raises:
            ContradictionError: the file names other classes than the row.
        """
        if not label:
            return np.full(pq.read_metadata(file).num_rows, -1, np.int64)
        named = names_in(file, label)
        order = order_of(about, classes, named, file.name)
        self.remarks += renamed(classes, named, file.name)
        return label_numbers(about, _column(file, label).to_pylist(), classes, order)


def _column(file: Path, name: str) -> pa.ChunkedArray:
    """Return one column of a file."""
    return pq.read_table(file, columns=[name]).column(name)


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
                image = cell.get("bytes") if isinstance(cell, dict) else cell
                # A cell without an image takes no bytes, and counts as an unreadable image later.
                sizes.append(out.write(image or b""))
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
