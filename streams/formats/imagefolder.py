"""Folders of images: a folder for each class, `crow/001.jpg`, or a table of captions beside the
images.

Class folders are as torchvision's ImageFolder and most downloads have them, with captions from the
row's templates. With `caption`, the captions are a column of `metadata.csv`, `.jsonl` or `.parquet`
in the folder or in folders below it, whose column `file_name` names an image from there: the
ImageFolder of Hugging Face (https://huggingface.co/docs/datasets/image_dataset). An image in
several rows, or with a list in its cell, has several captions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from streams import DatasetError
from streams.formats._captioned import Listed, rows_of_images
from streams.formats._files import Files
from streams.formats._labels import by_label
from streams.formats._names import PackedNames
from streams.formats._places import files_below, is_hidden, part, place, there
from streams.formats._tables import Table, read_table
from streams.formats._unused import HIDDEN, KINDS_OF_FILE, NO_CLASS, OUTSIDE, Unused
from streams.pictures import SUFFIXES

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
# The column of file names that Hugging Face reads.
FILE_NAME = "file_name"
WANTED = "a folder of images for each class"


@dataclass(frozen=True)
class Imagefolder:
    """The fields are the keys of `dataset.params`."""

    # Folder in the location that holds the class folders; if it equals `test`, `test_share` splits
    # it.
    train: str = ""
    test: str = ""
    # The share of the items that are test pairs, by a hash of `crow/001.jpg`.
    test_share: float = 0.0
    # The folders of the row's classes, in order; empty: folders have the names of their classes.
    folders: tuple[str, ...] | list[str] = ()
    # Column of captions in the metadata; empty: captions from the row's templates.
    caption: str = ""
    # Column of a class, by number or name; empty: the folder is the class.
    label: str = ""
    image_px: int = 224
    # The share of the items read that may be unreadable; ten always may.
    corrupt_share: float = 0.01
    # The colour that transparent pictures are put on; empty: as open_clip treats them.
    background: str = ""
    # Whether pictures are turned as their EXIF says.
    upright: bool = False

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> Files:
        """Return the images of the row's classes, by class, then by path.

        Where the row names no classes, all folders are classes, sorted. With captions from
        metadata, the images are in the order of their paths.

        Raises:
            DatasetError: no such location, no folder of a class, or no metadata where it is asked
                for.
        """
        about = f"dataset {dataset['name']!r}"
        contents = "images, with metadata beside them" if self.caption else WANTED
        folder = there(about, place(dataset, cache, contents) / part(self, split), contents)
        if not folder.is_dir():
            raise DatasetError(
                f"{about}: {folder} is a file; it must be {contents}. Unpack it, or see which "
                "format "
                "reads it."
            )
        if self.caption:
            listed = self._listed(about, dataset, folder)
            return Files(dataset, self, split, listed)
        if self.label:
            raise DatasetError(
                f"{about}: label names a column of the metadata, and caption names none. Give "
                "both, or "
                "leave the classes to the folders."
            )
        classes, folders = self._classes(about, dataset, folder)
        return Files(dataset, self, split, Folders(folder, dataset, classes, folders))

    def _classes(
        self, about: str, dataset: Mapping[str, Any], folder: Path
    ) -> tuple[list[str], list[str]]:
        """Return the names of the classes, and of the folder of each.

        Raises:
            DatasetError: the numbers of folders and classes differ, or a folder is repeated or
                missing.
        """
        classes = list(dataset["classes"]) or class_folders(folder)
        folders = list(self.folders) or classes
        if len(folders) != len(classes):
            raise DatasetError(
                f"{about}: {len(folders)} folders are named for {len(classes)} classes; name one "
                "for "
                "each"
            )
        if len(set(folders)) < len(folders):
            raise DatasetError(f"{about}: a folder is named for two classes; name one for each")
        for name in folders:
            there(
                about,
                folder / name,
                "the images of a class; `folders` in the row's params says how its folders are "
                "called",
            )
        return classes, folders

    def _listed(self, about: str, dataset: Mapping[str, Any], folder: Path) -> Listed:
        """Return the images that the metadata of a folder gives captions to.

        Raises:
            DatasetError: there is no metadata, or a column is missing.
        """
        files = files_below(folder)
        tables = [name for name in files if Path(name).name in METADATA and not is_hidden(name)]
        if not tables:
            raise DatasetError(
                f"{about}: there is no {', '.join(METADATA)} in {folder} or below it, and "
                "`caption` "
                f"names a column of it ({self.caption}). Put one there, or leave caption out for "
                "the "
                "row's templates."
            )
        folders = list(self.folders) or list(dataset["classes"])
        listed = Listed(folder, dataset, self.label, folders)
        for name in tables:
            table = read_table(about, folder / name)
            columns = (("file_name", FILE_NAME), ("caption", self.caption), ("label", self.label))
            rows_of_images(about, listed, table, columns, Path(name).parent.as_posix())
        listed.covers.append(folder)
        listed.close(about, [name for name in files if name not in tables])
        return listed


class Folders:
    """The images of class folders."""

    def __init__(
        self, folder: Path, dataset: Mapping[str, Any], classes: list[str], folders: list[str]
    ) -> None:
        self.folder, self.covers = folder, [folder]
        self.unused, self.remarks = Unused(), list[str]()
        names: list[list[str]] = [[] for _ in folders]
        whose = {PurePosixPath(name).as_posix(): label for label, name in enumerate(folders)}
        # Every file below the folder is an item, or is counted as unused with the reason.
        for path in files_below(folder):
            label = _class_of(path, whose)
            if is_hidden(path):
                self.unused.add(HIDDEN, path)
            elif not path.lower().endswith(SUFFIXES):
                self.unused.add(KINDS_OF_FILE, path)
            elif label is None:
                self.unused.add(NO_CLASS if "/" in path else OUTSIDE, path)
            else:
                names[label].append(path)
        self.names = PackedNames(chain.from_iterable(names))
        self.labels = np.repeat(np.arange(len(folders)), list(map(len, names)))
        self.by_label = by_label(dataset, classes, self.labels)

    def read(self, item: int) -> bytes:
        """Return the file."""
        return (self.folder / str(self.names[item])).read_bytes()

    def size(self, item: int) -> int:
        """Return the size of the file, in bytes."""
        return (self.folder / str(self.names[item])).stat().st_size

    def texts(self, item: int) -> list[str]:
        """Return every template of the row, with the class name."""
        return self.by_label[self.labels[item]]


def class_folders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted, without hidden ones."""
    names = []
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.name.startswith("."):
            names.append(entry.name)
    return sorted(names)


def metadata_of(about: str, folder: Path) -> Table | None:
    """Return the first metadata file of a folder, if it has one."""
    for name in METADATA:
        if (folder / name).is_file():
            return read_table(about, folder / name)
    return None


def _class_of(path: str, whose: Mapping[str, int]) -> int | None:
    """Return the class whose folder a path lies in; class folders may be nested."""
    # Where a class folder lies within another, the deepest decides.
    steps = path.split("/")[:-1]
    for depth in range(len(steps), 0, -1):
        label = whose.get("/".join(steps[:depth]))
        if label is not None:
            return label
    return whose.get(".")
