"""The pairs that are learned from: formats that read pairs, tasks cut from sequences, mixtures that
make batches. Imports no duckdb.

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
from schema.checks.preprocessing import Preprocessing
from streams.pictures import Crop

# Where a pair of a batch came from.
UPDATE, BUFFER, PRETRAINING = range(3)
EVERY = slice(None)


class Pairs(Protocol):
    """One split of one dataset, by index."""

    # (N,) int64: index into the dataset row's `classes`; -1 where there is none.
    labels: np.ndarray

    def __len__(self) -> int: ...

    def images(self, indices: np.ndarray, crops: Sequence[Crop] | None = None) -> np.ndarray:
        """(B, 3, H, W) uint8; `crops`: what is cut from each whole picture, in place of the square
        in its middle.
        """
        ...

    def captions(
        self, indices: np.ndarray, rng: np.random.Generator, part: slice = EVERY
    ) -> list[str]:
        """One training caption each, of `part` of the pairs; `rng` chooses where a pair has
        several, and goes on as for all.
        """
        ...


@dataclass(frozen=True)
class Draw:
    """A batch as the data has it."""

    # (B, 3, H, W) uint8, or a part of them that was asked for; on the CPU, or the device that
    # decodes JPEGs
    images: Tensor
    # B captions, one for each image.
    captions: list[str]
    # (B,) int8: UPDATE, BUFFER or PRETRAINING.
    sources: np.ndarray
    # Whose pairs they are, and which of them, in this order.
    chosen: list[tuple[Pairs, np.ndarray]]


@dataclass(frozen=True)
class Batch:
    """A batch as an objective sees it."""

    # (B, 3, H, W) float32, normalised.
    images: Tensor
    # (B, L) int64.
    texts: Tensor
    # (B,) int8: UPDATE, BUFFER or PRETRAINING, in this order; on the CPU, where it can be asked
    # without waiting
    sources: Tensor


@dataclass(frozen=True)
class FetchedTo:
    """Where a node keeps the shards of streams that it fetched, for all processes on it."""

    folder: Path
    # What they may take; those that were used last stay
    budget_bytes: int


class DatasetError(ValueError):
    """A dataset row that its format cannot read."""


class ContradictionError(DatasetError):
    """A dataset row that says something else than the files at its place."""


def open_pairs(
    dataset: Mapping[str, Any],
    split: str,
    cache: Path,
    preprocessing: Preprocessing | None = None,
    fetched_to: FetchedTo | None = None,
) -> Pairs:
    """Open `train` or `test` of a dataset row as the definition has it.

    What is derived from the dataset is kept under `cache`. `preprocessing`: how the backbone wants
    its images; None: as OpenAI's CLIP does. `fetched_to`: where streams of shards at an address are
    fetched to; None: a folder of `cache`, without a budget.

    Raises:
        DatasetError: no such format, a key in `params` that the format does not have, or a value of
            another kind.
    """
    row = dict(dataset)
    if preprocessing is not None:
        row["preprocessing"] = preprocessing
    if fetched_to is not None:
        row["fetched_to"] = fetched_to
    pairs: Pairs = _form(dataset).open(row, split, cache)
    return pairs


def compare(dataset: Mapping[str, Any], split: str, cache: Path) -> None:
    """Compare a dataset row with what the files of a split say, without reading an image or a
    caption.

    A format whose files name no classes has nothing to compare.

    Raises:
        ContradictionError: the two sides differ; names both.
        DatasetError: as `open_pairs`.
    """
    form = _form(dataset)
    if hasattr(form, "compare"):
        form.compare(dataset, split, cache)


def image_px(dataset: Mapping[str, Any]) -> int:
    """Return the side of the squares that a dataset row's images are made, in pixels; of all
    formats.

    Raises:
        DatasetError: as `open_pairs`.
    """
    return int(_form(dataset).image_px)


def _form(dataset: Mapping[str, Any]) -> Any:
    """Return the format of a row, its fields set from `params`."""
    try:
        rows.check_dataset(dataset)
    except parts.PartError as error:
        raise DatasetError(str(error)) from error
    module = importlib.import_module(f"streams.formats.{dataset['format']}")
    form = getattr(module, "".join(word.capitalize() for word in dataset["format"].split("_")))
    return form(**dataset["params"])
