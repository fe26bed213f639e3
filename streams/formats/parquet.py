"""Parquet files of images and texts, as datasets on Hugging Face are stored: a column of {bytes,
path}.

A Parquet file can only be read by whole row groups, so the encoded images of each file are copied
once into one file under the data folder, and read from there by seek. This takes as much disk as
the images do. A stream of shards (`lanes`) reads whole row groups, and copies nothing.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from schema.files import fsync
from streams import DatasetError
from streams.formats._disk import span, version_of
from streams.formats._files import Files
from streams.formats._labels import (
    by_label,
    label_numbers,
    order_of,
    renamed,
    without_classes,
)
from streams.formats._places import matching, part, place_and_pattern
from streams.formats._row_groups import RowGroups
from streams.formats._shard_pairs import ShardPairs
from streams.formats._shard_stream import checked
from streams.formats._tables import RowNames, texts_of
from streams.formats._unused import NO_CAPTION, Unused

# The key of params for the column of classes.
LABELED_BY = ("label",)
# How many rows are read at once while images are copied.
ROWS = 64


def _text(kind: pa.DataType) -> bool:
    return any((types.is_string(kind), types.is_large_string(kind), types.is_string_view(kind)))


def _bytes(kind: pa.DataType) -> bool:
    return any((types.is_binary(kind), types.is_large_binary(kind), types.is_binary_view(kind)))


def _image(kind: pa.DataType) -> bool:
    place = kind.get_field_index("bytes") if types.is_struct(kind) else -1
    return _bytes(kind.field(place).type if place >= 0 else kind)


def _caption(kind: pa.DataType) -> bool:
    is_list = types.is_list(kind) or types.is_large_list(kind)
    return _text(kind.value_type if is_list else kind)


def _label(kind: pa.DataType) -> bool:
    is_number = types.is_integer(kind) or types.is_floating(kind)
    return any((_text(kind), is_number, types.is_boolean(kind), types.is_null(kind)))


# The allowed types of each column.
TYPES = {"image": _image, "caption": _caption, "label": _label}
WANTED = {
    "image": "images are bytes, or the struct of bytes and path that Hugging Face writes",
    "caption": "captions are texts, or lists of them",
    "label": "labels are numbers or names",
}


@dataclass(frozen=True)
class Parquet:
    """The fields are the keys of `dataset.params`."""

    # Folder, file, pattern (`data/train-*.parquet`) or range in the location; if it equals `test`,
    # `test_share` splits it.
    train: str = ""
    test: str = ""
    # The share of the items that are test pairs, by a hash of `file/row`.
    test_share: float = 0.0
    # Column of the images.
    image: str = "image"
    # Column of a text, or of a list of them; empty: the row's templates, with the class name.
    caption: str = ""
    # Column of a class, by number or by name; empty: there are none.
    label: str = ""
    image_px: int = 224
    # The share of the items read that may be unreadable; ten always may.
    corrupt_share: float = 0.01
    # The colour that transparent pictures are put on; empty: as open_clip treats them.
    background: str = ""
    # Whether pictures are turned as their EXIF says.
    upright: bool = False
    # 0: training pairs in a random order over all; else how many lanes read a stream of shards,
    # which are row groups (`streams/lanes.py`).
    lanes: int = 0
    # How many row groups form a block, whose pairs a lane permutes.
    block_shards: int = 2

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> Files | ShardPairs:
        """Return the rows of the files that have a caption, by file, then as in the file.

        Raises:
            DatasetError: the location, the files or a column do not exist.
            ContradictionError: the files name other classes than the row.
        """
        about = f"dataset {dataset['name']!r}"
        root, files = self._files(about, dataset, split, cache)
        for file in files:
            self._check(about, file)
        if not (self.caption or self.label):
            raise DatasetError(
                f"{about}: name a caption column, or a label column, for captions from the row's "
                "templates"
            )
        if self.lanes and split == "train":
            return self._stream(root, files, dataset)
        return Files(dataset, self, split, Rows(root, files, dataset, self, cache / "parquet"))

    def _stream(self, root: Path, files: list[Path], dataset: Mapping[str, Any]) -> ShardPairs:
        """Return the training pairs as a stream of row groups, read in place."""
        named = [names_in(file, self.label) for file in files]
        about = checked(self, dataset, has_names=bool(named[0]))
        columns = (self.image, self.caption, self.label)
        groups = RowGroups(root, files, dataset, columns, named)
        if not groups.sizes.any():
            raise DatasetError(f"{about}: its {len(files)} Parquet files have no rows")
        return ShardPairs(dataset, self, groups)

    def compare(self, dataset: Mapping[str, Any], split: str, cache: Path) -> None:
        """Compare the class names of a row with those stored in each file of a split.

        Raises:
            ContradictionError: they differ.
        """
        about = f"dataset {dataset['name']!r}"
        _, files = self._files(about, dataset, split, cache)
        for file in files if self.label else ():
            order_of(about, list(dataset["classes"]), names_in(file, self.label), file.name)

    def _files(
        self, about: str, dataset: Mapping[str, Any], split: str, cache: Path
    ) -> tuple[Path, list[Path]]:
        """Return the folder that names are relative to, and the files of a split."""
        contents = "Parquet files, or folders of them"
        root, pattern = place_and_pattern(dataset, cache, part(self, split), contents)
        return root, matching(about, root, pattern, ".parquet")

    def _check(self, about: str, file: Path) -> None:
        """Check that a file has the columns that the row's params name, with allowed types."""
        try:
            schema = pq.read_schema(file)
        except pa.ArrowException as problem:
            raise DatasetError(
                f"{about}: {file} is not a whole Parquet file ({problem}). Fetch it again."
            ) from problem
        for key, fits in TYPES.items():
            column = getattr(self, key)
            if not column:
                continue
            if column not in schema.names:
                raise DatasetError(
                    f"{about}: {file.name} has no {key} column {column!r}. Its columns: "
                    f"{', '.join(schema.names)}."
                )
            kind = schema.field(column).type
            if not fits(kind.value_type if types.is_dictionary(kind) else kind):
                raise DatasetError(
                    f"{about}: {file.name}: its {key} column {column!r} holds {kind}, and "
                    f"{WANTED[key]}. Name another column, or convert the file."
                )


