"""The numbers of classes: as files say them, and the captions that a row's templates make of their
names.

Where files name their classes too, those names and the row's are compared. The same names in
another order are followed by name. A name that stands at another number in the file is a
contradiction: one of the two sides is wrong, and training would teach crows as gulls.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from streams import ContradictionError, DatasetError
from streams.formats._unused import first_names

# What a row that has no templates is read with.
TEMPLATE = "a photo of a {}"
# How many names of each side an error gives.
SHOWN = 6
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\dA-Z_]+|\d+")


def order_of(about: str, classes: Sequence[str], named: Sequence[str], where: str) -> list[int]:
    """Return the row's number for each number of a file that names its classes.

    `classes`: of the row. `named`: of the file, which is called `where` in messages; none: the
    numbers are the row's.

    Raises:
        ContradictionError: the two sides have another number of classes, or name the same class by
            another number.
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
    """Return a sentence if the row calls classes otherwise than a file does; else nothing."""
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
    """Return (N,) int64: None as -1, names by their place among the classes, numbers by `order`.

    `order`: the row's number for each number of the file; a number beyond it stays as it is.

    Raises:
        DatasetError: a name that is no class, or what is neither a name nor a number.
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
            # A number beyond the order stays, and is refused with the name of its item later.
            if 0 <= place < len(order):
                place = order[place]
            places.append(place)
        else:
            raise DatasetError(
                f"{about}: label {label!r} is neither the name of a class nor its number"
            )
    return np.array(places, np.int64)


def check_labels(about: str, classes: int, labels: np.ndarray, name: Callable[[int], str]) -> None:
    """Refuse a label that is no number of a class, where the row names classes; labels (N,).

    Raises:
        DatasetError: gives the `name` of the first item with such a label, and the numbers there
            are.
    """
    # One number that stands for all labels is looked at once
    some = labels if any(labels.strides) else labels[:1]
    outside = np.flatnonzero((some < -1) | (some >= classes))
    if classes and len(outside):
        wrong = int(outside[0])
        raise DatasetError(
            f"{about}: {name(wrong)} has label {labels[wrong]}, and the row has {classes} classes. "
            f"Labels run from 0 to {classes - 1}; name every class in the row."
        )


def without_classes(count: int) -> np.ndarray:
    """Return (N,) int64 for pairs without a class: one -1 that stands for all of them."""
    return np.broadcast_to(np.int64(-1), (count,))


def by_label(
    dataset: Mapping[str, Any], classes: Sequence[str], labels: np.ndarray
) -> list[list[str]]:
    """Return the captions of each label: every template of the row with the class name; labels
    (N,).

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
    """Return the first number at which the row and a file mean different classes; None: none is
    known.

    Names are compared as words, without case, blanks and underscores. A name that the file writes
    exactly so at another number is enough. Names that only share their words (`annual crop land`
    and `AnnualCrop`) count when more of them stand at another number than at their own.
    """
    ours, theirs = list(map(_words, classes)), list(map(_words, named))
    at = {"".join(words): place for place, words in enumerate(theirs)}
    for place, words in enumerate(ours):
        if at.get("".join(words), place) != place and "".join(theirs[place]) != "".join(words):
            return place
    # A single new name may look like another class by chance; most of them do not.
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
    """Return the words of a name in small letters: `AnnualCrop`, `annual_crop` and `annual crop`
    alike.
    """
    return [word.casefold() for word in WORD.findall(name)] or [name]


def _alike(words: Sequence[str], others: Sequence[str]) -> bool:
    """Tell whether all words of one name are among those of the other."""
    return set(words) <= set(others) or set(others) <= set(words)


def _listed(names: Sequence[str]) -> str:
    return first_names(names, SHOWN)
