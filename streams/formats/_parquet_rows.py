"""Single rows of Parquet files: their labels, captions and names, and an image of each."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streams import DatasetError
from streams.formats._labels import (
    by_label,
    label_numbers,
    order_of,
    renamed,
    without_classes,
)
from streams.formats._parquet_columns import names_in
from streams.formats._parquet_images import Images
from streams.formats._tables import RowNames, texts_of
from streams.formats._unused import NO_CAPTION, Unused


class Rows:
    """The rows of Parquet files."""

    def __init__(
        self,
        stems: Sequence[str],
        files: Sequence[Path],
        dataset: Mapping[str, Any],
        form: Any,
        images: Images,
    ) -> None:
        """Index the rows of `files`, which are called `stems` in messages."""
        about = f"dataset {dataset['name']!r}"
        self.unused, self.remarks, self.covers = Unused(), list[str](), list(files)
        self.captions: list[pa.ChunkedArray] = []
        self.images = images
        classes = list(dataset["classes"]) or names_in(files[0], form.label)
        labels, rows = [], []
        for stem, file in zip(stems, files, strict=True):
            # Each file has its own class names and numbers.
            used = self._with_captions(file, stem, form.caption)
            rows.append(used)
            labels.append(self._labels(about, file, form.label, classes)[used])
        self.file = np.repeat(np.arange(len(rows), dtype=np.int32), list(map(len, rows)))
        # The row number of each pair in its file.
        self.row = np.concatenate(rows)
        self.names = RowNames(list(stems), self.file, self.row)
        if len(self.names) and not any(map(self.size, range(len(self.names)))):
            names = ", ".join(file.name for file in files[:3])
            raise DatasetError(
                f"{about}: no row of {names} holds the bytes of an image, only where it once lay. "
                "Write the files anew with the images in them (embed_external_files=True)."
            )
        self.labels = np.concatenate(labels) if form.label else without_classes(len(self.names))
        self.by_label = [] if form.caption else by_label(dataset, classes, self.labels)

    def read(self, item: int) -> bytes:
        """Return the bytes in the image column."""
        return self.images.read(int(self.file[item]), int(self.row[item]))

    def size(self, item: int) -> int:
        """Return the size of the encoded image, in bytes."""
        return self.images.size(int(self.file[item]), int(self.row[item]))

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
