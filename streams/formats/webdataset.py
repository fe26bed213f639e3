"""Tar shards of pairs, as img2dataset and WebDataset write them: 000000123.jpg, .json and .txt (or .cls) next to each other.

Where the members lie is found once a shard and kept under the data folder; after that any pair is one seek away, so that a
sequence over pairs needs no shuffle buffer and can be taken up anywhere. An image without a caption is no pair. Shards at an
address (`https://host/pool/{00000..00127}.tar`) are fetched once into the data folder: as much disk as they take.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streams import DatasetError
from streams.formats._disk import Arrays, cached, span
from streams.formats._files import Files
from streams.formats._labels import by_label
from streams.formats._places import matching, part, place
from streams.formats._remote import expanded, fetched, is_address
from streams.formats._tars import members
from streams.pictures import SUFFIXES

VERSION = 2  # of the index


@dataclass(frozen=True)
class Webdataset:
    """The fields are the keys of `dataset.params`."""

    train: str = ""  # folder, file or pattern (`train-*.tar`) in the location; the same as `test`: split by `test_share`
    test: str = ""
    test_share: float = 0.0  # share of the items that are test pairs, by a hash of `shard/key`
    caption: str = "txt"  # `txt`; `json:KEY`, a key of the .json; `templates`, of the row, with the class of the .cls
    image_px: int = 224
    corrupt_share: float = 0.01  # of the items read; ten may always be unreadable

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> Files:
        """The pairs of the shards, by shard, then as in the shard.

        Raises:
            DatasetError: no such location, no shards, or a shard that is not whole.
        """
        about = f"dataset {dataset['name']!r}"
        if self.caption not in ("txt", "templates") and not self.caption.startswith("json:"):
            raise DatasetError(
                f"{about}: caption is {self.caption!r}; it must be txt, json:KEY or templates"
            )
        where, stems, shards = self._shards(dataset, part(self, split), cache)
        more = f"{VERSION} {self.caption}"
        indices = [
            cached(cache / "shards", file, more, partial(_index, file, self.caption))
            for file in shards
        ]
        if not any(len(index["keys"]) for index in indices):
            said = f"no sample of the {len(shards)} shards in {where} has an image and a caption"
            raise DatasetError(
                f"{about}: {said} ({self.caption}). `caption` in the row's params says where captions are."
            )
        return Files(dataset, self, split, Shards(stems, shards, indices, dataset, self.caption))

    def _shards(
        self, dataset: Mapping[str, Any], said: str, cache: Path
    ) -> tuple[str, list[str], list[Path]]:
        """Where the shards are, what they are called without ending, and the files, sorted by that."""
        about, location = f"dataset {dataset['name']!r}", dataset.get("location") or ""
        if is_address(location):
            where = f"{location.rstrip('/')}/{said}" if said else location
            addresses = expanded(where)
            if not all(address.endswith(".tar") for address in addresses):
                raise DatasetError(
                    f"{about}: {where} is an address, where no folder can be listed; it must name .tar files, as "
                    "https://host/pool/{00000..00127}.tar, with location alone or with train and test"
                )
            root = (
                location.rstrip("/") + "/"
                if said
                else location.partition("{")[0].rpartition("/")[0] + "/"
            )
            stems = [address.removeprefix(root).removesuffix(".tar") for address in addresses]
            return (
                where,
                stems,
                [fetched(about, address, cache / "fetched") for address in addresses],
            )
        place_of = place(dataset, cache, "tar shards, or folders of them")
        top, said = (place_of, said) if place_of.is_dir() else (place_of.parent, place_of.name)
        found = matching(about, top, said, ".tar")
        return (
            str(top / said),
            [file.relative_to(top).with_suffix("").as_posix() for file in found],
            found,
        )


class Shards:
    """The pairs of tar shards."""

    def __init__(
        self,
        stems: list[str],
        shards: list[Path],
        indices: list[Arrays],
        dataset: Mapping[str, Any],
        caption: str,
    ) -> None:
        self.shards, self.caption = shards, caption
        self.names = [
            f"{stem}/{key}"
            for stem, index in zip(stems, indices, strict=True)
            for key in index["keys"]
        ]
        self.labels: np.ndarray = np.concatenate([index["labels"] for index in indices])
        self.spans: np.ndarray = np.concatenate(
            [index["spans"] for index in indices]
        )  # (N, 4): image and text, offset and bytes
        self.left_out = sum(int(index["left_out"]) for index in indices)
        self.shard = np.repeat(np.arange(len(shards)), [len(index["keys"]) for index in indices])
        self.by_label = (
            by_label(dataset, dataset["classes"], self.labels) if caption == "templates" else []
        )

    def read(self, item: int) -> bytes:
        """The image's member."""
        return span(self.shards[self.shard[item]], *self.spans[item, :2].tolist())

    def texts(self, item: int) -> list[str]:
        """The caption, or captions where the key of the .json holds a list; or the row's templates."""
        if self.caption == "templates":
            return self.by_label[self.labels[item]]
        return _said(
            span(self.shards[self.shard[item]], *self.spans[item, 2:].tolist()), self.caption
        )


def _said(text: bytes, caption: str) -> list[str]:
    """The captions in a .txt or .json member, blank ones left out."""
    if not caption.startswith("json:"):
        found: Any = text.decode("utf-8", "replace")
    else:
        try:
            record = json.loads(text)
        except ValueError:
            record = None
        found = record.get(caption.removeprefix("json:")) if isinstance(record, dict) else None
    texts = found if isinstance(found, list) else [found]
    return [str(one) for one in texts if isinstance(one, str | int | float) and str(one).strip()]


def _class(file: Path, key: str, text: bytes) -> int:
    """The number in a .cls member."""
    try:
        return int(text)
    except ValueError as problem:
        raise DatasetError(
            f"{file}: {key}.cls holds {text[:40]!r}; it must be the number of a class"
        ) from problem


def _index(file: Path, caption: str) -> Arrays:
    """Keys, labels and places of a shard's pairs, in the order of their images."""
    samples: dict[str, dict[str, tuple[int, int]]] = {}
    for name, offset, size in members(file):
        folder, _, base = name.rpartition("/")
        key, _, ending = base.partition(".")
        samples.setdefault(f"{folder}/{key}" if folder else key, {})[f".{ending.lower()}"] = (
            offset,
            size,
        )
    keys, labels, spans, left_out = [], [], [], 0
    text = ".cls" if caption == "templates" else f".{caption.partition(':')[0]}"
    for key, found in samples.items():
        image = next((found[ending] for ending in SUFFIXES if ending in found), None)
        if image is None:
            continue
        if text not in found or (text != ".cls" and not _said(span(file, *found[text]), caption)):
            left_out += 1
            continue
        keys.append(key)
        labels.append(_class(file, key, span(file, *found[".cls"])) if ".cls" in found else -1)
        spans.append(image + found[text])
    return {
        "keys": np.array(keys, np.str_),
        "labels": np.array(labels, np.int64),
        "spans": np.array(spans, np.int64).reshape(-1, 4),
        "left_out": np.array(left_out),
    }