class Rows:
    """The rows of Parquet files."""

    def __init__(
        self, root: Path, files: list[Path], dataset: Mapping[str, Any], form: Parquet, cache: Path
    ) -> None:
        about = f"dataset {dataset['name']!r}"
        self.unused, self.remarks, self.covers = Unused(), list[str](), list(files)
        self.captions: list[pa.ChunkedArray] = []
        self.copies: list[Path] = []
        classes = list(dataset["classes"]) or names_in(files[0], form.label)
        labels, spans, rows, stems = [], [], [], list[str]()
        for file in files:
            # Each file has its own class names and numbers.
            stem = file.relative_to(root).with_suffix("").as_posix()
            used = self._with_captions(file, stem, form.caption)
            rows.append(used)
            stems.append(stem)
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


def names_in(file: Path, label: str) -> list[str]:
    """Return the class names of a label column from Hugging Face's metadata; [] without them."""
    schema = pq.read_schema(file)
    noted = (schema.metadata or {}).get(b"huggingface")
    if not noted or label not in schema.names or _text(schema.field(label).type):
        return []
    try:
        names = json.loads(noted)["info"]["features"][label]["names"]
    except (ValueError, KeyError, TypeError):
        return []
    return [str(name) for name in names]


def _column(file: Path, name: str) -> pa.ChunkedArray:
    """Return one column of a file."""
    return pq.read_table(file, columns=[name]).column(name)


def _copied(file: Path, column: str, cache: Path) -> Path:
    """Return the folder with the concatenated images of a file, and the position of each.

    It is created on first use.
    """
    folder = cache / f"{file.stem}-{version_of(file, column)}"
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
