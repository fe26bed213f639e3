"""Images that lie in folders and get their captions from rows of tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from streams.formats._labels import label_numbers
from streams.formats._places import is_hidden
from streams.formats._tables import Table, require_columns, texts_of
from streams.formats._unused import (
    ABSENT,
    BROKEN_ROW,
    HIDDEN,
    KINDS_OF_FILE,
    NO_CAPTION,
    NO_IMAGE,
    Unused,
)
from streams.pictures import SUFFIXES

# A key of params and the column that it names: for the path, the caption and the label.
Columns = Sequence[tuple[str, str]]


class Listed:
    """The images below a folder that tables give captions to, by path.

    It is filled row by row (`add`), then closed. Images that tables name but are not there, and
    files that are there but in no table, are counted.
    """

    def __init__(
        self, folder: Path, dataset: Mapping[str, Any], label: str, folders: Sequence[str]
    ) -> None:
        """Start without images; `label` is the column of labels.

        Where it is empty, the first folder of a path is the class, if it is among `folders`.
        """
        self.folder, self.label = folder, label
        self.classes, self.folders = list(dataset["classes"]), list(folders)
        self.unused, self.remarks = Unused(), list[str]()
        self.captions: dict[str, list[str]] = {}
        self.told: dict[str, Any] = {}
        # The images whose rows have no text.
        self.bare: set[str] = set()
        # The files and folders whose whole content is used or counted.
        self.covers: list[Path] = []
        self.names: list[str] = []
        self.labels: np.ndarray = np.empty(0, np.int64)

    def add(self, path: str, texts: list[str], label: Any) -> None:
        """Add captions to an image, after those of earlier rows."""
        if not texts:
            self.bare.add(path)
            return
        self.captions.setdefault(path, []).extend(texts)
        self.told.setdefault(path, label)

    def close(self, about: str, files: Sequence[str]) -> None:
        """Keep the images that exist; `files` are all files below the folder but the tables."""
        present = set(files)
        # First the files that tables name, then all others: each is used or counted once.
        for path in sorted(self.captions.keys() | self.bare):
            if path not in present and not (self.folder / path).is_file():
                self.unused.add(ABSENT, path)
                self.captions.pop(path, None)
        for path in sorted(present - self.captions.keys()):
            if is_hidden(path):
                self.unused.add(HIDDEN, path)
            elif not path.lower().endswith(SUFFIXES):
                self.unused.add(KINDS_OF_FILE, path)
            else:
                self.unused.add(NO_CAPTION, path)
        # An image elsewhere, given by an absolute path, whose rows have no text.
        outside = self.bare - self.captions.keys() - present
        for path in sorted(outside):
            if (self.folder / path).is_file():
                self.unused.add(NO_CAPTION, path)
        self.names = sorted(self.captions)
        if self.label:
            labels = [_number(self.told[path], self.classes) for path in self.names]
            self.labels = label_numbers(about, labels, self.classes)
        else:
            whose = {name: label for label, name in enumerate(self.folders)}
            labels = [whose.get(path.split("/")[0], -1) for path in self.names]
            self.labels = np.array(labels, np.int64)

    def read(self, item: int) -> bytes:
        """Return the file."""
        return (self.folder / self.names[item]).read_bytes()

    def size(self, item: int) -> int:
        """Return the size of the file, in bytes."""
        return (self.folder / self.names[item]).stat().st_size

    def texts(self, item: int) -> list[str]:
        """Return the captions of an image, in the order of the rows."""
        return self.captions[self.names[item]]


def rows_of_images(
    about: str, listed: Listed, table: Table, columns: Columns, start: str = "."
) -> None:
    """Add the captions of a table's rows to their images; paths are relative to `start`.

    Raises:
        DatasetError: a column is missing.
    """
    require_columns(about, table, columns)
    (_, image), (_, caption), (_, label) = columns
    listed.unused.add(BROKEN_ROW, *table.broken)
    for number, row in enumerate(table.rows, 1):
        path = row.get(image)
        if not isinstance(path, str) or not path.strip():
            listed.unused.add(NO_IMAGE, f"{table.file.name}, row {number}")
            continue
        where = (PurePosixPath(start) / path.strip()).as_posix()
        listed.add(where, texts_of(row.get(caption)), row.get(label) if label else None)


def _number(label: Any, classes: Sequence[str]) -> Any:
    """Return a label, as a number where a CSV has digits, unless a class has that name.

    An empty cell gives None.
    """
    if not isinstance(label, str) or label in classes:
        return label
    text = label.strip()
    if not text:
        return None
    return int(text) if text.isdecimal() else text
