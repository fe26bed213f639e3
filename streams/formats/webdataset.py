"""Tar shards of pairs, as img2dataset and WebDataset write them: 000000123.jpg, .json and .txt (or
.cls).

The positions of members are found once per machine, cached under the data folder and mapped into
memory (`_shards.py`). After that any pair is one seek away, so an order over pairs needs no shuffle
buffer and can be resumed anywhere. An image without a caption is no pair. Shards at an address
(`https://host/pool/{00000..00127}.tar`) are fetched once into the data folder: as much disk as they
take.

As in WebDataset (https://github.com/webdataset/webdataset) the key of a member ends at the first
dot of its name, so `7.input.jpg` is the part `input.jpg` of sample 7.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from schema.spec import EVERYTHING
from streams import ContradictionError, DatasetError
from streams.formats._addresses import addresses_of, fetched_all
from streams.formats._disk import Arrays, cached, span
from streams.formats._files import Files
from streams.formats._labels import by_label
from streams.formats._places import each_of, matching, part, place_and_pattern
from streams.formats._remote import is_address
from streams.formats._samples import has_class, index_of, texts_in
from streams.formats._shard_pairs import ShardPairs
from streams.formats._shard_stream import stream_at_address, stream_of_disk
from streams.formats._shards import ShardSet, shard_set

# The version of the index; a new version is built beside the old one.
VERSION = 3
# The most endings of members that an error names.
ENDINGS_SHOWN = 8
WANTED = "tar shards, or folders of them"
# In how many shards of a split a class is searched before a job exists.
SHARDS_LOOKED = 16


@dataclass(frozen=True)
class Webdataset:
    """The fields are the keys of `dataset.params`."""

    # Folder, file, pattern (`train-*.tar`) or range (`{00000..00127}.tar`) in the location; the
    # same as `test`: split by `test_share`.
    train: str = ""
    test: str = ""
    # The share of the items that are test pairs, by a hash of `shard/key`.
    test_share: float = 0.0
    # Ending of the image member, such as `input.jpg`; empty: that of any kind of picture.
    image: str = ""
    # The ending of the text member; or `json:KEY`, a key of the .json; or `templates` of the row.
    caption: str = "txt"
    image_px: int = 224
    # The share of the items read that may be unreadable; ten always may.
    corrupt_share: float = 0.01
    # The colour that transparent pictures are put on; empty: as open_clip treats them.
    background: str = ""
    # Whether pictures are turned as their EXIF says.
    upright: bool = False
    # 0: training pairs in a random order over all; else how many lanes read a stream of shards
    # (`streams/lanes.py`).
    lanes: int = 0
    # How many shards form a block, whose pairs a lane permutes.
    block_shards: int = 2

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> Files | ShardPairs:
        """Return the pairs of the shards, by shard, then as in the shard.

        Raises:
            DatasetError: the location or the shards do not exist, or a shard is incomplete.
        """
        about = f"dataset {dataset['name']!r}"
        named = ("txt", "templates")
        if self.caption not in named and not self.caption.startswith("json:"):
            raise DatasetError(
                f"{about}: caption is {self.caption!r}; it must be txt, json:KEY or templates"
            )
        if self.lanes and split == "train":
            return self._stream(dataset, cache)
        where, stems, shards = self._shards(dataset, part(self, split), cache)
        version = f"{VERSION} {self.image} {self.caption}"
        index = partial(_index, cache / "shards", version, self.image, self.caption)
        found = shard_set(cache, stems, shards, index, version)
        if not len(found):
            raise DatasetError(f"{about}: {self._nothing(where, found)}")
        return Files(dataset, self, split, Shards(found, dataset, self.caption))

    def compare(self, dataset: Mapping[str, Any], split: str, cache: Path) -> None:
        """Check that the shards have classes, for a row whose single classes a stream uses.

        Headers are read up to the first .cls, in shards spread over the split. Shards at an address
        are not fetched for this.

        Raises:
            ContradictionError: no sample of these shards has a class.
        """
        addressed = is_address(dataset.get("location") or "")
        if split != "train" or not dataset.get("by_class") or addressed:
            return
        where, _, shards = self._shards(dataset, part(self, split), cache)
        step = math.ceil(len(shards) / SHARDS_LOOKED)
        looked = shards[::step]
        for file in looked:
            if has_class(file):
                return
        raise ContradictionError(
            f"dataset {dataset['name']!r}: a stream teaches single classes of it, and no sample "
            f"in {len(looked)} of the {len(shards)} shards in {where} has a class (a .cls member). "
            f"Name {EVERYTHING!r} as the concept in sequence_concept, which is every pair of the "
            "dataset, or write the shards with classes."
        )

    def _nothing(self, where: str, found: ShardSet) -> str:
        """Return a message on why shards have no pairs, with their members' endings."""
        endings = Counter(found.endings)
        members = ", ".join(name for name, _ in endings.most_common(ENDINGS_SHOWN))
        return (
            f"no sample of the {len(found.files)} shards in {where} has an image and a caption "
            f"({self.caption}). Their members end in {members or 'nothing'}: `caption` in the "
            "row's "
            "params says where captions are, and `image` which member is the image (input.jpg), "
            "where "
            "its name says more than a kind of picture."
        )

    def _shards(
        self, dataset: Mapping[str, Any], pattern: str, cache: Path
    ) -> tuple[str, list[str], list[Path]]:
        """Return the folder of the shards, their names without endings, and the files, sorted."""
        about, location = f"dataset {dataset['name']!r}", dataset.get("location") or ""
        if is_address(location):
            where, root = addresses_of(about, location, pattern, ".tar")
            stems, files = fetched_all(about, where, root, cache / "fetched")
            return where, stems, files
        top, pattern = place_and_pattern(dataset, cache, pattern, WANTED)
        files = matching(about, top, pattern, ".tar")
        stems = [file.relative_to(top).with_suffix("").as_posix() for file in files]
        return str(top / pattern), stems, files

    def _stream(self, dataset: Mapping[str, Any], cache: Path) -> ShardPairs:
        """Return the training pairs as a stream of shards."""
        about, location = f"dataset {dataset['name']!r}", dataset.get("location") or ""
        if not is_address(location):
            return stream_of_disk(self, dataset, cache, WANTED)
        where, root = addresses_of(about, location, part(self, "train"), ".tar")
        return stream_at_address(self, dataset, cache, root, each_of(where))


