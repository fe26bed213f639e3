"""Parquet files of images and texts, as datasets on Hugging Face are stored: a column of {bytes, path} (or of bytes), and others.

A Parquet file gives a row only with the row group around it, so the images are copied once, as they are, into one file for each
under the data folder, and read from there by seek. This takes as much disk as the images do.
"""

import hashlib
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
from streams.formats._disk import span
from streams.formats._files import Files
from streams.formats._labels import by_label, told
from streams.formats._places import matching, part, place

ROWS = 64  # read at once while the images are copied


def _text(kind: pa.DataType) -> bool:
    return any(
        fits(kind) for fits in (types.is_string, types.is_large_string, types.is_string_view)
    )


def _bytes(kind: pa.DataType) -> bool:
    return any(
        fits(kind) for fits in (types.is_binary, types.is_large_binary, types.is_binary_view)
    )


def _image(kind: pa.DataType) -> bool:
    place = kind.get_field_index("bytes") if types.is_struct(kind) else -1
    return _bytes(kind.field(place).type if place >= 0 else kind)


def _caption(kind: pa.DataType) -> bool:
    return _text(kind.value_type if types.is_list(kind) or types.is_large_list(kind) else kind)


def _label(kind: pa.DataType) -> bool:
    return _text(kind) or any(
        fits(kind)
        for fits in (types.is_integer, types.is_floating, types.is_boolean, types.is_null)
    )


TYPES = {"image": _image, "caption": _caption, "label": _label}  # what a column may hold
WANTED = {
    "image": "images are bytes, or the struct of bytes and path that Hugging Face writes",
    "caption": "captions are texts, or lists of them",
    "label": "labels are numbers or names",
}


@dataclass(frozen=True)
class Parquet:
    """The fields are the keys of `dataset.params`."""

    train: str = ""  # folder, file or pattern (`data/train-*.parquet`) in the location; the same as `test`: split by `test_share`
    test: str = ""
    test_share: float = 0.0  # share of the items that are test pairs, by a hash of `file/row`
    image: str = "image"  # column of the images
    caption: str = ""  # column of a text, or of a list of them; empty: the row's templates, with the class name
    label: str = ""  # column of a class, by number or by name; empty: there are none
    image_px: int = 224
    corrupt_share: float = 0.01  # of the items read; ten may always be unreadable

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> Files:
        """The rows of the files that have a caption, by file, then as in the file.

        Raises:
            DatasetError: no such location, no files, or a column that is not there.
        """
        about = f"dataset {dataset['name']!r}"
        location = place(dataset, cache, "Parquet files, or folders of them")
        root, said = (
            (location, part(self, split)) if location.is_dir() else (location.parent, location.name)
        )
        files = matching(about, root, said, ".parquet")
        for file in files:
            self._check(about, file)
        if not (self.caption or self.label):
            raise DatasetError(
                f"{about}: name a caption column, or a label column, for captions from the row's templates"
            )
        return Files(dataset, self, split, Rows(root, files, dataset, self, cache / "parquet"))

    def _check(self, about: str, file: Path) -> None:
        try:
            schema = pq.read_schema(file)
        except pa.ArrowException as problem:
            raise DatasetError(
                f"{about}: {file} is not a whole Parquet file ({problem}). Fetch it again."
            ) from problem
        columns = schema.names
        for key in TYPES:
            said = getattr(self, key)
            if said and said not in columns:
                raise DatasetError(
                    f"{about}: {file.name} has no {key} column {said!r}. Its columns: {', '.join(columns)}."
                )
            if not said:
                continue
            kind = schema.field(said).type
            if not TYPES[key](kind.value_type if types.is_dictionary(kind) else kind):
                has = f"its {key} column {said!r} holds {kind}"
                raise DatasetError(
                    f"{about}: {file.name}: {has}, and {WANTED[key]}. Name another column, or convert the file."
                )


