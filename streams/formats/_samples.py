"""The samples of a tar shard: which members are an image, a caption and a class, and which are not
used.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from streams import DatasetError
from streams.formats._disk import Arrays, span
from streams.formats._tars import members
from streams.formats._unused import (
    ANOTHER,
    HIDDEN,
    NO_CAPTION,
    NO_IMAGE,
    REPEATED,
    Unused,
)
from streams.pictures import SUFFIXES

# The members of a sample by ending: the offset of each, and its size in bytes.
Parts = dict[str, tuple[int, int]]


def index_of(file: Path, image: str, caption: str) -> Arrays:
    """Return the positions of a shard's pairs, in the order of its samples, and what is unused.

    `image` is the ending of the image member; empty: that of any kind of picture. `caption` is as
    in the row's params.

    Raises:
        DatasetError: the shard is incomplete, or a class is no number.
    """
    unused = Unused()
    samples = samples_of(file, unused)
    text = ".cls" if caption == "templates" else f".{caption.partition(':')[0]}"
    keys, labels, spans = [], [], []
    # A sample that is no pair is counted with the reason, and so is each further picture of one.
    for key, parts in samples.items():
        picture = image_of(parts, image)
        if key.rpartition("/")[2].startswith("."):
            unused.add(HIDDEN, key)
            continue
        if picture is None:
            unused.add(NO_IMAGE, key)
            continue
        unused.add(ANOTHER, *_others(key, parts, picture))
        if text not in parts or not _says_something(file, parts[text], caption):
            unused.add(NO_CAPTION, key)
            continue
        keys.append(key)
        labels.append(_class(file, key, parts))
        spans.append(parts[picture] + parts[text])
    return {
        "keys": np.array(keys, np.str_),
        "labels": np.array(labels, np.int64),
        "spans": np.array(spans, np.int64).reshape(-1, 4),
        **_endings(samples),
        **_as_arrays(unused),
    }


def has_class(file: Path) -> bool:
    """Return whether a sample of a shard has a .cls member; stops reading at the first.

    Raises:
        DatasetError: the shard is incomplete.
    """
    return any(name.lower().endswith(".cls") for name, _, _ in members(file))


def texts_in(text: bytes, caption: str) -> list[str]:
    """Return the captions in a .txt or .json member, blank ones left out."""
    value: Any = None
    if not caption.startswith("json:"):
        value = text.decode("utf-8", "replace")
    else:
        try:
            record = json.loads(text)
        except ValueError:
            record = None
        if isinstance(record, dict):
            value = record.get(caption.removeprefix("json:"))
    texts = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str | int | float) and str(one).strip():
            texts.append(str(one))
    return texts


def samples_of(file: Path, unused: Unused) -> dict[str, Parts]:
    """Return the members of each sample; of two with the same name the last counts, as in a tar."""
    samples: dict[str, Parts] = {}
    for name, offset, size in members(file, unused):
        key, ending = key_and_ending(name)
        parts = samples.setdefault(key, {})
        if ending in parts:
            unused.add(REPEATED, name)
        parts[ending] = (offset, size)
    return samples


def key_and_ending(name: str) -> tuple[str, str]:
    """Return a member's sample key, and its ending from the first dot, in lower case."""
    base = name.rfind("/") + 1
    dot = name.find(".", base)
    # The name of a hidden file, or of one without a dot, is all key and has no ending
    if dot in (base, -1):
        return name, "."
    return name[:dot], name[dot:].lower()


def image_of(parts: Parts, image: str) -> str | None:
    """Return the ending of a sample's image, if it has one."""
    if image:
        ending = f".{image.lower().removeprefix('.')}"
        return ending if ending in parts else None
    return next((ending for ending in SUFFIXES if ending in parts), None)


def _others(key: str, parts: Parts, picture: str) -> list[str]:
    """Return the names of a sample's other pictures."""
    others = []
    for ending in parts:
        if ending != picture and ending.endswith(SUFFIXES):
            others.append(f"{key}{ending}")
    return others


def _says_something(file: Path, text: tuple[int, int], caption: str) -> bool:
    """Return whether a sample's text has a caption; a class always does, through templates."""
    return caption == "templates" or bool(texts_in(span(file, *text), caption))


def _class(file: Path, key: str, parts: Parts) -> int:
    """Return the number in a .cls member; -1 where there is none.

    Raises:
        DatasetError: it holds anything but a number.
    """
    if ".cls" not in parts:
        return -1
    text = span(file, *parts[".cls"])
    try:
        return int(text)
    except ValueError as problem:
        raise DatasetError(
            f"{file}: {key}.cls holds {text[:40]!r}; it must be the number of a class"
        ) from problem


def _endings(samples: dict[str, Parts]) -> Arrays:
    """Return the endings of members, with the number of samples that have each."""
    counts: dict[str, int] = {}
    for parts in samples.values():
        for ending in parts:
            counts[ending] = counts.get(ending, 0) + 1
    return {
        "endings": np.array(list(counts), np.str_),
        "ending_counts": np.array(list(counts.values()), np.int64),
    }


def _as_arrays(unused: Unused) -> Arrays:
    """Return the counts of unused members as arrays, which can be stored."""
    reasons, names = list[str](), list[str]()
    for reason, some in unused.names.items():
        reasons += [reason] * len(some)
        names += some
    return {
        "reasons": np.array(list(unused.counts), np.str_),
        "reason_counts": np.array(list(unused.counts.values()), np.int64),
        "reason_of": np.array(reasons, np.str_),
        "reason_names": np.array(names, np.str_),
    }
