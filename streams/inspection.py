"""Remarks on oddities of a dataset, which a person should read before training on it: a sentence
for each.

Contradictions between row and files are not found here: a format raises an error for them when it
is opened.
"""

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from streams import DatasetError, Pairs
from streams.formats._files import UNREADABLE, Files
from streams.formats._places import files_below
from streams.formats._shard_pairs import ShardPairs
from streams.formats._unused import first_names, printable
from streams.pictures import ORIENTATION, hides_colours, opened_picture
from streams.shard_remarks import of_shards

SPLITS = ("train", "test")
# How many images of a split are decoded, unless every one is asked for.
TRIED = 32
# How many images are decoded at once, so that memory stays bounded.
CHUNK = 256
# The most names in a sentence.
SHOWN = 5
# The share of test images found in the training split from which the splits are refused.
SAME = 0.999
Row = Mapping[str, Any]


def chosen(name: str, pairs: int, count: int) -> np.ndarray:
    """Return min(count, pairs) ascending indices that depend only on the name and the size."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return np.sort(rng.choice(pairs, min(count, pairs), replace=False))


def some_of(name: str, pairs: Pairs, count: int) -> np.ndarray:
    """Return the indices of up to `count` pairs to inspect, (min(count, N),).

    For a stream of shards all are of one shard, as any other might have to be fetched whole.
    """
    if not isinstance(pairs, ShardPairs):
        return chosen(name, len(pairs), count)
    size = int(pairs.sizes[np.flatnonzero(pairs.sizes)[0]])
    return chosen(name, size, count)


def of_split(row: Row, split: str, pairs: Pairs, every: bool) -> Iterator[str]:
    """Yield remarks on one split; `every` decodes all images instead of some.

    Raises:
        DatasetError: too many images cannot be read.
    """
    if not isinstance(pairs, ShardPairs):
        yield from _labels(row, split, pairs)
    places = np.arange(len(pairs)) if every else some_of(row["name"], pairs, TRIED)
    for first in range(0, len(places), CHUNK):
        pairs.images(places[first : first + CHUNK])
    if isinstance(pairs, ShardPairs):
        yield from (f"{split}: {line}" for line in pairs.lines())
        yield from of_shards(pairs)
    if isinstance(pairs, Files):
        yield from _unreadable(split, pairs, len(places))
        yield from _pictures(split, pairs, places)
        yield from _captions(split, pairs, places)
    batch_pairs = row.get("batch_pairs")
    if split == "train" and batch_pairs is not None and batch_pairs > len(pairs):
        yield (
            f"{split}: its {len(pairs):,} pairs are fewer than a batch of {batch_pairs:,}, the "
            "largest "
            "that a trial over it wants: a batch would hold pairs more than once"
        )


def of_place(row: Row, opened: Mapping[str, Pairs], data: Path) -> Iterator[str]:
    """Yield remarks on files at a dataset's location that none of its splits uses.

    `opened` must hold all splits.
    """
    sentences: dict[str, str] = {}
    covered: set[Path] = set()
    for split, pairs in opened.items():
        if not isinstance(pairs, Files):
            return
        # Splits of one location give the same remarks, which are yielded once.
        for line in pairs.unused.lines():
            sentences.setdefault(line, split)
        for remark in pairs.remarks:
            sentences.setdefault(remark, split)
        covers = getattr(pairs.source, "covers", None)
        # A source that does not list its files may use everything in the data folder.
        if covers is None:
            covers = [Path(data)]
        covered.update(covers)
    for line, split in sentences.items():
        yield f"{split}: {line}"
    elsewhere = []
    for split in SPLITS:
        if split not in opened:
            elsewhere.append(str(row["params"].get(split, "")))
    # A split that is not wanted and has no location of its own may use any file.
    if all(elsewhere):
        yield from _beside(row, covered, elsewhere, data)


def of_both(row: Row, train: Pairs, test: Pairs, every: bool) -> Iterator[str]:
    """Yield a remark if test images are also in the training split, byte for byte.

    Raises:
        DatasetError: all inspected ones are, so nothing would be measured on unseen images.
    """
    if not isinstance(train, Files) or not isinstance(test, Files):
        return
    if not hasattr(train.source, "size") or not hasattr(test.source, "size"):
        return
    places = np.arange(len(test))
    if not every:
        places = chosen(row["name"], len(test), TRIED)
    twins = _twins(train, test, places)
    if len(twins) > SAME * len(places):
        raise DatasetError(
            f"dataset {row['name']!r}: all {len(places)} test images looked at are training images "
            f"too, byte for byte ({_listed(twins)}), so nothing would be measured on images that "
            "were "
            "not learned from. Name two places with train and test, or split one with test_share."
        )
    if twins:
        yield (
            f"test: {len(twins)} of the {len(places)} images looked at lie in the training split "
            "too, "
            f"byte for byte: {_listed(twins)}"
        )


def of_row(row: Row) -> Iterator[str]:
    """Yield remarks on the row itself."""
    if row["kind"] == "classification" and not row["classes"]:
        yield "its row names no classes: a trial over it is refused until they are in"
    first: dict[str, str] = {}
    for name in row["classes"]:
        key = " ".join(name.casefold().split())
        if key in first:
            yield f"classes {first[key]!r} and {name!r} differ in case or blanks alone"
        first.setdefault(key, name)


def _labels(row: Row, split: str, pairs: Pairs) -> Iterator[str]:
    """Yield remarks on pairs without a class, and classes without pairs."""
    if row["kind"] != "classification":
        return
    unlabelled, met = int((pairs.labels < 0).sum()), set(pairs.labels.tolist())
    if unlabelled:
        yield (
            f"{split}: {unlabelled:,} of {len(pairs):,} pairs have no label: they are of no class"
        )
    without = [name for label, name in enumerate(row["classes"]) if label not in met]
    if without:
        yield (
            f"{split}: no images of {len(without)} of the {len(row['classes'])} classes: "
            f"{_listed(without)}"
        )


def _unreadable(split: str, pairs: Files, tried: int) -> Iterator[str]:
    """Yield a remark on images that cannot be read, with the reason."""
    if pairs.corrupt:
        named = []
        for name in pairs.corrupt:
            named.append(f"{name} ({pairs.unreadable.reasons[name]})")
        yield (
            f"{split}: {len(pairs.corrupt)} of the {tried} images tried cannot be read: "
            f"{_listed(named)}. Fetch them again"
        )


def _pictures(split: str, pairs: Files, places: np.ndarray) -> Iterator[str]:
    """Yield remarks on pictures with colours under transparent pixels, and on rotated ones."""
    hiding, turned = [], []
    for place in places.tolist():
        try:
            picture = pairs.source.read(int(pairs.items[place]))
            if pairs.background is None and hides_colours(picture):
                hiding.append(pairs.name(place))
            if not pairs.upright and _orientation(picture) != 1:
                turned.append(pairs.name(place))
        except UNREADABLE:
            # It was counted as unreadable already.
            continue
    if hiding:
        yield (
            f"{split}: {len(hiding)} of the {len(places)} images tried hide colours under clear "
            f"pixels, which may show, as with open_clip: {_listed(hiding)}. "
            '"background": "white" in params puts them on white'
        )
    if turned:
        yield (
            f"{split}: {len(turned)} of the {len(places)} images tried are stored on their side, "
            "by "
            f'their EXIF: {_listed(turned)}. "upright": true in params turns them'
        )


def _orientation(picture: bytes | Image.Image) -> int:
    """Return the EXIF orientation of a picture; 1 means upright or not given."""
    with opened_picture(picture) as opened:
        return int(opened.getexif().get(ORIENTATION, 1))


def _captions(split: str, pairs: Files, places: np.ndarray) -> Iterator[str]:
    """Yield a remark on captions that look like a list written as one text."""
    lists = []
    for place in places.tolist():
        for text in pairs.source.texts(int(pairs.items[place])):
            if _is_list(text):
                lists.append(pairs.name(place))
                break
    if lists:
        yield (
            f"{split}: the captions of {len(lists)} of the {len(places)} pairs looked at are one "
            "text "
            f"that reads as a list of several: {_listed(lists)}. Write them as lists"
        )


def _is_list(text: str) -> bool:
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return False
    try:
        return isinstance(json.loads(text), list)
    except ValueError:
        # This is no JSON, but the beginning of Python's repr of a list of strings.
        return text[1:2] in "'\""


def _twins(train: Files, test: Files, places: np.ndarray) -> list[str]:
    """Return the names of test images whose bytes equal those of a training image."""
    # Files of different sizes differ, so only those of a common size are read.
    sizes: dict[int, list[int]] = {}
    for place in places.tolist():
        sizes.setdefault(_size(test, place), []).append(place)
    digests: dict[bytes, list[str]] = {}
    for size, some in sizes.items():
        # A missing image has no bytes to compare.
        if size <= 0:
            continue
        for place in some:
            digests.setdefault(_digest(test, place), []).append(test.name(place))
    twins: set[str] = set()
    for place in range(len(train)):
        if _size(train, place) in sizes:
            twins.update(digests.get(_digest(train, place), ()))
    return sorted(twins)


def _size(pairs: Files, place: int) -> int:
    """Return the size of an image in bytes; -1 where it does not exist."""
    try:
        return int(pairs.source.size(int(pairs.items[place])))  # type: ignore[attr-defined]
    except FileNotFoundError:
        return -1


def _digest(pairs: Files, place: int) -> bytes:
    try:
        picture = pairs.source.read(int(pairs.items[place]))
    except FileNotFoundError:
        return b""
    assert isinstance(picture, bytes)
    return hashlib.blake2b(picture, digest_size=16).digest()


def _beside(row: Row, covered: set[Path], elsewhere: list[str], data: Path) -> Iterator[str]:
    """Yield a remark on files at the location that belong to no split, counted by ending.

    `covered` are the files that the opened splits use, `elsewhere` the sub-locations of the other
    splits.
    """
    location = data / str(row["location"])
    if not location.is_dir() or location.resolve() == data.resolve():
        # A location that is a file, or the data folder that all datasets share, is not checked.
        return
    # Real paths are compared, as a location may be reached through links.
    covered = {path.resolve() for path in covered}
    for pattern in elsewhere:
        covered |= {path.resolve() for path in location.glob(pattern)}
    if location.resolve() in covered or data.resolve() in covered:
        return
    beside = []
    for name in files_below(location):
        path = (location / name).resolve()
        if path not in covered and covered.isdisjoint(path.parents):
            beside.append(printable(name))
    if beside:
        endings = Counter(Path(name).suffix or "no ending" for name in beside)
        counts = ", ".join(f"{ending} {count:,}" for ending, count in endings.most_common(SHOWN))
        yield f"{len(beside):,} files at its place belong to no split ({counts}): {_listed(beside)}"


def _listed(names: Sequence[str]) -> str:
    return first_names(names, SHOWN)
