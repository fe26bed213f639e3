"""What is learned from: formats that read pairs, tasks cut from sequences, mixtures that make batches. Imports no duckdb.

Shapes: B pairs in a batch, N pairs in a dataset, H x W pixels, L tokens.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from schema.checks import parts, rows
from streams.pictures import Crop

UPDATE, BUFFER, PRETRAINING = range(3)  # where a pair of a batch came from
EVERY = slice(None)


class Pairs(Protocol):
    """One split of one dataset, by index."""

    labels: np.ndarray  # (N,) int64: index into the dataset row's `classes`; -1 where there is none

    def __len__(self) -> int: ...

    def images(self, indices: np.ndarray, crops: Sequence[Crop] | None = None) -> np.ndarray:
        """(B, 3, H, W) uint8; `crops`: what is cut from each whole picture, in place of the square in its middle."""
        ...

    def captions(
        self, indices: np.ndarray, rng: np.random.Generator, part: slice = EVERY
    ) -> list[str]:
        """One training caption each, of `part` of the pairs; `rng` chooses where a pair has several, and goes on as for all."""
        ...


@dataclass(frozen=True)
class Draw:
    """A batch as the data has it."""

    images: Tensor  # (B, 3, H, W) uint8, or a part of them that was asked for; on the CPU, or the device that decodes JPEGs
    captions: list[str]  # of as many
    sources: np.ndarray  # (B,) int8: UPDATE, BUFFER or PRETRAINING
    chosen: list[tuple[Pairs, np.ndarray]]  # whose pairs they are, and which of them, in this order


@dataclass(frozen=True)
class Batch:
    """A batch as an objective sees it."""

    images: Tensor  # (B, 3, H, W) float32, normalised
    texts: Tensor  # (B, L) int64
    sources: Tensor  # (B,) int8: UPDATE, BUFFER or PRETRAINING, in this order; on the CPU, where it can be asked without waiting


class DatasetError(ValueError):
    """A dataset row that its format cannot read."""


class ContradictionError(DatasetError):
    """A dataset row that says something else than the files at its place."""


def open_pairs(dataset: Mapping[str, Any], split: str, cache: Path) -> Pairs:
    """Open `train` or `test` of a dataset row as the definition has it; what is derived from it is kept under `cache`.

    Raises:
        DatasetError: no such format, a key in `params` that the format does not have, or a value of another kind.
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
    try:
        rows.check_dataset(dataset)
    except parts.PartError as error:
        raise DatasetError(str(error)) from error
    module = importlib.import_module(f"streams.formats.{dataset['format']}")
    form = getattr(module, "".join(word.capitalize() for word in dataset["format"].split("_")))
    return form(**dataset["params"])
