"""What is learned from: formats that read pairs, tasks cut from sequences, mixtures that make batches. Imports no duckdb.

Shapes: B pairs in a batch, N pairs in a dataset, H x W pixels, L tokens.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from schema.words import nearest

UPDATE, BUFFER, PRETRAINING = range(3)  # where a pair of a batch came from
FORMATS = Path(__file__).parent / "formats"


class Pairs(Protocol):
    """One split of one dataset, by index."""

    labels: np.ndarray  # (N,) int64: index into the dataset row's `classes`; -1 where there is none

    def __len__(self) -> int: ...

    def images(self, indices: np.ndarray) -> np.ndarray:
        """(B, 3, H, W) uint8."""
        ...

    def captions(self, indices: np.ndarray, rng: np.random.Generator) -> list[str]:
        """One training caption each; `rng` chooses where a pair has several."""
        ...


@dataclass(frozen=True)
class Draw:
    """A batch as the data has it."""

    images: np.ndarray  # (B, 3, H, W) uint8, or a part of them that was asked for
    captions: list[str]
    sources: np.ndarray  # (B,) int8: UPDATE, BUFFER or PRETRAINING


@dataclass(frozen=True)
class Batch:
    """A batch as an objective sees it."""

    images: Tensor  # (B, 3, H, W) float32, normalised
    texts: Tensor  # (B, L) int64
    sources: Tensor  # (B,) int8: UPDATE, BUFFER or PRETRAINING, in this order


class DatasetError(ValueError):
    """A dataset row that its format cannot read."""


def open_pairs(dataset: Mapping[str, Any], split: str, cache: Path) -> Pairs:
    """Open `train` or `test` of a dataset row as the definition has it; what is derived from it is kept under `cache`.

    Raises:
        DatasetError: no such format, or a key in `params` that the format does not have.
    """
    pairs: Pairs = _form(dataset).open(dataset, split, cache)
    return pairs


def image_px(dataset: Mapping[str, Any]) -> int:
    """The side of the squares that a dataset row's images are made, in pixels; of all formats.

    Raises:
        DatasetError: as `open_pairs`.
    """
    return int(_form(dataset).image_px)


def _form(dataset: Mapping[str, Any]) -> Any:
    """The format of a row, its fields set from `params`."""
    name = dataset["format"]
    known = sorted(path.stem for path in FORMATS.glob("*.py") if not path.stem.startswith("_"))
    if name not in known:
        listed = f"Known: {', '.join(known)}.{nearest(name, known)}"
        raise DatasetError(f"dataset {dataset['name']!r}: unknown format {name!r}. {listed}")
    module = importlib.import_module(f"streams.formats.{name}")
    form = getattr(module, "".join(word.capitalize() for word in name.split("_")))
    keys = [field.name for field in fields(form)]
    for key in dataset["params"]:
        if key not in keys:
            listed = f"Allowed: {', '.join(keys)}.{nearest(key, keys)}"
            raise DatasetError(f"dataset {dataset['name']!r}: {name} has no parameter {key!r}. {listed}")
    return form(**dataset["params"])
