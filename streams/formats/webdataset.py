"""Tar shards of pairs, as img2dataset and WebDataset write them: 000000123.jpg, .json and .txt (or .cls).

Where the members lie is found once a shard and kept under the data folder; after that any pair is one
seek away, so that a sequence over pairs needs no shuffle buffer and can be taken up anywhere. An image
without a caption is no pair. Shards at an address (`https://host/pool/{00000..00127}.tar`) are fetched
once into the data folder: as much disk as they take.

As in WebDataset (https://github.com/webdataset/webdataset) the key of a member ends at the first dot of
its name, so `7.input.jpg` is the part `input.jpg` of sample 7.
"""

from collections import Counter
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
from streams.formats._places import expanded, matching, part, place_and_pattern
from streams.formats._remote import fetched, is_address
from streams.formats._samples import index_of, texts_in
from streams.formats._unused import Unused

VERSION = 3  # of the index
ENDINGS_SHOWN = 8  # endings of members that an error names
WANTED = "tar shards, or folders of them"


@dataclass(frozen=True)
class Webdataset:
    """The fields are the keys of `dataset.params`."""

    # Folder, file, pattern (`train-*.tar`) or range (`{00000..00127}.tar`) in the location; the same as
    # `test`: split by `test_share`.
    train: str = ""
    test: str = ""
    test_share: float = 0.0  # share of the items that are test pairs, by a hash of `shard/key`
    image: str = ""  # ending of the image, `input.jpg`; empty: the kind of picture that is there
    caption: str = (
        "txt"  # ending of a text; `json:KEY`, a key of the .json; `templates`, of the row
    )
    image_px: int = 224
    corrupt_share: float = 0.01  # of the items read; ten may always be unreadable
    background: str = ""  # colour that transparent pictures are put on; empty: as open_clip
    upright: bool = False  # whether pictures are turned as their EXIF says

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> Files:
        """Return the pairs of the shards, by shard, then as in the shard.

        Raises:
            DatasetError: no such location, no shards, or a shard that is not whole.
        """
        about = f"dataset {dataset['name']!r}"
        named = ("txt", "templates")
        if self.caption not in named and not self.caption.startswith("json:"):
            raise DatasetError(
                f"{about}: caption is {self.caption!r}; it must be txt, json:KEY or templates"
            )
        where, stems, shards = self._shards(dataset, part(self, split), cache)
        indices = []
        for file in shards:
            index = partial(index_of, file, self.image, self.caption)
            asked = f"{VERSION} {self.image} {self.caption}"
            indices.append(cached(cache / "shards", file, asked, index))
        if not any(len(index["keys"]) for index in indices):
            raise DatasetError(f"{about}: {self._nothing(where, indices)}")
        return Files(dataset, self, split, Shards(stems, shards, indices, dataset, self.caption))

    def _nothing(self, where: str, indices: list[Arrays]) -> str:
        """Return why shards have no pairs, with the endings of their members and what to write."""
        endings = Counter[str]()
        for index in indices:
            for ending, count in zip(index["endings"], index["ending_counts"], strict=True):
                endings[str(ending)] += int(count)
        members = ", ".join(name for name, _ in endings.most_common(ENDINGS_SHOWN))
        return (
            f"no sample of the {len(indices)} shards in {where} has an image and a caption "
            f"({self.caption}). Their members end in {members or 'nothing'}: `caption` in the row's "
            "params says where captions are, and `image` which member is the image (input.jpg), where "
            "its name says more than a kind of picture."
        )

    def _shards(
        self, dataset: Mapping[str, Any], said: str, cache: Path
    ) -> tuple[str, list[str], list[Path]]:
        """Return where the shards are, what they are called without ending, and the files, sorted."""
        about, location = f"dataset {dataset['name']!r}", dataset.get("location") or ""
        if is_address(location):
            return self._fetched(about, location, said, cache)
        top, said = place_and_pattern(dataset, cache, said, WANTED)
        files = matching(about, top, said, ".tar")
        stems = [file.relative_to(top).with_suffix("").as_posix() for file in files]
        return str(top / said), stems, files

    def _fetched(
        self, about: str, location: str, said: str, cache: Path
    ) -> tuple[str, list[str], list[Path]]:
        """Return the same of shards at an address, fetched where they are not here yet."""
        where = f"{location.rstrip('/')}/{said}" if said else location
        addresses = expanded(where)
        if not all(address.endswith(".tar") for address in addresses):
            raise DatasetError(
                f"{about}: {where} is an address, where no folder can be listed; it must name .tar "
                "files, as https://host/pool/{00000..00127}.tar, with location alone or with train and "
                "test"
            )
        root = location if said else location.partition("{")[0].rpartition("/")[0]
        root = root.rstrip("/") + "/"
        stems = [address.removeprefix(root).removesuffix(".tar") for address in addresses]
        files = [fetched(about, address, cache / "fetched") for address in addresses]
        return where, stems, files


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
        self.covers, self.remarks = list(shards), list[str]()
        self.names: list[str] = []
        self.unused = Unused()
        for stem, index in zip(stems, indices, strict=True):
            self.names += [f"{stem}/{key}" for key in index["keys"]]
            for reason, count in zip(index["reasons"], index["reason_counts"], strict=True):
                first = index["reason_names"][index["reason_of"] == reason]
                self.unused.join(str(reason), int(count), [f"{stem}/{name}" for name in first])
        self.labels: np.ndarray = np.concatenate([index["labels"] for index in indices])
        # (N, 4): offset and bytes of the image, then of the text.
        self.spans: np.ndarray = np.concatenate([index["spans"] for index in indices])
        self.shard = np.repeat(np.arange(len(shards)), [len(index["keys"]) for index in indices])
        self.by_label: list[list[str]] = []
        if caption == "templates":
            self.by_label = by_label(dataset, dataset["classes"], self.labels)

    def read(self, item: int) -> bytes:
        """Return the image's member."""
        return span(self.shards[self.shard[item]], *self.spans[item, :2].tolist())

    def size(self, item: int) -> int:
        """Return the bytes of the image."""
        return int(self.spans[item, 1])

    def texts(self, item: int) -> list[str]:
        """Return the caption, or captions where the .json holds a list; or the row's templates."""
        if self.caption == "templates":
            return self.by_label[self.labels[item]]
        text = span(self.shards[self.shard[item]], *self.spans[item, 2:].tolist())
        return texts_in(text, self.caption)
