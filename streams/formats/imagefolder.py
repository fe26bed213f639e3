"""Class folders of images, `crow/001.jpg`, as torchvision's ImageFolder and most downloads have them; captions from templates."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streams import DatasetError
from streams.formats._files import Files
from streams.formats._labels import by_label
from streams.formats._places import part, place, there
from streams.pictures import SUFFIXES


@dataclass(frozen=True)
class Imagefolder:
    """The fields are the keys of `dataset.params`."""

    train: str = ""  # folder in the location that holds the class folders; the same as `test`: split by `test_share`
    test: str = ""
    test_share: float = 0.0  # share of the items that are test pairs, by a hash of `crow/001.jpg`
    folders: (
        tuple[str, ...] | list[str]
    ) = ()  # of the row's classes, in their order; empty: a folder is called as its class
    image_px: int = 224
    corrupt_share: float = 0.01  # of the items read; ten may always be unreadable

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> Files:
        """The images of the row's classes (of all folders, sorted, where it names none), by class, then by path.

        Raises:
            DatasetError: no such location, or no folder of a class.
        """
        about, wanted = f"dataset {dataset['name']!r}", "a folder of images for each class"
        folder = there(about, place(dataset, cache, wanted) / part(self, split), wanted)
        if not folder.is_dir():
            raise DatasetError(
                f"{about}: {folder} is a file; it must be {wanted}. Unpack it, or see which format reads it."
            )
        classes = list(dataset["classes"]) or sorted(
            entry.name
            for entry in folder.iterdir()
            if entry.is_dir() and not entry.name.startswith(".")
        )
        folders = list(self.folders) or classes
        if len(folders) != len(classes):
            raise DatasetError(
                f"{about}: {len(folders)} folders are named for {len(classes)} classes; name one for each"
            )
        for name in folders:
            there(
                about,
                folder / name,
                "the images of a class; `folders` in the row's params says how its folders are called",
            )
        return Files(dataset, self, split, Folders(folder, dataset, classes, folders))


class Folders:
    """The images of class folders."""

    def __init__(
        self, folder: Path, dataset: Mapping[str, Any], classes: list[str], folders: list[str]
    ) -> None:
        self.folder = folder
        self.names: list[str] = []
        labels: list[int] = []
        for label, name in enumerate(folders):
            found = sorted(_images(folder, name))
            self.names += found
            labels += [label] * len(found)
        self.labels = np.array(labels, np.int64)
        self.by_label = by_label(dataset, classes, self.labels)

    def read(self, item: int) -> bytes:
        """The file."""
        return (self.folder / self.names[item]).read_bytes()

    def texts(self, item: int) -> list[str]:
        """Every template of the row, with the class name."""
        return self.by_label[self.labels[item]]


def _images(folder: Path, name: str) -> list[str]:
    """The images below `folder/name`, relative to `folder`; hidden files are no images."""
    return [
        (Path(root) / file).relative_to(folder).as_posix()
        for root, _, files in os.walk(folder / name, followlinks=True)
        for file in files
        if not file.startswith(".") and file.lower().endswith(SUFFIXES)
    ]
