"""The headers of a tar shard, read in one pass when the shard arrives: where its pairs lie.

A header is 512 bytes (POSIX ustar): a name of 100, a size in octal at 124, a kind at 156, a prefix
of the name at 345. Shards written by the usual tools have at most one more header per member, a pax
header with fractional times. Shards with long names, large sizes or other extensions are read by
`tarfile`, which takes ten times as long. Reading headers is so fast that no index is kept on the
disk.
"""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from streams import DatasetError
from streams.formats._header_words import FOLDER, HEADER, KINDS, MORE, SIGN, WORDS
from streams.formats._regular_shards import spans_of
from streams.formats._samples import image_of, key_and_ending
from streams.formats._tars import members

# Name, size, kind, sign, and the first byte of the prefix.
FIELDS = struct.Struct("100s24x12s20xB100x5s83xB166x")


# Offset and bytes of a pair's image, then of its text
Where = tuple[int, int, int, int]


def pairs_of(file: Path, image: str, text: str) -> list[tuple[str, Where]]:
    """Return the keys of a shard's pairs and their positions, in the order of its samples.

    `image` is the ending of the image member; empty: that of any kind of picture. `text` is the
    ending of the text member.

    Raises:
        DatasetError: not a whole, uncompressed tar.
    """
    samples: dict[str, dict[str, tuple[int, int]]] = {}
    for name, offset, size in headers(file):
        key, ending = key_and_ending(name)
        samples.setdefault(key, {})[ending] = (offset, size)
    pairs = []
    for key, parts in samples.items():
        picture = image_of(parts, image)
        if picture is None or text not in parts or key.rpartition("/")[2].startswith("."):
            continue
        pairs.append((key, parts[picture] + parts[text]))
    return pairs


def places_of(file: Path, image: str, text: str) -> np.ndarray:
    """Return (n, 4) int64: the same of each pair without the keys, at once where that can be.

    Raises:
        DatasetError: not a whole, uncompressed tar.
    """
    places = spans_of(file, image, text)
    if places is None:
        pairs = pairs_of(file, image, text)
        places = np.array([where for _, where in pairs], np.int64).reshape(-1, 4)
    return places


def headers(file: Path) -> Iterator[tuple[str, int, int]]:
    """Yield name, offset of the data and size of every file in a tar, in its order.

    Raises:
        DatasetError: not a whole, uncompressed tar.
    """
    plain = _plain(file)
    if plain is None:
        plain = list(members(file))
    yield from plain


def _plain(file: Path) -> list[tuple[str, int, int]] | None:
    """Return the files of a tar whose members have one header each; None if some have more."""
    files, at = list[tuple[str, int, int]](), 0
    size_bytes = file.stat().st_size
    if size_bytes < HEADER:
        return None
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as tar:
        while at + HEADER <= size_bytes:
            name, digits, kind, sign, prefix = FIELDS.unpack_from(tar, at)
            if not name[0]:
                # Two empty blocks end a tar; whatever follows is padding
                return files
            # With a prefix the name is split over two fields
            if prefix or sign != SIGN or kind not in KINDS or name[-1]:
                return None
            try:
                name = name[: name.index(0)].decode()
                size = int(digits[:11], 8)
            # The name is not UTF-8, or the size is in base 256
            except ValueError:
                return None
            if at + HEADER + size > size_bytes:
                raise _cut_off(file, name)
            if kind == MORE:
                extended = tar[at + HEADER : at + HEADER + size]
                if any(word in extended for word in WORDS):
                    return None
            elif kind != FOLDER:
                files.append((name.removeprefix("./"), at + HEADER, size))
            at += HEADER + -(-size // HEADER) * HEADER
    if at < size_bytes:
        raise _cut_off(file, "a header")
    # Without final blocks: cut off between two members, or written without them
    return None


def _cut_off(file: Path, within: str) -> DatasetError:
    """Return the error for a tar that ends within something (`within`)."""
    return DatasetError(
        f"{file} is not a whole, uncompressed tar file (it ends within {within}). Fetch it again, "
        "or unpack it."
    )
