"""The datasets of FoMo-in-Flux as its download script leaves them: a folder (or one tar) of images, and JSON records beside it.

`CUB200/...` (or `CUB200.tar`) holds the images; the info folder, `data_lib/00_info` of its code, holds `CUB200_classnames.json`,
a list, and `CUB200_train.json`, `CUB200_test.json`: image path -> classname, default_caption, primer_caption, synthetic_caption,
synthetic_merged_caption, target. Its rule of the training text: the default caption where there is one, else the merged one,
one of several at random in training and the first in evaluation; where a record has neither, its primer (class in a template).
Roth et al. 2024, https://arxiv.org/abs/2408.14471.

Its validation mode keeps a fifth of the training images to choose hyperparameters on; here that is `{"test": "train",
"test_share": 0.2}`, by a hash of the path and not class by class.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streams import DatasetError
from streams.formats._files import Files
from streams.formats._places import part, place, there
from streams.formats._tars import Members

CAPTIONS = {  # which fields of a record are asked, in this order
    "published": ("default_caption", "synthetic_merged_caption", "primer_caption"),
    "primer": ("primer_caption",),
    "synthetic": ("synthetic_caption",),
    "merged": ("synthetic_merged_caption",),
    "default": ("default_caption",),
}


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

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> Files:
        """The pairs of a record file, in its order.

        Raises:
            DatasetError: no such location or records, a record without a caption, or other classes than the row's.
        """
        about = f"dataset {dataset['name']!r}"
        if self.captions not in CAPTIONS:
            raise DatasetError(
                f"{about}: captions is {self.captions!r}; it must be one of {', '.join(CAPTIONS)}"
            )
        location = place(
            dataset, cache, "the images of one dataset of FoMo-in-Flux, a folder or its .tar"
        )
        name = location.name.removesuffix(".tar")
        info = (
            location.parent / name / self.info
            if location.suffix == ".tar"
            else location / self.info
        )
        info = there(
            about,
            Path(info).resolve(),
            f"the records of FoMo-in-Flux, {name}_{part(self, split)}.json among them",
        )
        suffix = f"_{self.resized}" if self.resized else ""
        wanted = "image path -> caption record; train, test, resized and info in the row's params say which file is read"
        file = there(about, info / f"{name}_{part(self, split)}{suffix}.json", wanted)
        records = _read(about, file, dict, "image path -> caption record")
        labelled = _labelled(about, info / f"{name}_classnames.json", list(dataset["classes"]))
        members = Members(location, cache) if location.suffix == ".tar" else None
        return Files(
            dataset,
            self,
            split,
            Records(about, location, records, CAPTIONS[self.captions], labelled, members),
        )


class Records:
    """The images and captions of a record file."""

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
        self.names = list(records)
        for name, record in records.items():
            if not isinstance(record, dict) or (labelled and type(record.get("target")) is not int):
                raise DatasetError(
                    f"{about}: the record of {name} has no `target`, the number of its class: {str(record)[:80]}"
                )
        self.labels = np.array(
            [record["target"] if labelled else -1 for record in records.values()], np.int64
        )
        self.captions = [_texts(record, fields) for record in records.values()]
        for name, texts in zip(self.names, self.captions, strict=True):
            if not texts:
                said = f"{name} has no {' and no '.join(fields)}"
                raise DatasetError(
                    f"{about}: {said}. Choose other captions ({', '.join(CAPTIONS)}), or the resized copy."
                )

    def read(self, item: int) -> bytes:
        """The file, or the tar's member."""
        if self.members is not None:
            return self.members.read(
                f"{self.location.name.removesuffix('.tar')}/{self.names[item]}"
            )
        return (self.location / self.names[item]).read_bytes()

    def texts(self, item: int) -> list[str]:
        """The captions of the first field that has any."""
        return self.captions[item]


def _texts(record: Mapping[str, Any], fields: tuple[str, ...]) -> list[str]:
    for field in fields:
        said = record.get(field)
        texts = [
            one
            for one in (said if isinstance(said, list) else [said])
            if isinstance(one, str) and one.strip()
        ]
        if texts:
            return texts
    return []


def _read(about: str, file: Path, kind: type, wanted: str) -> Any:
    """What a JSON file holds.

    Raises:
        DatasetError: not what is wanted.
    """
    try:
        found = json.loads(file.read_bytes())
    except ValueError as problem:
        raise DatasetError(
            f"{about}: {file} is no JSON ({problem}); it should hold {wanted}. Fetch it again."
        ) from problem
    if not isinstance(found, kind):
        raise DatasetError(
            f"{about}: {file} holds a {type(found).__name__}; it should hold {wanted}"
        )
    return found


def _labelled(about: str, file: Path, classes: list[str]) -> bool:
    """Whether targets are labels: not where neither the records nor the row name classes (Flickr30k, COCO)."""
    if not file.exists():
        return bool(classes)
    named = _read(about, file, list, "a list of class names")
    if classes and named != classes:
        place = next(
            (n for n, pair in enumerate(zip(named, classes, strict=False)) if pair[0] != pair[1]),
            "the end",
        )
        raise DatasetError(
            f"{about}: its classes are not those of {file.name}, from {place} on; targets index into the file's list"
        )
    return True
