"""Tar shards for a stream of shards: a list with sizes, each opened when a pair is drawn."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from streams.formats import _remote
from streams.formats._disk import span
from streams.formats._header_words import HEADER
from streams.formats._headers import pairs_of, places_of
from streams.formats._names import PackedNames
from streams.formats._samples import texts_in
from streams.formats._shard_cache import ShardCache
from streams.formats._shard_list import SIZES

TEMPLATES = "templates"
# The columns of a pair's position that are offsets, which are multiples of a header's size.
OFFSETS = (0, 2)


class Place(Protocol):
    """The interface of a location of shards: on a disk, or at an address."""

    @property
    def names(self) -> PackedNames:
        """Return the names of the shards, relative to the location."""
        ...

    def path(self, shard: int) -> Path:
        """Return the file of a shard, after fetching it if needed."""
        ...

    def fetch(self, shards: Sequence[int]) -> None:
        """Have shards here, side by side."""
        ...

    def expect(self, shards: Sequence[int]) -> None:
        """Have shards here soon."""
        ...

    def read_sizes(self, folder: str) -> str | None:
        """Return the text of the sizes.json of a folder; None: there is none."""
        ...


class OnDisk:
    """Shards below a folder of this machine."""

    def __init__(self, top: Path, names: PackedNames) -> None:
        self.top, self.names = top, names

    def path(self, shard: int) -> Path:
        """Return the file of a shard."""
        return self.top / str(self.names[shard])

    def fetch(self, shards: Sequence[int]) -> None:
        """Do nothing: they are here."""

    def expect(self, shards: Sequence[int]) -> None:
        """Do nothing: they are here."""

    def read_sizes(self, folder: str) -> str | None:
        """Return the text of the sizes.json of a folder; None: there is none."""
        return _text(self.top / folder / SIZES)


class AtAddress:
    """Shards at an address, fetched to the cache of this node."""

    def __init__(self, root: str, names: PackedNames, cache: ShardCache) -> None:
        """Use the shards at `root`, which ends with a slash; names are relative to it."""
        self.root, self.names, self.cache = root, names, cache

    def path(self, shard: int) -> Path:
        """Return the copy of a shard, after fetching it if needed."""
        return self.cache.get(self.root + self.names[shard])

    def fetch(self, shards: Sequence[int]) -> None:
        """Fetch shards in parallel, and wait for them."""
        self.cache.get_all([self.root + self.names[shard] for shard in shards])

    def expect(self, shards: Sequence[int]) -> None:
        """Begin to fetch shards in the background."""
        self.cache.ahead.want([self.root + self.names[shard] for shard in shards])

    def read_sizes(self, folder: str) -> str | None:
        """Return the text of the sizes.json of a folder; None: there is none."""
        address = self.root + "/".join(step for step in (folder, SIZES) if step)
        with suppress(_remote.AbsentError):
            return _text(self.cache.get(address))
        return None


class TarShards:
    """The S tar shards of a split, accessed by number."""

    def __init__(
        self, place: Place, sizes: np.ndarray, open_one: Callable[..., "TarShard"]
    ) -> None:
        """Use the listed `sizes` (S,); `open_one` opens a shard by a function for its path."""
        self.at, self.sizes, self.open_one = place, sizes, open_one

    @property
    def digest(self) -> str:
        """Return a digest of the shards' names, order and sizes."""
        content = hashlib.sha256(self.at.names.digest.encode())
        content.update(self.sizes.astype("<i8").tobytes())
        return content.hexdigest()[:32]

    def open(self, shard: int) -> "TarShard":
        """Open a shard, after fetching it if needed."""
        return self.open_one(partial(self.at.path, shard))

    def fetch(self, shards: Sequence[int]) -> None:
        """Have shards here, side by side."""
        self.at.fetch(shards)

    def expect(self, shards: Sequence[int]) -> None:
        """Have shards here soon."""
        self.at.expect(shards)

    def name(self, shard: int) -> str:
        """Return a shard's name in messages."""
        return str(self.at.names[shard])


class TarShard:
    """A shard on this machine, with the positions of its pairs, 16 bytes for each."""

    def __init__(self, path: Callable[[], Path], image: str, caption: str, by_label: Any) -> None:
        """Read the shard's headers; `path` returns its file, which may have to be fetched again.

        `image` and `caption` are as in the row's params. `by_label` holds the captions of each
        class, where they come from templates.
        """
        self.path, self.caption, self.by_label = path, caption, by_label
        self.image = image
        self.ending = ".cls" if caption == TEMPLATES else f".{caption.partition(':')[0]}"
        spans = places_of(path(), image, self.ending)
        for column in OFFSETS:
            spans[:, column] //= HEADER
        self.spans: np.ndarray = spans.astype(np.uint32)

    def __len__(self) -> int:
        return len(self.spans)

    def read(self, place: int) -> bytes:
        """Return the image of a pair."""
        return self._span(*self.spans[place, :2].tolist())

    def texts(self, place: int) -> list[str]:
        """Return the captions of a pair; none where its text is blank, or its class has no name."""
        text = self._span(*self.spans[place, 2:].tolist())
        if self.caption != TEMPLATES:
            return texts_in(text, self.caption)
        with suppress(ValueError):
            if 0 <= int(text) < len(self.by_label):
                return list(self.by_label[int(text)])
        return []

    def key(self, place: int) -> str:
        """Return a pair's name, which is read from the file."""
        return pairs_of(self.path(), self.image, self.ending)[place][0]

    def _span(self, block: int, size: int) -> bytes:
        with suppress(FileNotFoundError):
            return span(self.path(), block * HEADER, size)
        # The copy was removed from the cache between the two calls, so it is fetched once more
        return span(self.path(), block * HEADER, size)


def _text(file: Path) -> str | None:
    """Return the text of a file; None where there is none."""
    try:
        return file.read_text(errors="replace")
    except FileNotFoundError:
        return None