class Shards:
    """The pairs of tar shards."""

    def __init__(self, shards: ShardSet, dataset: Mapping[str, Any], caption: str) -> None:
        self.shards, self.caption = shards, caption
        self.covers, self.remarks = list(shards.files), list[str]()
        self.names, self.labels, self.unused = shards.names, shards.labels, shards.unused
        self.by_label: list[list[str]] = []
        if caption == "templates":
            self.by_label = by_label(dataset, dataset["classes"], self.labels)

    def shares(self) -> np.ndarray:
        """Return a hash of each name in [0, 1), which decides its split, (N,) float64."""
        return self.shards.shares

    def read(self, item: int) -> bytes:
        """Return the bytes of the image member."""
        return span(*self.shards.place(item))

    def size(self, item: int) -> int:
        """Return the size of the image member, in bytes."""
        return self.shards.place(item)[2]

    def texts(self, item: int) -> list[str]:
        """Return the caption, or captions where the .json holds a list; or the row's templates."""
        if self.caption == "templates":
            return self.by_label[self.labels[item]]
        return texts_in(span(*self.shards.place(item, text=True)), self.caption)


def _index(folder: Path, version: str, image: str, caption: str, file: Path) -> Arrays:
    """Return the index of a shard, which is built on first use and cached in `folder`."""
    return cached(folder, file, version, partial(index_of, file, image, caption))