class Rows:
    """The rows of Parquet files."""

    def __init__(
        self, root: Path, files: list[Path], dataset: Mapping[str, Any], form: Parquet, cache: Path
    ) -> None:
        about = f"dataset {dataset['name']!r}"
        self.names: list[str] = []
        labels: list[Any] = []
        self.captions: list[pa.ChunkedArray] = []
        self.copies, spans, rows, self.left_out = [], [], [], 0
        for file in files:
            stem = file.relative_to(root).with_suffix("").as_posix()
            kept = np.arange(pq.read_metadata(file).num_rows)
            if form.caption:
                self.captions.append(_column(file, form.caption))
                kept = kept[[bool(_texts(said)) for said in self.captions[-1].to_pylist()]]
                self.left_out += len(self.captions[-1]) - len(kept)
            rows.append(kept)
            self.names += [f"{stem}/{row}" for row in kept]
            told_of = _column(file, form.label).to_pylist() if form.label else None
            labels += [told_of[row] if told_of else None for row in kept]
            copy = _copied(file, form.image, cache)
            self.copies.append(copy / "images")
            spans.append(np.load(copy / "spans.npy")[kept])
        self.spans: np.ndarray = np.concatenate(spans)  # (N, 2): offset and size in bytes
        self.file = np.concatenate([np.full(len(some), number) for number, some in enumerate(rows)])
        self.row = np.concatenate(rows)  # in its file
        if len(self.names) and not np.any(self.spans[:, 1]):
            said = f"no row of {', '.join(file.name for file in files[:3])} holds the bytes of an image, only where it once lay"
            raise DatasetError(
                f"{about}: {said}. Write the files anew with the images in them (embed_external_files=True)."
            )
        named = _named(files[0], form.label) if form.label else []
        classes = list(dataset["classes"]) or named
        self.labels = told(about, labels, classes, named)
        self.by_label = [] if form.caption else by_label(dataset, classes, self.labels)

    def read(self, item: int) -> bytes:
        """The bytes in the image column."""
        return span(self.copies[self.file[item]], *self.spans[item].tolist())

    def texts(self, item: int) -> list[str]:
        """The caption column, or the row's templates."""
        if not self.captions:
            return self.by_label[self.labels[item]]
        return _texts(self.captions[self.file[item]][int(self.row[item])].as_py())


def _texts(said: str | list[str] | None) -> list[str]:
    """The captions in a cell, blank ones left out."""
    return [one for one in (said if isinstance(said, list) else [said]) if one and one.strip()]


def _column(file: Path, name: str) -> pa.ChunkedArray:
    """One column of a file."""
    return pq.read_table(file, columns=[name]).column(name)


def _named(file: Path, label: str) -> list[str]:
    """The class names of a label column, as Hugging Face notes them in the file; none where it does not."""
    noted = (pq.read_schema(file).metadata or {}).get(b"huggingface")
    feature = json.loads(noted)["info"]["features"].get(label, {}) if noted else {}
    return list(feature.get("names", []))


def _copied(file: Path, column: str, cache: Path) -> Path:
    """The folder with the images of a file, one after the other, and where each lies; made on first use."""
    about = file.stat()
    key = hashlib.sha256(
        f"{file.absolute()} {about.st_size} {about.st_mtime_ns} {column}".encode()
    ).hexdigest()[:16]
    folder = cache / f"{file.stem}-{key}"
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    aside = cache / f".aside-{uuid4().hex}"
    aside.mkdir()
    sizes = []
    with (aside / "images").open("wb") as out, pq.ParquetFile(file) as source:
        for batch in source.iter_batches(ROWS, columns=[column]):
            for image in batch.column(0).to_pylist():
                found = (
                    image.get("bytes") if isinstance(image, dict) else image
                ) or b""  # nothing: an unreadable image
                sizes.append(out.write(found))
    offsets = np.cumsum([0, *sizes])
    np.save(aside / "spans.npy", np.stack([offsets[:-1], sizes], 1).astype(np.int64))
    for made in aside.iterdir():
        fsync(made)
    try:
        aside.rename(folder)
        fsync(cache)
    except OSError:  # another worker was first; its copy is the same
        shutil.rmtree(aside)
        if not folder.exists():
            raise
    return folder
