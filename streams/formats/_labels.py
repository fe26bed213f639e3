"""Class numbers in files, their match with a row's classes, and captions from templates.

Where files name their classes, these names are compared with the row's. If both have the same names
in another order, numbers are mapped by name. If only some names are at other numbers, row and files
contradict each other: one is wrong, and training would label crows as gulls.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from streams import ContradictionError, DatasetError
from streams.formats._unused import first_names

# The template of a row that has none.
TEMPLATE = "a photo of a {}"
# The most names of each side in an error.
SHOWN = 6
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\dA-Z_]+|\d+")


def order_of(about: str, classes: Sequence[str], named: Sequence[str], where: str) -> list[int]:
    """Return the row's class number for each class number of a file.

    `classes` are the row's names and `named` the file's; where the file names none, the numbers are
    the row's. Messages call the file `where`.

    Raises:
        ContradictionError: row and file have different numbers of classes, or the same class at
            different numbers.
    """
    numbers = list(range(len(classes)))
    if not named or not classes or list(named) == list(classes):
        return numbers
    if len(named) != len(classes):
        raise ContradictionError(
            f"{about}: the row names {len(classes)} classes ({_listed(classes)}), and {where} "
            f"{len(named)} ({_listed(named)}). Name every class of the files in the row, in their "
            "order."
        )
    if sorted(named) == sorted(classes):
        # The same names in another order: each is followed by name.
        number = _numbers_of(classes)
        return [number[name] for name in named]
    place = _contradiction(classes, named)
    if place is not None:
        raise ContradictionError(
            f"{about}: class number {place} is {classes[place]!r} in the row and {named[place]!r} "
            "in "
            f"{where}. The row has {_listed(classes)}; {where} has {_listed(named)}. Write the "
            "row's "
            "names in the order of the files, or exactly as they are written there, in any order."
        )
    return numbers


def renamed(classes: Sequence[str], named: Sequence[str], where: str) -> list[str]:
    """Return a remark if the row's class names differ from the file's, as a list; else []."""
    if not named or not classes or sorted(named) == sorted(classes):
        return []
    pairs = zip(classes, named, strict=False)
    other = []
    for name, written in pairs:
        if _words(name) != _words(written):
            other.append(f"{name!r} is {written!r}")
    if not other:
        return []
    return [
        f"{len(other)} classes of the row have other names in {where}, by number: {_listed(other)}"
    ]


def label_numbers(
    about: str, labels: Sequence[Any], classes: Sequence[str], order: Sequence[int] = ()
) -> np.ndarray:
    """Convert labels to the row's class numbers, (N,) int64; None becomes -1.

    Names become their index among the classes. Numbers are mapped by `order`, which holds the row's
    number for each number of the file; numbers beyond it are kept.

    Raises:
        DatasetError: a name that is no class, or a label that is neither a name nor a number.
    """
    number = _numbers_of(classes)
    places = []
    for label in labels:
        if label is None:
            places.append(-1)
        elif isinstance(label, str):
            if label not in number:
                raise DatasetError(
                    f"{about}: label {label!r} is not among the row's classes: {', '.join(classes)}"
                )
            places.append(number[label])
        elif isinstance(label, int | float) and label == int(label):
            place = int(label)
            # A number beyond the order is kept, and later refused with the name of its item.
            if 0 <= place < len(order):
                place = order[place]
            places.append(place)
        else:
            raise DatasetError(
                f"{about}: label {label!r} is neither the name of a class nor its number"
            )
    return np.array(places, np.int64)


def check_labels(about: str, classes: int, labels: np.ndarray, name: Callable[[int], str]) -> None:
    """Check that all labels (N,) are class numbers, where the row names classes.

    Raises:
        DatasetError: one is not; gives the `name` of the first such item, and the allowed numbers.
    """
    # A single label that stands for all is checked once
    some = labels if any(labels.strides) else labels[:1]
    outside = np.flatnonzero((some < -1) | (some >= classes))
    if classes and len(outside):
        wrong = int(outside[0])
        raise DatasetError(
            f"{about}: {name(wrong)} has label {labels[wrong]}, and the row has {classes} classes. "
            f"Labels run from 0 to {classes - 1}; name every class in the row."
        )


def without_classes(count: int) -> np.ndarray:
    """Return -1 for each of `count` pairs, (N,) int64, as one number that stands for all."""
    return np.broadcast_to(np.int64(-1), (count,))


def by_label(
    dataset: Mapping[str, Any], classes: Sequence[str], labels: np.ndarray
) -> list[list[str]]:
    """Return the captions of each label: every template of the row with the class name.

    Raises:
        DatasetError: a label without a class.
    """
    for label in np.unique(labels).tolist():
        if not 0 <= label < len(classes):
            raise DatasetError(
                f"dataset {dataset['name']!r}: captions from templates need a class for every "
                "label, "
                f"and {label} has none of the {len(classes)}. Name every class in the row, or take "
                "captions from elsewhere."
            )
    templates = dataset["templates"] or [TEMPLATE]
    captions = []
    for name in classes:
        captions.append([template.replace("{}", name) for template in templates])
    return captions


def _contradiction(classes: Sequence[str], named: Sequence[str]) -> int | None:
    """Return the first number at which the row and a file have different classes; None if none.

    Names are compared as words, ignoring case, blanks and underscores. One name of the row that the
    file has, exactly so, at another number is a contradiction. Names that only share words (`annual
    crop land` and `AnnualCrop`) are one when more of them match at another number than at their
    own.
    """
    ours, theirs = list(map(_words, classes)), list(map(_words, named))
    at = {"".join(words): place for place, words in enumerate(theirs)}
    for place, words in enumerate(ours):
        if at.get("".join(words), place) != place and "".join(theirs[place]) != "".join(words):
            return place
    # A single new name may resemble another class by chance, but most names do not.
    apart, together = [], 0
    for place, words in enumerate(ours):
        if _alike(words, theirs[place]):
            together += 1
        elif sum(_alike(words, other) for other in theirs) == 1:
            apart.append(place)
    return apart[0] if len(apart) > together else None


def _numbers_of(names: Sequence[str]) -> dict[str, int]:
    """Return the number of each name."""
    return {name: number for number, name in enumerate(names)}


def _words(name: str) -> list[str]:
    """Return a name's words in lower case: the same for `AnnualCrop` and `annual_crop`."""
    return [word.casefold() for word in WORD.findall(name)] or [name]


def _alike(words: Sequence[str], others: Sequence[str]) -> bool:
    """Return whether all words of one name are among those of the other."""
    return set(words) <= set(others) or set(others) <= set(words)


def _listed(names: Sequence[str]) -> str:
    return first_names(names, SHOWN)
