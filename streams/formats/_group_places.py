"""Where row groups of Parquet files are read from: the disk, or a part of a file at an address."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from streams.formats._shard_cache import ShardCache

# A file by its number, and a row group by its number in the file
Group = tuple[int, int]


class GroupPlace(Protocol):
    """The interface of a location of Parquet files."""

    @property
    def stems(self) -> Sequence[str]:
        """Return the names of the files in messages, relative to the location, without ending."""
        ...

    def footer(self, file: int) -> pq.FileMetaData:
        """Return what a file says of its row groups."""
        ...

    def table(self, group: Group, columns: Sequence[str]) -> pa.Table:
        """Return columns of a row group."""
        ...

    def fetch(self, groups: Sequence[Group]) -> None:
        """Have row groups here, side by side."""
        ...

    def expect(self, groups: Sequence[Group]) -> None:
        """Have row groups here soon."""
        ...


class GroupsOnDisk:
    """Parquet files of this machine."""

    def __init__(self, files: Sequence[Path], stems: Sequence[str]) -> None:
        self.files, self.stems = list(files), list(stems)

    def footer(self, file: int) -> pq.FileMetaData:
        """Return what a file says of its row groups."""
        return pq.read_metadata(self.files[file])

    def table(self, group: Group, columns: Sequence[str]) -> pa.Table:
        """Return columns of a row group."""
        with pq.ParquetFile(self.files[group[0]]) as opened:
            return opened.read_row_group(group[1], columns=list(columns))

    def fetch(self, groups: Sequence[Group]) -> None:
        """Do nothing: they are here."""

    def expect(self, groups: Sequence[Group]) -> None:
        """Do nothing: they are here."""


class GroupsAtAddress:
    """Parquet files at addresses, whose row groups are fetched to the cache of this node."""

    def __init__(
        self,
        addresses: Sequence[str],
        stems: Sequence[str],
        columns: Sequence[str],
        cache: ShardCache,
    ) -> None:
        """Use files at `addresses`; of each row group the bytes of `columns` are fetched."""
        self.addresses, self.stems = list(addresses), list(stems)
        self.columns, self.cache = list(columns), cache

    def footers(self) -> list[Path]:
        """Return copies of the files' footers, fetched in parallel if needed.

        Each is a Parquet file without row groups to whoever reads its schema.
        """
        return self.cache.get_all([f"{address}#footer" for address in self.addresses])

    def footer(self, file: int) -> pq.FileMetaData:
        """Return what a file says of its row groups."""
        address = f"{self.addresses[file]}#footer"
        try:
            return pq.read_metadata(self.cache.get(address))
        # The copy was removed from the cache between the two calls, so it is fetched once more
        except FileNotFoundError:
            return pq.read_metadata(self.cache.get(address))

    def table(self, group: Group, columns: Sequence[str]) -> pa.Table:
        """Return columns of a row group, after fetching its bytes if needed."""
        try:
            return self._table(group, columns)
        # As for a footer
        except FileNotFoundError:
            return self._table(group, columns)

    def fetch(self, groups: Sequence[Group]) -> None:
        """Fetch row groups in parallel, and wait for them."""
        self.cache.get_all([self._part(group) for group in groups])

    def expect(self, groups: Sequence[Group]) -> None:
        """Begin to fetch row groups in the background."""
        self.cache.ahead.want([self._part(group) for group in groups])

    def _part(self, group: Group) -> str:
        """Return the address of a row group's bytes."""
        first, end = bytes_of(self.footer(group[0]), group[1], self.columns)
        return f"{self.addresses[group[0]]}#bytes={first}-{end - 1}"

    def _table(self, group: Group, columns: Sequence[str]) -> pa.Table:
        footer = self.footer(group[0])
        first, end = bytes_of(footer, group[1], self.columns)
        with self.cache.get(self._part(group)).open("rb") as copy:
            source = pa.PythonFile(Part(copy, first, end), mode="r")
            with pq.ParquetFile(source, metadata=footer) as opened:
                return opened.read_row_group(group[1], columns=list(columns))


class Part(io.RawIOBase):
    """A file of which the bytes from `first` up to `end` are here, in a file of their own."""

    def __init__(self, copy: io.BufferedReader, first: int, end: int) -> None:
        super().__init__()
        self.copy, self.first, self.end, self.at = copy, first, end, 0

    def readable(self) -> bool:
        """Return true."""
        return True

    def seekable(self) -> bool:
        """Return true."""
        return True

    def tell(self) -> int:
        """Return the offset in the whole file."""
        return self.at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to another offset in the whole file, and return it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.end}
        self.at = start[whence] + offset
        return self.at

    def read(self, size: int = -1) -> bytes:
        """Return bytes from the offset on.

        Raises:
            ValueError: they are not here.
        """
        end = self.end if size < 0 else min(self.at + size, self.end)
        if self.at < self.first:
            raise ValueError(f"byte {self.at} of the file is not here, and {self.first} is")
        self.copy.seek(self.at - self.first)
        content = self.copy.read(end - self.at)
        self.at += len(content)
        return content


def bytes_of(footer: pq.FileMetaData, group: int, columns: Sequence[str]) -> tuple[int, int]:
    """Return the first byte of the columns of a row group, and the end of them.

    What lies between two of them belongs to it, as one request is faster than two.
    """
    about = footer.row_group(group)
    firsts, ends = list[int](), list[int]()
    for number in range(about.num_columns):
        chunk = about.column(number)
        if chunk.path_in_schema.partition(".")[0] not in columns:
            continue
        first = chunk.data_page_offset
        if chunk.has_dictionary_page:
            first = min(first, chunk.dictionary_page_offset)
        firsts.append(first)
        ends.append(first + chunk.total_compressed_size)
    return min(firsts), max(ends)
