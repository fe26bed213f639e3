"""A pool as a list of shards with their sizes: some 30 bytes and the name for each of them.

    pool/sizes.json     {"00000.tar": 9731, "00001.tar": 9698, ...}

The sizes are those of `sizes.json` beside the shards, as open_clip's tools and WebDataset's write
it. Names in it start at its folder. Without one the headers of shards on the disk are read, once on
a machine; of shards at an address nothing is known before they are fetched, so they need it.

Shapes: S shards.
"""

import json
import re
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
# The text of a file sizes.json, by the folder that it lies in; None: there is none in it.
Reader = Callable[[str], str | None]
# A name and its number, as a file in the order of the shards has them.
ENTRY = re.compile(r'\s*"([^"\\]*)"\s*:\s*(\d{1,9})\s*([,}])')


def sizes_of(about: str, names: Sequence[str], read: Reader, where: str) -> np.ndarray | None:
    """Return (S,) int32: how many pairs each shard has, as a file beside it says; None: none is.

    `read`: the text of a sizes.json. `where`: what the names start at, for messages.

    Raises:
        DatasetError: a file says nothing of a shard, or something else than numbers of pairs.
    """
    top = read("")
    if top is not None:
        in_order = _in_order(top, names)
        if in_order is not None:
            return in_order
    by_folder: dict[str, Mapping[str, Any] | None] = {"": _checked(about, where, top)}
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


def _in_order(text: str, names: Sequence[str]) -> np.ndarray | None:
    """Return (S,) int32 where a text has the shards alone, in their order; None: it has not.

    So no table of millions of names is made of it.
    """
    sizes: np.ndarray = np.zeros(len(names), np.int32)
    at, end = text.find("{") + 1, ","
    if text[:at].strip() != "{":
        return None
    for shard, name in enumerate(names):
        entry = ENTRY.match(text, at)
        if entry is None or end != "," or entry[1] != name:
            return None
        sizes[shard], end, at = int(entry[2]), entry[3], entry.end()
    return sizes if end == "}" and not text[at:].strip() else None


def _checked(about: str, where: str, text: str | None) -> Mapping[str, Any] | None:
    """Return what the text of a sizes.json holds, if it is numbers of pairs by name."""
    if text is None:
        return None
    try:
        value: Any = json.loads(text)
    except ValueError:
        value = text[:80]
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
