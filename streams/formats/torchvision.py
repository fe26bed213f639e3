"""The datasets of torchvision by class name, from where they already are: nothing is downloaded. Captions from templates."""

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
from streams.formats._labels import by_label, told
from streams.formats._places import part, place

LABELS = ("targets", "labels", "_labels", "y")  # what torchvision's classes call them
OURS = (
    "root",
    "download",
    "loader",
    "transform",
    "target_transform",
    "transforms",
    "is_valid_file",
)  # no row may say these
PAIRS = ("samples", "_samples", "imgs")  # or lists of (file, label)


@dataclass(frozen=True)
class Torchvision:
    """The fields are the keys of `dataset.params`."""

    set: str = ""  # a class of torchvision.datasets: `CIFAR100`, `Food101`
    train: dict[str, Any] = field(
        default_factory=dict
    )  # its arguments for the split; a `train` or `split` of its own is set
    test: dict[str, Any] = field(
        default_factory=dict
    )  # where none is said: {"train": false} or {"split": "test"}
    test_share: float = 0.0  # of a class without splits: share of the items that are test pairs, by a hash of `CIFAR100/17`
    image_px: int = 224
    corrupt_share: float = 0.01  # of the items read; ten may always be unreadable

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> Files:
        """The items in torchvision's order.

        Raises:
            DatasetError: no such class or location, an argument it does not take, or targets that are no class numbers.
        """
        about = f"dataset {dataset['name']!r}"
        if (
            self.set not in datasets.__all__
            or "root" not in inspect.signature(getattr(datasets, self.set)).parameters
        ):
            said = nearest(self.set, datasets.__all__)
            raise DatasetError(
                f"{about}: torchvision.datasets has no class {self.set!r} that reads a folder.{said} Name one as `set`: Food101."
            )
        root = place(dataset, cache, f"what torchvision's {self.set}(root=...) wrote there")
        form = replace(self, train=self._arguments("train"), test=self._arguments("test"))
        made = _made(about, self.set, root, part(form, split))
        return Files(
            dataset,
            form,
            split,
            Numbered(about, made, dataset, f"{self.set}/{self._which(form, split)}"),
        )

    def _arguments(self, split: str) -> dict[str, Any]:
        """What the class is called with for a split."""
        takes = _takes(self.set)
        usual = (
            {"train": split == "train"}
            if "train" in takes
            else {"split": split}
            if "split" in takes
            else {}
        )
        said: dict[str, Any] = part(self, split)
        return usual | said

    @staticmethod
    def _which(form: "Torchvision", split: str) -> str:
        """What the names of the items begin with: both splits of one place have the same names."""
        return "all" if form.train == form.test else split


class Numbered:
    """The items of a torchvision dataset."""

    def __init__(self, about: str, made: Any, dataset: Mapping[str, Any], prefix: str) -> None:
        self.made = made
        self.names = [f"{prefix}/{place}" for place in range(len(made))]
        named = [str(name) for name in getattr(made, "classes", ())]
        classes = list(dataset["classes"]) or named
        self.labels = told(about, _targets(about, made), classes, named)
        self.by_label = by_label(dataset, classes, self.labels)

    def read(self, item: int) -> Image.Image:
        """The image, decoded by torchvision."""
        image: Image.Image = self.made[item][0]
        return image

    def texts(self, item: int) -> list[str]:
        """Every template of the row, with the class name."""
        return self.by_label[self.labels[item]]


def _takes(name: str) -> list[str]:
    """What the class of torchvision takes that a row may say; nothing known of what reads no folder."""
    keys = inspect.signature(getattr(datasets, name)).parameters
    return [key for key in keys if key not in OURS] if "root" in keys else []


def _made(about: str, name: str, root: Path, arguments: Mapping[str, Any]) -> Any:
    """The dataset, opened."""
    takes = _takes(name)
    for key in arguments:
        if key not in takes:
            listed = f"Allowed: {', '.join(takes) or 'none'}.{nearest(key, takes)}"
            raise DatasetError(
                f"{about}: torchvision's {name} has no argument {key!r} that a row may say. {listed}"
            )
    try:
        made = getattr(datasets, name)(root, **arguments)
        len(made)  # a class that is only there to be built upon has no items
    except (RuntimeError, OSError, ValueError, TypeError, ImportError) as problem:
        raise DatasetError(
            f"{about}: torchvision cannot open {name} in {root} with {dict(arguments)} ({problem}). "
            f"Download it there first, with the packages it needs; train and test in the row's params say what it is called with."
        ) from problem
    return made


def _targets(about: str, made: Any) -> list[int]:
    """(N,): the label of every item, without decoding one where torchvision keeps them apart."""
    labels = next((getattr(made, key) for key in LABELS if hasattr(made, key)), None)
    if labels is None:
        pairs = next((getattr(made, key) for key in PAIRS if hasattr(made, key)), None)
        labels = (
            [made[item][1] for item in range(len(made))]
            if pairs is None
            else [label for _, label in pairs]
        )
    try:
        return [int(label) for label in np.asarray(labels).tolist()]
    except (TypeError, ValueError) as problem:
        raise DatasetError(
            f"{about}: its targets are no class numbers; convert it to webdataset or parquet"
        ) from problem
