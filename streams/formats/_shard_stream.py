"""Open a split of tar shards as a stream of shards: list the shards, get their sizes.

Options that need a table of pairs are refused with a message: single classes as concepts, bounded
buffers and a split by `test_share`.

Shapes: S shards.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streams import DatasetError, FetchedTo
from streams.formats._disk import DAMAGES, locked, saved, version_of
from streams.formats._headers import places_of
from streams.formats._labels import by_label
from streams.formats._names import PackedNames
from streams.formats._places import is_pattern, matching, part, place_and_pattern
from streams.formats._shard_cache import ShardCache
from streams.formats._shard_list import SIZES, sizes_of
from streams.formats._shard_pairs import ShardPairs
from streams.formats._tar_shards import TEMPLATES, AtAddress, OnDisk, Place, TarShard, TarShards

# The version of the definition of a pair; a new version makes shards be counted again.
VERSION = 1


def stream_of_disk(form: Any, dataset: Mapping[str, Any], data: Path, contents: str) -> ShardPairs:
    """Return the training pairs of shards below the data folder.

    Messages say that the location should hold `contents`.

    Raises:
        DatasetError: no such location, no shards, or an option that a stream does not support.
    """
    about = checked(form, dataset)
    top, pattern = place_and_pattern(dataset, data, part(form, "train"), contents)
    names = PackedNames(_names_below(about, top, pattern))
    place = OnDisk(top, names)
    sizes = sizes_of(about, names, place.read_sizes, str(top))
    if sizes is None:
        sizes = _counted(data / "sizes", top, names, form.image, _ending(form))
    return _stream(form, dataset, place, sizes)


def stream_at_address(
    form: Any, dataset: Mapping[str, Any], data: Path, root: str, addresses: Iterator[str]
) -> ShardPairs:
    """Return the training pairs of shards at addresses that begin with `root`.

    Raises:
        DatasetError: there is no sizes.json, or an option that a stream does not support.
    """
    about = checked(form, dataset)
    names = PackedNames(address.removeprefix(root) for address in addresses)
    fetched: FetchedTo = dataset.get("fetched_to") or FetchedTo(data / "fetched", sys.maxsize)
    cache = ShardCache(about, fetched.folder / "shards", fetched.budget_bytes)
    place = AtAddress(root, names, cache)
    sizes = sizes_of(about, names, place.read_sizes, root.rstrip("/"))
    if sizes is None:
        raise DatasetError(
            f"{about}: a stream of shards at an address needs to know how many pairs each shard "
            f"has, and there is no {root}{SIZES} that this machine may read. Put one there, as "
            '{"00000.tar": 9731, ...}, or leave lanes out, and all shards are fetched first.'
        )
    return _stream(form, dataset, place, sizes)


def _stream(form: Any, dataset: Mapping[str, Any], place: Place, sizes: np.ndarray) -> ShardPairs:
    """Return the pairs of shards with these sizes."""
    about = f"dataset {dataset['name']!r}"
    if not sizes.any():
        raise DatasetError(
            f"{about}: none of the {len(sizes)} shards has a pair with an image and a caption "
            f"({form.caption}). `caption` in the row's params says where captions are, and `image` "
            "which member is the image."
        )
    captions: list[list[str]] = []
    if form.caption == TEMPLATES:
        captions = by_label(dataset, dataset["classes"], np.empty(0, np.int64))
    open_one: Callable[..., TarShard] = partial(
        TarShard, image=form.image, caption=form.caption, by_label=captions
    )
    return ShardPairs(dataset, form, TarShards(place, sizes, open_one))


def checked(form: Any, dataset: Mapping[str, Any], has_names: bool = False) -> str:
    """Check for options that a stream does not support; return the dataset's name in messages.

    `has_names` says whether the files name the classes, in case the row does not.

    Raises:
        DatasetError: names the option that it does not support.
    """
    about = f"dataset {dataset['name']!r}"
    if form.train == form.test and form.test_share:
        raise DatasetError(
            f"{about}: test_share splits a place by the name of each pair, which a stream of "
            "shards (lanes) does not know. Name two places with train and test, or leave lanes out."
        )
    if form.block_shards < 1:
        raise DatasetError(
            f"{about}: block_shards is {form.block_shards}; a lane permutes the pairs of so many "
            "shards at a time, at least 1."
        )
    if form.caption in ("", TEMPLATES) and not (dataset["classes"] or has_names):
        raise DatasetError(
            f"{about}: captions from templates need the names of the classes, and the row has "
            "none. Name them, or take captions from elsewhere."
        )
    return about


def _ending(form: Any) -> str:
    """Return the ending of the member that holds the text."""
    return ".cls" if form.caption == TEMPLATES else f".{form.caption.partition(':')[0]}"


def _names_below(about: str, top: Path, pattern: str) -> Iterator[str]:
    """Yield the shards that a sub-location means, from `top`, sorted.

    Raises:
        DatasetError: as `matching`.
    """
    if is_pattern(pattern) or not (top / pattern).is_dir():
        for file in matching(about, top, pattern, ".tar"):
            yield file.relative_to(top).as_posix()
        return
    names = []
    for folder, _, files in os.walk(top / pattern):
        start = os.path.relpath(folder, top)
        prefix = "" if start == "." else f"{start}/"
        names += [f"{prefix}{file}" for file in files if _is_shard(file)]
    if not names:
        # Raises the same error as other formats
        matching(about, top, pattern, ".tar")
    yield from sorted(names)


def _is_shard(file: str) -> bool:
    return file.endswith(".tar") and not file.startswith(".")


def _counted(folder: Path, top: Path, names: PackedNames, image: str, text: str) -> np.ndarray:
    """Return the number of pairs of each shard, (S,) int32, counted once per machine.

    Raises:
        DatasetError: a shard is incomplete.
    """
    about = hashlib.sha256(f"{VERSION} {image} {text} {names.digest}".encode())
    for name in names:
        about.update(version_of(top / name, "").encode())
    file = folder / f"{about.hexdigest()[:32]}.npy"
    folder.mkdir(parents=True, exist_ok=True)
    # The first process reads every header, and others wait for it
    with locked(folder / f".lock-{file.stem}"):
        with suppress(*DAMAGES):
            known: np.ndarray = np.load(file)
            if known.shape == (len(names),):
                return known
        counts = np.zeros(len(names), np.int32)
        for shard, name in enumerate(names):
            counts[shard] = len(places_of(top / name, image, text))
        saved(file, counts)
        return counts
