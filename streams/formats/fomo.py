"""The datasets of FoMo-in-Flux as its download script leaves them: images, and JSON records beside them.

`CUB200/...` (or `CUB200.tar`) holds the images; the info folder, `data_lib/00_info` of its code, holds
`CUB200_classnames.json`, a list, and `CUB200_train.json`, `CUB200_test.json`: image path -> classname,
default_caption, primer_caption, synthetic_caption, synthetic_merged_caption, target. Its rule of the
training text: the default caption where there is one, else the merged one, one of several at random in
training and the first in evaluation; where a record has neither, its primer (class in a template).
Roth et al. 2024, https://arxiv.org/abs/2408.14471.

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

CAPTIONS = {  # which fields of a record are asked, in this order
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

    train: str = "train"  # ending of the record file; the same as `test`: split by `test_share`
    test: str = "test"  # MTSD calls it `val`
    test_share: float = 0.0  # share of the items that are test pairs, by a hash of the image's path
    info: str = "../00_info"  # folder of the records; relative paths start at the location
    resized: int = 0  # 224: the records and images of the resized copy, `CUB200_train_224`
    captions: str = "published"
    image_px: int = 224
    corrupt_share: float = 0.01  # of the items read; ten may always be unreadable
    background: str = ""  # colour that transparent pictures are put on; empty: as open_clip
    upright: bool = False  # whether pictures are turned as their EXIF says

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> Files:
        """Return the pairs of a record file, in its order.

        Raises:
            DatasetError: no such location or records, or a record without a caption.
            ContradictionError: the files have other classes than the row.
        """
        about = f"dataset {dataset['name']!r}"
        if self.captions not in CAPTIONS:
            raise DatasetError(
                f"{about}: captions is {self.captions!r}; it must be one of {', '.join(CAPTIONS)}"
            )
        wanted = "the images of one dataset of FoMo-in-Flux, a folder or its .tar"
        location = place(dataset, cache, wanted)
        packed = location.suffix == ".tar"
        name = location.name.removesuffix(".tar")
        beside = location.parent / name if packed else location
        which = part(self, split)
        info = there(
            about,
            (beside / self.info).resolve(),
            f"the records of FoMo-in-Flux, {name}_{which}.json among them",
        )
        suffix = f"_{self.resized}" if self.resized else ""
        file = there(
            about,
            info / f"{name}_{which}{suffix}.json",
            f"{RECORD}; train, test, resized and info in the row's params say which file is read",
        )
        records = _read(about, file, dict, RECORD)
        classes = list(dataset["classes"])
        labelled = _labelled(about, info / f"{name}_classnames.json", classes)
        members = Members(location, cache) if packed else None
        fields = CAPTIONS[self.captions]
        source = Records(about, location, records, fields, labelled, members)
        return Files(dataset, self, split, source)


class Records:
    """The images and captions of a record file; `members`: of the tar that holds the images, if one does."""

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


def _read(about: str, file: Path, kind: type, wanted: str) -> Any:
    """Return what a JSON file holds.

    Raises:
        DatasetError: not what is wanted.
    """
    try:
        content = json.loads(file.read_bytes())
    except ValueError as problem:
        raise DatasetError(
            f"{about}: {file} is no JSON ({problem}); it should hold {wanted}. Fetch it again."
        ) from problem
    if not isinstance(content, kind):
        raise DatasetError(
            f"{about}: {file} holds a {type(content).__name__}; it should hold {wanted}"
        )
    return content


def _labelled(about: str, file: Path, classes: list[str]) -> bool:
    """Tell whether targets are labels: not where neither the records nor the row name classes.

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
    sides = [repr(some[place]) if place < len(some) else "none" for some in (classes, named)]
    raise ContradictionError(
        f"{about}: its classes are not those of {file.name}, from {place} on: the row has {sides[0]}, "
        f"the file {sides[1]}; targets index into the file's list"
    )
