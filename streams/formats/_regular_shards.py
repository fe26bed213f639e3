"""The headers of a regular tar shard, read by columns: where its pairs lie, in a microsecond each.

Shards as the tools write them hold sample after sample, all with the same members, under short
names. Then only the chain of headers is walked one by one, and all else is compared at once. A
shard that is not so is left to `_headers.py`, which reads any.

Shapes: M members, n samples of k members each, W bytes of a name.
"""

import mmap
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streams.formats._header_words import FILE, HEADER, KINDS, MORE, SIGN, WORDS
from streams.formats._samples import image_of

# Where the fields of a header are (POSIX ustar), and one more behind each
NAME_END, SIZE, KIND, SIGNED, PREFIX = 99, (124, 135), 156, (257, 262), 345
# Columns of names that are looked at: the fewest within which all names end
WIDTHS = (16, 32, 64, 100)
SLASH, DOT = ord("/"), ord(".")
# What no name of ASCII has
BEYOND_ASCII = 128


class Members(NamedTuple):
    """The members of a shard that are files."""

    # (M, W) uint8, with zeros behind each name
    names: np.ndarray
    # (M,) int64, in bytes
    offsets: np.ndarray
    sizes: np.ndarray


def spans_of(file: Path, image: str, text: str) -> np.ndarray | None:
    """Return (n, 4) int64: offset and bytes of the image and of the text of each pair.

    None: the shard is not regular, or not whole. `image`, `text`: the endings, as in
    `_headers.pairs_of`, whose answer this is where there is one.
    """
    members = _members(file)
    if members is None or not len(members.names):
        return None
    dots = _first_dots(members.names)
    if dots is None:
        return None
    count = _members_of_a_sample(members.names, dots)
    if count is None:
        return None
    endings = _endings(members.names, dots, count)
    if endings is None:
        return None
    # Of two of one name the last counts, as in a tar
    places = {ending: (place, 0) for place, ending in enumerate(endings)}
    picture = image_of(places, image)
    if picture is None or text not in places:
        return np.empty((0, 4), np.int64)
    columns = []
    for ending in (picture, text):
        place, _ = places[ending]
        columns += [members.offsets[place::count], members.sizes[place::count]]
    return np.stack(columns, 1)


def _members(file: Path) -> Members | None:
    """Return the files of a tar whose members have one header each; None: some have more."""
    size_bytes = file.stat().st_size
    if size_bytes < HEADER:
        return None
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as tar:
        walked = _walked(tar, size_bytes)
        if walked is None:
            return None
        starts, sizes = walked
        content = np.frombuffer(tar, np.uint8, size_bytes // HEADER * HEADER)
        members = _plain(content.reshape(-1, HEADER), starts, sizes)
        # A map that an array looks into cannot be closed
        del content
    return members


def _walked(tar: mmap.mmap, size_bytes: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return (M,) int64 where each header is, and how many bytes follow it; None: it ends early."""
    starts, sizes, at = list[int](), list[int](), 0
    first, last = SIZE
    while at + HEADER <= size_bytes:
        # Two empty blocks end a tar; whatever follows is padding
        if not tar[at]:
            return np.array(starts, np.int64), np.array(sizes, np.int64)
        try:
            size = int(tar[at + first : at + last], 8)
        # A number in base 256, or no tar
        except ValueError:
            return None
        starts.append(at)
        sizes.append(size)
        at += HEADER + -(-size // HEADER) * HEADER
    return None


def _plain(blocks: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> Members | None:
    """Return the members that are files; None: some header needs more than a look.

    blocks: (b, 512) uint8, the whole tar.
    """
    at = starts // HEADER
    kinds = blocks[:, KIND][at]
    signs = blocks[:, slice(*SIGNED)][at]
    # A name that fills its field may go on in the prefix
    further = blocks[:, NAME_END][at].any() or blocks[:, PREFIX][at].any()
    if further or not np.isin(kinds, list(KINDS)).all():
        return None
    if not (signs == np.frombuffer(SIGN, np.uint8)).all():
        return None
    extends = kinds == MORE
    if extends.any():
        if sizes[extends].max() > HEADER:
            return None
        extended = blocks[at[extends] + 1].tobytes()
        if any(word in extended for word in WORDS):
            return None
    files = np.isin(kinds, FILE)
    names = _names(blocks, at[files])
    if names is None:
        return None
    return Members(names, starts[files] + HEADER, sizes[files])


def _names(blocks: np.ndarray, at: np.ndarray) -> np.ndarray | None:
    """Return (M, W) uint8: names with zeros behind each; None: one is too long, or unusual."""
    for width in WIDTHS:
        if not blocks[:, width - 1][at].any():
            names: np.ndarray = blocks[:, :width][at]
            break
    else:
        return None
    # Whatever stands behind the zero that ends a name is no part of it
    ended = np.logical_or.accumulate(names == 0, axis=1)
    names[ended] = 0
    # What begins with ./ is another way to write the same name
    dotted = (names[:, 0] == DOT) & (names[:, 1] == SLASH)
    if dotted.any() != dotted.all() or (names >= BEYOND_ASCII).any():
        return None
    return names


def _first_dots(names: np.ndarray) -> np.ndarray | None:
    """Return (M,): where the ending of each name begins; None: a name has none, or is hidden."""
    places = np.arange(names.shape[1])
    # The last slash, whose place is the largest
    base = np.where(names == SLASH, places + 1, 0).max(1)
    dotted = (names == DOT) & (places >= base[:, None])
    dots: np.ndarray = np.where(dotted, places, names.shape[1]).min(1)
    if (dots == names.shape[1]).any() or (dots == base).any():
        return None
    return dots


def _members_of_a_sample(names: np.ndarray, dots: np.ndarray) -> int | None:
    """Return how many members each sample has; None: not all have as many, one after the other."""
    keys = np.where(np.arange(names.shape[1]) < dots[:, None], names, 0)
    begins = np.flatnonzero((keys[1:] != keys[:-1]).any(1)) + 1
    begins = np.concatenate([[0], begins])
    count = len(names) // len(begins)
    if not np.array_equal(begins, np.arange(0, len(names), count)):
        return None
    # A sample may go on behind others
    known = set(np.ascontiguousarray(keys[begins]).view(f"S{names.shape[1]}")[:, 0].tolist())
    return count if len(known) == len(begins) else None


def _endings(names: np.ndarray, dots: np.ndarray, count: int) -> list[str] | None:
    """Return the endings, in small letters, of a sample's members; None: not all have the same."""
    width = names.shape[1]
    places = dots[:, None] + np.arange(width)
    endings = np.take_along_axis(names, np.minimum(places, width - 1), axis=1)
    capital = (endings >= ord("A")) & (endings <= ord("Z"))
    endings[capital] += ord("a") - ord("A")
    samples = endings.reshape(-1, count, width)
    if not (samples == samples[0]).all():
        return None
    return [bytes(ending).rstrip(b"\0").decode() for ending in samples[0]]
