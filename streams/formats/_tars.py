"""Tar files read by seek: the positions of members are found once per file, and cached under the
data folder.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from streams import DatasetError
from streams.formats._disk import Arrays, cached, span
from streams.formats._unused import NOT_A_FILE, Unused


def members(file: Path, unused: Unused | None = None) -> Iterator[tuple[str, int, int]]:
    """Yield name, offset of the data and size of every file in a tar, in its order.

    Members that are neither files nor folders are counted in `unused`.

    Raises:
        DatasetError: it is no tar, or an incomplete one.
    """
    try:
        with tarfile.open(file, "r:") as tar:
            for member in tar:
                if member.isfile():
                    yield member.name.removeprefix("./"), member.offset_data, member.size
                elif unused is not None and not member.isdir():
                    unused.add(NOT_A_FILE, member.name)
    except tarfile.TarError as problem:
        raise DatasetError(
            f"{file} is not a whole, uncompressed tar file ({problem}). Fetch it again, or unpack "
            "it."
        ) from problem


class Members:
    """The members of one tar, by name."""

    def __init__(self, file: Path, cache: Path) -> None:
        self.file = file
        index = cached(cache / "tars", file, "members", self._index)
        self.at = {str(name): place for place, name in enumerate(index["names"])}
        # (N, 2) int64: offset and size in bytes.
        self.spans: np.ndarray = index["spans"]

    def read(self, name: str) -> bytes:
        """Return the bytes of a member.

        Raises:
            FileNotFoundError: the tar has no such member.
        """
        if name not in self.at:
            raise FileNotFoundError(2, "no such member", f"{self.file}:{name}")
        return span(self.file, *self.spans[self.at[name]].tolist())

    def _index(self) -> Arrays:
        names, spans = [], []
        for name, offset, size in members(self.file):
            names.append(name)
            spans.append([offset, size])
        places = np.array(spans, np.int64).reshape(-1, 2)
        return {"names": np.array(names, np.str_), "spans": places}
