"""The datasets of FoMo-in-Flux as its download script leaves them: images, and JSON records beside
them.

`CUB200/...` (or `CUB200.tar`) holds the images; the info folder, `data_lib/00_info` of its code,
holds `CUB200_classnames.json`, a list, and `CUB200_train.json`, `CUB200_test.json`: image path ->
classname, default_caption, primer_caption, synthetic_caption, synthetic_merged_caption, target. Its
rule of the training text: the default caption where there is one, else the merged one, one of
several at random in training and the first in evaluation; where a record has neither, its primer
(class in a template). Roth et al. 2024, https://arxiv.org/abs/2408.14471.

Its validation mode keeps a fifth of the training images to choose hyperparameters on; here that is
`{"test": "train", "test_share": 0.2}`, by a hash of the path and not class by class.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streams import ContradictionError, DatasetError
from streams.formats._files import Files
from streams.formats._places import part, place, there
from streams.formats._tars import Members
from streams.formats._unused import Unused

# The fields of a record that hold captions; the first with any is used.
CAPTIONS = {
    "published": ("default_caption", "synthetic_merged_caption", "primer_caption"),
    "primer": ("primer_caption",),
    "synthetic": ("synthetic_caption",),
    "merged": ("synthetic_merged_caption",),
    "default": ("default_caption",),
}
RECORD = "image path -> caption record"


@dataclass(frozen=True)
class Fomo:
    """The fields are the keys of `dataset.params`."""

    # Ending of the record file's name; if it equals `test`, `test_share` splits the file.
    train: str = "train"
    # MTSD calls it `val`.
    test: str = "test"
    # The share of the items that are test pairs, by a hash of the image's path.
    test_share: float = 0.0
    # Folder of the records; relative paths start at the location.
    info: str = "../00_info"
    # 224: the records and images of the resized copy, `CUB200_train_224`.
    resized: int = 0
    captions: str = "published"
    image_px: int = 224
    # The share of the items read that may be unreadable; ten always may.
    corrupt_share: float = 0.01
    # The colour that transparent pictures are put on; empty: as open_clip treats them.
    background: str = ""
    # Whether pictures are turned as their EXIF says.
    upright: bool = False

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> Files:
        """Return the pairs of a record file, in its order.

        Raises:
            DatasetError: the location or the records do not exist, or a record has no caption.
            ContradictionError: the files have other classes than the row.
        """
        about = f"dataset {dataset['name']!r}"
        if self.captions not in CAPTIONS:
            raise DatasetError(
                f"{about}: captions is {self.captions!r}; it must be one of {', '.join(CAPTIONS)}"
            )
        location, name, info = self._places(about, dataset, split, cache)
        packed = location.suffix == ".tar"
        suffix = f"_{self.resized}" if self.resized else ""
        file = there(
            about,
            info / f"{name}_{part(self, split)}{suffix}.json",
            f"{RECORD}; train, test, resized and info in the row's params say which file is read",
        )
        records = _read(about, file, dict, RECORD)
        classes = list(dataset["classes"])
        labelled = _labelled(about, info / f"{name}_classnames.json", classes)
        members = Members(location, cache) if packed else None
        fields = CAPTIONS[self.captions]
        source = Records(about, location, records, fields, labelled, members)
        return Files(dataset, self, split, source)

    def compare(self, dataset: Mapping[str, Any], split: str, cache: Path) -> None:
        """Compare the class names of a row with those of the records' own list.

        Raises:
            ContradictionError: they differ.
        """
        about = f"dataset {dataset['name']!r}"
        _, name, info = self._places(about, dataset, split, cache)
        _labelled(about, info / f"{name}_classnames.json", list(dataset["classes"]))

    def _places(
        self, about: str, dataset: Mapping[str, Any], split: str, cache: Path
    ) -> tuple[Path, str, Path]:
        """Return the folder of the images, the dataset's name there, and the folder of its records.

        Raises:
            DatasetError: one of the two does not exist.
        """
        expected = "the images of one dataset of FoMo-in-Flux, a folder or its .tar"
        location = place(dataset, cache, expected)
        name = location.name.removesuffix(".tar")
        beside = location.parent / name if location.suffix == ".tar" else location
        info = there(
            about,
            (beside / self.info).resolve(),
            f"the records of FoMo-in-Flux, {name}_{part(self, split)}.json among them",
        )
        return location, name, info


class Records:
    """The images and captions of a record file; `members`: of the tar that holds the images, if one
    does.
    """

    def __init__(
        self,
        about: str,
        location: Path,
        records: dict[str, dict[str, Any]],
        fields: tuple[str, ...],
        labelled: bool,
        members: Members | None,
    ) -> None:
        self.location, self.members = location, members
        self.unused = Unused()
        self.names = list(records)
        labels, self.captions = list[int](), list[list[str]]()
        for name, record in records.items():
            if not isinstance(record, dict) or (labelled and type(record.get("target")) is not int):
                raise DatasetError(
                    f"{about}: the record of {name} has no `target`, the number of its class: "
                    f"{str(record)[:80]}"
                )
            texts = _texts(record, fields)
            if not texts:
                raise DatasetError(
                    f"{about}: {name} has no {' and no '.join(fields)}. Choose other captions "
                    f"({', '.join(CAPTIONS)}), or the resized copy."
                )
            labels.append(record["target"] if labelled else -1)
            self.captions.append(texts)
        self.labels = np.array(labels, np.int64)

    def read(self, item: int) -> bytes:
        """Return the file, or the tar's member."""
        if self.members is None:
            return (self.location / self.names[item]).read_bytes()
        folder = self.location.name.removesuffix(".tar")
        return self.members.read(f"{folder}/{self.names[item]}")

    def texts(self, item: int) -> list[str]:
        """Return the captions of the first field that has any."""
        return self.captions[item]


def _texts(record: Mapping[str, Any], fields: tuple[str, ...]) -> list[str]:
    for field in fields:
        value = record.get(field)
        cells = value if isinstance(value, list) else [value]
        texts = [text for text in cells if isinstance(text, str) and text.strip()]
        if texts:
            return texts
    return []


def _read(about: str, file: Path, kind: type, expected: str) -> Any:
    """Return the content of a JSON file.

    Raises:
        DatasetError: it is no JSON, or its content is not of the expected kind.
    """
    try:
        content = json.loads(file.read_bytes())
    except ValueError as problem:
        raise DatasetError(
            f"{about}: {file} is no JSON ({problem}); it should hold {expected}. Fetch it again."
        ) from problem
    if not isinstance(content, kind):
        raise DatasetError(
            f"{about}: {file} holds a {type(content).__name__}; it should hold {expected}"
        )
    return content


def _labelled(about: str, file: Path, classes: list[str]) -> bool:
    """Return whether targets are labels: not if neither the records nor the row name classes.

    Flickr30k and COCO have none.

    Raises:
        ContradictionError: the file names other classes than the row, or in another order.
    """
    if not file.exists():
        return bool(classes)
    named = _read(about, file, list, "a list of class names")
    if not classes or named == classes:
        return True
    place = min(len(named), len(classes))
    for number, (written, ours) in enumerate(zip(named, classes, strict=False)):
        if written != ours:
            place = number
            break
    sides = []
    for some in (classes, named):
        # One list may be a prefix of the other.
        sides.append(repr(some[place]) if place < len(some) else "none")
    raise ContradictionError(
        f"{about}: its classes are not those of {file.name}, from {place} on: the row has "
        f"{sides[0]}, "
        f"the file {sides[1]}; targets index into the file's list"
    )
