"""The numbers of classes: as files say them, and the captions that a row's templates make of their names."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streams import DatasetError

TEMPLATE = "a photo of a {}"  # of a row that has no templates


def told(
    about: str, labels: Sequence[Any], classes: Sequence[str], named: Sequence[str] = ()
) -> np.ndarray:
    """(N,) int64: labels that are numbers as they are, None as -1, and names by their place among the classes.

    `named`: what the numbers mean where the files say so. Where the row names the same classes in another order, that one counts.

    Raises:
        DatasetError: a name that is no class, or what is neither a name nor a number.
    """
    number = {name: place for place, name in enumerate(classes)}
    moved = [number[name] for name in named] if sorted(named) == sorted(classes) else []
    found = []
    for label in labels:
        if isinstance(label, str) and label not in number:
            raise DatasetError(
                f"{about}: label {label!r} is not among the row's classes: {', '.join(classes)}"
            )
        if not (
            label is None
            or isinstance(label, str)
            or (isinstance(label, int | float) and label == int(label))
        ):
            raise DatasetError(
                f"{about}: label {label!r} is neither the name of a class nor its number"
            )
        place = -1 if label is None else number[label] if isinstance(label, str) else int(label)
        found.append(
            moved[place] if 0 <= place < len(moved) and not isinstance(label, str) else place
        )
    return np.array(found, np.int64)


def by_label(
    dataset: Mapping[str, Any], classes: Sequence[str], labels: np.ndarray
) -> list[list[str]]:
    """The captions of each label: every template of the row with the class name; labels (N,).

    Raises:
        DatasetError: a label without a class.
    """
    for label in np.unique(labels).tolist():
        if not 0 <= label < len(classes):
            said = f"captions from templates need a class for every label, and {label} has none of the {len(classes)}"
            raise DatasetError(
                f"dataset {dataset['name']!r}: {said}. Name every class in the row, or take captions from elsewhere."
            )
    return [
        [template.replace("{}", name) for template in dataset["templates"] or [TEMPLATE]]
        for name in classes
    ]
