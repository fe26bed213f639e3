"""Tar shards as a stream of shards takes them: a list with sizes, each opened when drawn from."""

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
# Of a pair's numbers: the offsets, which are multiples of a header.
OFFSETS = (0, 2)


class Place(Protocol):
    """Where shards lie: on a disk, or at an address."""

    @property
    def names(self) -> PackedNames:
        """Return what the shards are called, from where they lie."""
        ...

    def path(self, shard: int) -> Path:
        """Return the file of a shard, fetched where it is not here."""
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
        """`root` ends with a slash; names start from it."""
        self.root, self.names, self.cache = root, names, cache

    def path(self, shard: int) -> Path:
        """Return the copy of a shard, fetched where it is not here."""
        return self.cache.get(self.root + self.names[shard])

    def fetch(self, shards: Sequence[int]) -> None:
        """Have shards fetched, side by side."""
        self.cache.get_all([self.root + self.names[shard] for shard in shards])

    def expect(self, shards: Sequence[int]) -> None:
        """Have shards fetched beside the work."""
        self.cache.ahead.want([self.root + self.names[shard] for shard in shards])

    def read_sizes(self, folder: str) -> str | None:
        """Return the text of the sizes.json of a folder; None: there is none."""
        address = self.root + "/".join(step for step in (folder, SIZES) if step)
        with suppress(_remote.AbsentError):
            return _text(self.cache.get(address))
        return None


class TarShards:
    """The S tar shards of a split, by number."""

    def __init__(
        self, place: Place, sizes: np.ndarray, open_one: Callable[..., "TarShard"]
    ) -> None:
        """`sizes` (S,) are those of the list; `open_one` opens a shard by what gives its path."""
        self.at, self.sizes, self.open_one = place, sizes, open_one

    @property
    def digest(self) -> str:
        """Return what changes with the shards, their order or their sizes."""
        content = hashlib.sha256(self.at.names.digest.encode())
        content.update(self.sizes.astype("<i8").tobytes())
        return content.hexdigest()[:32]

    def open(self, shard: int) -> "TarShard":
        """Return a shard, fetched where it is not here."""
        return self.open_one(partial(self.at.path, shard))

    def fetch(self, shards: Sequence[int]) -> None:
        """Have shards here, side by side."""
        self.at.fetch(shards)

    def expect(self, shards: Sequence[int]) -> None:
        """Have shards here soon."""
        self.at.expect(shards)

    def name(self, shard: int) -> str:
        """Return what a shard is called in messages."""
        return str(self.at.names[shard])


class TarShard:
    """One shard that has arrived: where its pairs lie in it, 16 bytes for each."""

    def __init__(self, path: Callable[[], Path], image: str, caption: str, by_label: Any) -> None:
        """`path` gives its file, which another process may have pushed out of the cache since.

        `image`, `caption`: as in the row's params. `by_label`: the captions of each class, where
        they are templates.
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
        """Return what a pair is called, which is read anew."""
        return pairs_of(self.path(), self.image, self.ending)[place][0]

    def _span(self, block: int, size: int) -> bytes:
        with suppress(FileNotFoundError):
            return span(self.path(), block * HEADER, size)
        # Pushed out between the two: once more
        return span(self.path(), block * HEADER, size)


def _text(file: Path) -> str | None:
    """Return the text of a file; None where there is none."""
    try:
        return file.read_text(errors="replace")
    except FileNotFoundError:
        return None
