"""A pool as a list of shards with their sizes: some 30 bytes and the name for each of them.

    pool/sizes.json     {"00000.tar": 9731, "00001.tar": 9698, ...}

The sizes are those of `sizes.json` beside the shards, as open_clip's tools and WebDataset's write
it. Names in it start at its folder. Without one the headers of shards on the disk are read, once on
a machine; of shards at an address nothing is known before they are fetched, so they need it.

Shapes: S shards.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from streams import DatasetError
from streams.formats._unused import first_names

SIZES = "sizes.json"
# How many shards without a size an error names.
SHOWN = 3
# The most pairs of one shard.
MOST = 2**31 - 1
# What a file sizes.json holds, by the folder that it lies in; None: there is none in it.
Reader = Callable[[str], Any]


def sizes_of(about: str, names: Sequence[str], read: Reader, where: str) -> np.ndarray | None:
    """Return (S,) int32: how many pairs each shard has, as a file beside it says; None: none is.

    `read`: the content of a sizes.json. `where`: what the names start at, for messages.

    Raises:
        DatasetError: a file says nothing of a shard, or something else than numbers of pairs.
    """
    by_folder: dict[str, Mapping[str, Any] | None] = {"": _checked(about, where, read(""))}
    sizes, missing = np.zeros(len(names), np.int32), list[str]()
    for shard, name in enumerate(names):
        size = (by_folder[""] or {}).get(name)
        folder, slash, base = name.rpartition("/")
        if size is None and slash:
            if folder not in by_folder:
                place = f"{where}/{folder}"
                by_folder[folder] = _checked(about, place, read(folder))
            size = (by_folder[folder] or {}).get(base)
        if size is None:
            missing.append(name)
        else:
            sizes[shard] = size
    if len(missing) == len(names) and not any(by_folder.values()):
        return None
    if missing:
        raise DatasetError(
            f"{about}: {SIZES} says nothing of {len(missing)} of the {len(names)} shards in "
            f"{where}: {first_names(missing, SHOWN)}. Write how many pairs each shard has, by its "
            "name from the folder of the file, or remove the file where the shards are on the disk."
        )
    return sizes


def _checked(about: str, where: str, value: Any) -> Mapping[str, Any] | None:
    """Return what a sizes.json holds, if it is numbers of pairs by name."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        for name, size in value.items():
            if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= MOST:
                value = {name: size}
                break
        else:
            return value
    shown = json.dumps(value)[:80]
    raise DatasetError(
        f"{about}: {where}/{SIZES} holds {shown}; it must give a number of pairs to the name of "
        'each shard, as {"00000.tar": 9731}'
    )
