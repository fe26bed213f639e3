"""A pool as a list of shards with their sizes: some 30 bytes and the name for each of them.

    pool/sizes.json     {"00000.tar": 9731, "00001.tar": 9698, ...}

The sizes come from `sizes.json` beside the shards, which the tools of open_clip and WebDataset
write. Its names are relative to its folder. Without it the headers of shards on the disk are read,
once per machine. For shards at an address it is required, as their sizes are unknown before they
are fetched.

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
# The most shards without a size that an error names.
SHOWN = 3
# The most pairs that one shard may have.
MOST = 2**31 - 1
# Returns the text of the sizes.json in a folder; None if there is none.
Reader = Callable[[str], str | None]
# Matches a name with its number in the text of a sizes.json.
ENTRY = re.compile(r'\s*"([^"\\]*)"\s*:\s*(\d{1,9})\s*([,}])')


def sizes_of(about: str, names: Sequence[str], read: Reader, where: str) -> np.ndarray | None:
    """Return the number of pairs of each shard, (S,) int32, from sizes.json; None without one.

    `read` returns the text of the sizes.json in a folder. `where` is the folder of the names, for
    messages.

    Raises:
        DatasetError: a shard is missing in the file, or a value is no number of pairs.
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
    """Return the sizes (S,) int32 if the text lists just these shards, in order; else None.

    This avoids a dict of millions of names.
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
    """Parse the text of a sizes.json, and check that it maps names to numbers of pairs."""
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
