"""Tar files read by seek: where their members lie is found once a file, and kept under the data folder."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from streams import DatasetError
from streams.formats._disk import Arrays, cached, span


def members(file: Path) -> Iterator[tuple[str, int, int]]:
    """Name, offset of the data and size of every file in a tar, in its order.

    Raises:
        DatasetError: not a tar, or not a whole one.
    """
    try:
        with tarfile.open(file, "r:") as tar:
            for member in tar:
                if member.isfile():
                    yield member.name.removeprefix("./"), member.offset_data, member.size
    except tarfile.TarError as problem:
        raise DatasetError(
            f"{file} is not a whole, uncompressed tar file ({problem}). Fetch it again, or unpack it."
        ) from problem


class Members:
    """The members of one tar, by name."""

    def __init__(self, file: Path, cache: Path) -> None:
        self.file = file
        found = cached(cache / "tars", file, "members", self._index)
        self.at = {str(name): place for place, name in enumerate(found["names"])}
        self.spans: np.ndarray = found["spans"]  # (N, 2) int64: offset and size in bytes

    def _index(self) -> Arrays:
        found = list(members(self.file))
        spans = np.array([[offset, size] for _, offset, size in found], np.int64).reshape(-1, 2)
        return {"names": np.array([name for name, _, _ in found], np.str_), "spans": spans}

    def read(self, name: str) -> bytes:
        """The bytes of a member.

        Raises:
            FileNotFoundError: the tar has no such member.
        """
        if name not in self.at:
            raise FileNotFoundError(2, "no such member", f"{self.file}:{name}")
        return span(self.file, *self.spans[self.at[name]].tolist())
