"""Locations of datasets: the path that a row names, and the files of a split."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from streams import DatasetError
from streams.formats._unused import first_names

# A path with one of these characters is a pattern.
SIGNS = "*?["
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
# The most files of a range that an error names.
SHOWN = 3


class Form(Protocol):
    """The params that every format of files has, as an interface."""

    @property
    def train(self) -> Any:
        """Return where the training pairs are; its meaning depends on the format."""
        ...

    @property
    def test(self) -> Any:
        """Return where the test pairs are; if it equals `train`, `test_share` splits that."""
        ...

    @property
    def test_share(self) -> float:
        """Return the share of the items that are test pairs, by a hash of the item's name."""
        ...

    @property
    def image_px(self) -> int:
        """Return the side of the square, in pixels."""
        ...

    @property
    def corrupt_share(self) -> float:
        """Return the share of the items read that may be unreadable; ten always may."""
        ...


def place(dataset: Mapping[str, Any], data: Path, contents: str) -> Path:
    """Return the path of the dataset's location; messages say that it should hold `contents`.

    Raises:
        DatasetError: no location, an address, or nothing there.
    """
    return there(f"dataset {dataset['name']!r}", located(dataset, data, contents), contents)


def place_and_pattern(
    dataset: Mapping[str, Any], data: Path, pattern: str, contents: str
) -> tuple[Path, str]:
    """Return a folder, and its files that are meant: a name, a pattern or a range in braces.

    The location may itself be a file, a pattern or a range; `pattern` is the sub-location of a
    split.

    Raises:
        DatasetError: as `place`.
    """
    path = located(dataset, data, contents)
    fixed, rest = path, ""
    while not fixed.exists() and is_pattern(path.as_posix()) and fixed != fixed.parent:
        fixed, rest = fixed.parent, f"{fixed.name}/{rest}".rstrip("/")
    if rest:
        return fixed, rest
    path = there(f"dataset {dataset['name']!r}", path, contents)
    if path.is_dir():
        return path, pattern
    return path.parent, path.name


def located(dataset: Mapping[str, Any], data: Path, contents: str) -> Path:
    """Return the path of a row's location, whether or not it exists.

    Raises:
        DatasetError: no location, or an address.
    """
    about, location = f"dataset {dataset['name']!r}", dataset.get("location")
    if not location:
        raise DatasetError(
            f"{about}: format {dataset['format']} needs a `location` that contains {contents}"
        )
    if not isinstance(location, str):
        raise DatasetError(f"{about}: location is {location!r}; it must be the text of a path")
    if "://" in location:
        raise DatasetError(
            f"{about}: location {location!r} is an address, and nothing is downloaded. Fetch it, "
            "and name the folder."
        )
    return data / location


def there(about: str, path: Path, contents: str) -> Path:
    """Return the path, if it exists.

    Raises:
        DatasetError: it does not.
    """
    if path.exists():
        return path
    raise DatasetError(
        f"{about}: there is no {path}; it should contain {contents}. (Relative locations start at "
        "the "
        "data folder.)"
    )


def part(form: Form, split: str) -> Any:
    """Return a split's sub-location, `train` or `test` of the form."""
    return form.train if split == "train" else form.test


def is_pattern(pattern: str) -> bool:
    """Return whether a path stands for several files."""
    return any(sign in pattern for sign in SIGNS) or RANGE.search(pattern) is not None


def expanded(pattern: str) -> list[str]:
    """Return the paths or addresses that a range of numbers in braces stands for, in order.

    Numbers have as many digits as the first one is written with.
    """
    return list(each_of(pattern))


def each_of(pattern: str) -> Iterator[str]:
    """Yield the results of `expanded` one by one, as there may be millions."""
    numbers = RANGE.search(pattern)
    if numbers is None:
        yield pattern
        return
    first, last = numbers.groups()
    head, tail = pattern[: numbers.start()], pattern[numbers.end() :]
    for number in range(int(first), int(last) + 1):
        yield from each_of(f"{head}{number:0{len(first)}}{tail}")


def matching(about: str, folder: Path, pattern: str, suffix: str) -> list[Path]:
    """Return the files that a sub-location means, sorted.

    It is a file, a folder of files with the suffix, a pattern (`data/train-*.parquet`), or numbers
    in braces (`{00000..00127}.tar`), of which every one must be there.

    Raises:
        DatasetError: there are none, or one of a range is missing.
    """
    if RANGE.search(pattern):
        return _all_of(about, folder, pattern)
    if is_pattern(pattern):
        files = [path for path in folder.glob(pattern) if path.is_file()]
    elif (folder / pattern).is_file():
        files = [folder / pattern]
    else:
        inside = (folder / pattern).rglob(f"*{suffix}")
        files = [path for path in inside if not path.name.startswith(".")]
    if not files:
        raise DatasetError(
            f"{about}: there are no {suffix} files at {folder / pattern}. Say where with location, "
            "train and test."
        )
    return sorted(files)


def _all_of(about: str, folder: Path, pattern: str) -> list[Path]:
    """Return the files of a range in braces.

    Raises:
        DatasetError: some are not there; names the first.
    """
    files, missing = list[Path](), list[str]()
    for each in expanded(pattern):
        file = folder / each
        files.append(file)
        if not file.is_file():
            missing.append(str(file))
    if missing:
        shown = first_names(missing, SHOWN)
        raise DatasetError(
            f"{about}: {len(missing)} of the {len(files)} files of {pattern} are not in {folder}: "
            f"{shown}. Fetch them, write the numbers that are there, or a pattern such as "
            f"{RANGE.sub('*', pattern)}"
        )
    return sorted(files)


def files_below(folder: Path, name: str = "") -> list[str]:
    """Return every file below `folder/name`, relative to `folder`, sorted; links are followed."""
    files = []
    for root, _, names in os.walk(folder / name, followlinks=True):
        at = Path(root).relative_to(folder)
        files += [(at / file).as_posix() for file in names]
    return sorted(files)


def is_hidden(path: str) -> bool:
    """Return whether a relative path is a hidden file, or lies in a hidden folder."""
    return any(step.startswith(".") for step in path.split("/"))
