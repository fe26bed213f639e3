"""The datasets of torchvision by class name, read from the disk: nothing is downloaded.

Captions come from the row's templates. torchvision decodes the images, most of them to RGB, so
options for EXIF and transparency do not exist here.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torchvision import datasets

from schema.words import nearest
from streams import DatasetError
from streams.formats._files import Files
from streams.formats._labels import by_label, label_numbers, order_of, renamed
from streams.formats._places import part, place
from streams.formats._tables import RowNames
from streams.formats._unused import Unused

# The attributes in which torchvision's classes keep their labels.
LABELS = ("targets", "labels", "_labels", "y")
# The attributes in which others keep lists of (file, label).
PAIRS = ("samples", "_samples", "imgs")
# Arguments that a row may not set.
OURS = (
    *("root", "download", "loader", "transform", "target_transform", "transforms"),
    "is_valid_file",
)


@dataclass(frozen=True)
class Torchvision:
    """The fields are the keys of `dataset.params`."""

    # A class of torchvision.datasets: `CIFAR100`, `Food101`.
    set: str = ""
    # Arguments of the class for the split; `train` or `split` is set where the class takes it.
    train: dict[str, Any] = field(default_factory=dict)
    test: dict[str, Any] = field(default_factory=dict)
    # For a class without splits: the share of test pairs, chosen by a hash of `CIFAR100/17`.
    test_share: float = 0.0
    image_px: int = 224
    # The share of the items read that may be unreadable; ten always may.
    corrupt_share: float = 0.01

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> Files:
        """Return the items in torchvision's order.

        Raises:
            DatasetError: no such class or location, an argument it does not take, or targets that
                are no class numbers.
            ContradictionError: torchvision names other classes than the row.
        """
        about = f"dataset {dataset['name']!r}"
        if not takes_a_root(self.set):
            raise DatasetError(
                f"{about}: torchvision.datasets has no class {self.set!r} that reads a folder."
                f"{nearest(self.set, datasets.__all__)} Name one as `set`: Food101."
            )
        root = place(dataset, cache, f"what torchvision's {self.set}(root=...) wrote there")
        form = replace(self, train=self._arguments("train"), test=self._arguments("test"))
        items = _opened(about, self.set, root, part(form, split))
        # Both splits of one location have the same names.
        which = "all" if form.train == form.test else split
        numbered = Numbered(about, items, dataset, self.set, which)
        return Files(dataset, form, split, numbered)

    def compare(self, dataset: Mapping[str, Any], split: str, cache: Path) -> None:
        """Compare the class names of a row with torchvision's.

        Raises:
            ContradictionError: they differ.
        """
        self.open(dataset, split, cache)

    def _arguments(self, split: str) -> dict[str, Any]:
        """Return the arguments of the class for a split."""
        takes = _takes(self.set)
        usual: dict[str, Any] = {}
        if "train" in takes:
            usual = {"train": split == "train"}
        elif "split" in takes:
            usual = {"split": split}
        arguments: dict[str, Any] = part(self, split)
        return usual | arguments


class Numbered:
    """The items of a torchvision dataset."""

    def __init__(
        self, about: str, items: Any, dataset: Mapping[str, Any], name: str, which: str
    ) -> None:
        self.dataset = items
        count = len(items)
        # Names are `name/which/place`, made when a message needs one
        places = np.arange(count, dtype=np.int32)
        self.names = RowNames([f"{name}/{which}"], np.zeros(count, np.int8), places)
        self.unused = Unused()
        named = [_class_name(one) for one in getattr(items, "classes", ())]
        classes = list(dataset["classes"]) or named
        order = order_of(about, classes, named, f"torchvision's {name}")
        self.remarks = renamed(classes, named, f"torchvision's {name}")
        self.labels = label_numbers(about, _targets(about, items), classes, order)
        self.by_label = by_label(dataset, classes, self.labels)

    def read(self, item: int) -> Image.Image:
        """Return the image, decoded by torchvision."""
        image: Image.Image = self.dataset[item][0]
        return image

    def texts(self, item: int) -> list[str]:
        """Return every template of the row, with the class name."""
        return self.by_label[self.labels[item]]


def takes_a_root(name: str) -> bool:
    """Return whether torchvision.datasets has a class of this name that reads a folder."""
    if name not in datasets.__all__:
        return False
    return "root" in inspect.signature(getattr(datasets, name)).parameters


def _class_name(name: Any) -> str:
    """Return the name of a class; synonyms, as in ImageNet, are joined."""
    return ", ".join(map(str, name)) if isinstance(name, tuple) else str(name)


def _takes(name: str) -> list[str]:
    """Return the arguments of the class that a row may set; none if it reads no folder."""
    keys = inspect.signature(getattr(datasets, name)).parameters
    if "root" not in keys:
        return []
    return [key for key in keys if key not in OURS]


def _opened(about: str, name: str, root: Path, arguments: Mapping[str, Any]) -> Any:
    """Open the torchvision dataset.

    Raises:
        DatasetError: an argument that the class does not take, or torchvision cannot open it.
    """
    takes = _takes(name)
    for key in arguments:
        if key not in takes:
            allowed = ", ".join(takes) or "none"
            raise DatasetError(
                f"{about}: torchvision's {name} has no argument {key!r} that a row may say. "
                "Allowed: "
                f"{allowed}.{nearest(key, takes)}"
            )
    try:
        items = getattr(datasets, name)(root, **arguments)
        # A class that is only a base class has no length, and raises here.
        len(items)
    except (RuntimeError, OSError, ValueError, TypeError, ImportError) as problem:
        raise DatasetError(
            f"{about}: torchvision cannot open {name} in {root} with {dict(arguments)} "
            f"({problem}). "
            "Download it there first, with the packages it needs; train and test in the row's "
            "params "
            "say what it is called with."
        ) from problem
    return items


def _targets(about: str, items: Any) -> list[int]:
    """Return the label of every item, without decoding images where torchvision stores labels.

    Raises:
        DatasetError: the labels are no numbers.
    """
    labels = _first_of(items, LABELS)
    if labels is None:
        pairs = _first_of(items, PAIRS)
        if pairs is None:
            pairs = map(items.__getitem__, range(len(items)))
        labels = [label for _, label in pairs]
    try:
        return [int(label) for label in np.asarray(labels).tolist()]
    except (TypeError, ValueError) as problem:
        raise DatasetError(
            f"{about}: its targets are no class numbers; convert it to webdataset or parquet"
        ) from problem


def _first_of(items: Any, names: tuple[str, ...]) -> Any:
    """Return the first of these attributes that a dataset has; None if it has none."""
    for name in names:
        if hasattr(items, name):
            return getattr(items, name)
    return None
