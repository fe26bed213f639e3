"""Where a dataset lies: the place that its row names, and the files that a part of it means."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from streams import DatasetError


class Form(Protocol):
    """The params that every format of files has."""

    @property
    def train(self) -> Any:
        """Where the training pairs are, as the format says it."""
        ...

    @property
    def test(self) -> Any:
        """Where the test pairs are; the same place as `train`: `test_share` splits it."""
        ...

    @property
    def test_share(self) -> float:
        """Share of the items that are test pairs, by a hash of the item's name."""
        ...

    @property
    def image_px(self) -> int:
        """Side of the square, in pixels."""
        ...

    @property
    def corrupt_share(self) -> float:
        """Share of the items read that may be unreadable; ten always may."""
        ...


def place(dataset: Mapping[str, Any], data: Path, wanted: str) -> Path:
    """Where the row says the dataset lies; `wanted` says what should be there.

    Raises:
        DatasetError: no location, an address, or nothing there.
    """
    about, location = f"dataset {dataset['name']!r}", dataset.get("location")
    if not location:
        raise DatasetError(
            f"{about}: format {dataset['format']} needs a `location` that contains {wanted}"
        )
    if "://" in location:
        raise DatasetError(
            f"{about}: location {location!r} is an address, and nothing is downloaded. Fetch it, and name the folder."
        )
    return there(about, data / location, wanted)


def there(about: str, path: Path, wanted: str) -> Path:
    """The path, if it exists.

    Raises:
        DatasetError: it does not.
    """
    if path.exists():
        return path
    raise DatasetError(
        f"{about}: there is no {path}; it should contain {wanted}. (Relative locations start at the data folder.)"
    )


def part(form: Form, split: str) -> Any:
    """Where the form says that a split is."""
    return form.train if split == "train" else form.test


def matching(about: str, folder: Path, said: str, suffix: str) -> list[Path]:
    """The files that a sub-location means, sorted: a file, a folder's with the suffix, or a pattern (`data/train-*.parquet`).

    Raises:
        DatasetError: there are none.
    """
    if any(sign in said for sign in "*?["):
        found = [path for path in folder.glob(said) if path.is_file()]
    elif (folder / said).is_file():
        found = [folder / said]
    else:
        found = [
            path for path in (folder / said).rglob(f"*{suffix}") if not path.name.startswith(".")
        ]
    if not found:
        raise DatasetError(
            f"{about}: there are no {suffix} files at {folder / said}. Say where with location, train and test."
        )
    return sorted(found)
