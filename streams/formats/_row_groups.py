"""Parquet files as a stream of shards: a row group is a shard, read in place, without a copy.

A Parquet file can only be read by whole row groups. A lane takes all rows of its row groups before
it moves on, so each is read once per epoch; open ones are held in memory. Of files at an address
only the footers are fetched, and of each row group its bytes, a block ahead, to the cache of this
node.

Shapes: S row groups.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from streams.formats._group_places import Group, GroupPlace
from streams.formats._labels import by_label, label_numbers, order_of
from streams.formats._parquet_images import image_in
from streams.formats._tables import texts_of


class RowGroups:
    """The S row groups of Parquet files, accessed by number."""

    def __init__(
        self,
        place: GroupPlace,
        dataset: Mapping[str, Any],
        columns: tuple[str, str, str],
        named: Sequence[Sequence[str]],
    ) -> None:
        """Index the files of `place`; `columns` are those of images, captions and labels, or "".

        `named` are the class names stored in each file.
        """
        self.at, self.columns, self.named = place, columns, list(named)
        self.about, self.classes = f"dataset {dataset['name']!r}", list(dataset["classes"])
        groups, sizes = list[int](), list[int]()
        for file in range(len(place.stems)):
            footer = place.footer(file)
            groups.append(footer.num_row_groups)
            for group in range(footer.num_row_groups):
                sizes.append(footer.row_group(group).num_rows)
        self.sizes: np.ndarray = np.array(sizes, np.int32)
        # (F + 1,) int64: the number of the first row group of each of F files, and the end
        self.first: np.ndarray = np.cumsum([0, *groups], dtype=np.int64)
        self.by_label: list[list[str]] = []
        if not columns[1]:
            classes = self.classes or list(named[0])
            self.by_label = by_label(dataset, classes, np.empty(0, np.int64))

    @property
    def digest(self) -> str:
        """Return a digest of the files' names, order and row groups."""
        content = hashlib.sha256("\n".join(self.at.stems).encode(errors="surrogateescape"))
        content.update(self.first.tobytes() + self.sizes.tobytes())
        return content.hexdigest()[:32]

    def open(self, shard: int) -> "RowGroup":
        """Return a row group, read from its file, after fetching it if needed."""
        group = self._place(shard)
        image, caption, label = self.columns
        # Labels are read only if captions are made from them
        table = self.at.table(group, [image, caption or label])
        if caption:
            return RowGroup(table.column(image), table.column(caption), None, self.by_label)
        named = self.named[group[0]]
        order = order_of(self.about, self.classes, named, self.at.stems[group[0]])
        values = table.column(label).to_pylist()
        labels = label_numbers(self.about, values, self.classes or list(named), order)
        return RowGroup(table.column(image), None, labels, self.by_label)

    def fetch(self, shards: Sequence[int]) -> None:
        """Have row groups here, side by side."""
        self.at.fetch([self._place(shard) for shard in shards])

    def expect(self, shards: Sequence[int]) -> None:
        """Have row groups here soon."""
        self.at.expect([self._place(shard) for shard in shards])

    def name(self, shard: int) -> str:
        """Return a row group's name in messages."""
        file, group = self._place(shard)
        return f"{self.at.stems[file]}, row group {group}"

    def _place(self, shard: int) -> Group:
        """Return the number of a row group's file, and its number in that file."""
        file = int(np.searchsorted(self.first, shard, side="right")) - 1
        return file, shard - int(self.first[file])


class RowGroup:
    """The rows of one row group that have a caption."""

    def __init__(
        self,
        images: pa.ChunkedArray,
        captions: pa.ChunkedArray | None,
        labels: np.ndarray | None,
        by_label: Sequence[list[str]],
    ) -> None:
        """Hold images with `captions`, or with `labels` (n,) whose captions are `by_label`."""
        self.images, self.captions = images, captions
        self.labels, self.by_label = labels, by_label
        if captions is not None:
            has_text = [bool(texts_of(cell)) for cell in captions.to_pylist()]
            self.rows: np.ndarray = np.flatnonzero(np.array(has_text, bool))
        else:
            assert labels is not None
            self.rows = np.flatnonzero((labels >= 0) & (labels < len(by_label)))

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, place: int) -> bytes:
        """Return the bytes in the image column; empty where the cell has only a path."""
        return image_in(self.images[int(self.rows[place])].as_py())

    def texts(self, place: int) -> list[str]:
        """Return the captions of a row: from its column, or from the templates."""
        row = int(self.rows[place])
        if self.captions is not None:
            return texts_of(self.captions[row].as_py())
        assert self.labels is not None
        return list(self.by_label[int(self.labels[row])])

    def key(self, place: int) -> str:
        """Return a pair's name in its row group."""
        return f"row {self.rows[place]}"
