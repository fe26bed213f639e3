"""Training data: formats that read pairs, tasks cut from sequences, mixtures that make batches.

Nothing here imports duckdb.

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

# The source that a pair of a batch came from.
UPDATE, BUFFER, PRETRAINING = range(3)
EVERY = slice(None)


class Pairs(Protocol):
    """The image-text pairs of one split of a dataset, read by index."""

    # (N,) int64: index into the dataset row's `classes`; -1 where there is none.
    labels: np.ndarray

    def __len__(self) -> int: ...

    def images(self, indices: np.ndarray, crops: Sequence[Crop] | None = None) -> np.ndarray:
        """Return the images (B, 3, H, W), uint8.

        `crops` are cut from the whole pictures, in place of the squares in their middle.
        """
        ...

    def captions(
        self, indices: np.ndarray, rng: np.random.Generator, part: slice = EVERY
    ) -> list[str]:
        """Return one training caption for each pair in `part`.

        `rng` chooses where a pair has several, and advances as if all pairs had been read.
        """
        ...


@dataclass(frozen=True)
class Draw:
    """A batch as it is read: uint8 images, captions, and the pairs' origins."""

    # (B, 3, H, W) uint8, or the requested part of them; on the CPU, or on the device that decodes
    # JPEGs
    images: Tensor
    # B captions, one for each image.
    captions: list[str]
    # (B,) int8: UPDATE, BUFFER or PRETRAINING.
    sources: np.ndarray
    # The datasets that the pairs come from, with their indices, in the order of the batch.
    chosen: list[tuple[Pairs, np.ndarray]]


@dataclass(frozen=True)
class Batch:
    """A batch in the form that objectives use: normalised images and token ids."""

    # (B, 3, H, W) float32, normalised.
    images: Tensor
    # (B, L) int64.
    texts: Tensor
    # (B,) int8: UPDATE, BUFFER or PRETRAINING, in this order; on the CPU, where reading it does not
    # wait for the device
    sources: Tensor


@dataclass(frozen=True)
class FetchedTo:
    """The folder of a node's cache of fetched shards, which its processes share, and its budget."""

    folder: Path
    # The most bytes that they may take; the least recently used are removed
    budget_bytes: int


class DatasetError(ValueError):
    """A dataset row cannot be read by its format."""


class ContradictionError(DatasetError):
    """A dataset row contradicts the files at its location."""


def open_pairs(
    dataset: Mapping[str, Any],
    split: str,
    cache: Path,
    preprocessing: Preprocessing | None = None,
    fetched_to: FetchedTo | None = None,
) -> Pairs:
    """Open the split `train` or `test` of a dataset row of a definition.

    Data derived from the dataset is kept under `cache`. `preprocessing` is that of the backbone;
    None means that of OpenAI's CLIP. Shards at an address are fetched to `fetched_to`; None means a
    folder of `cache`, without a budget.

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
    """Compare the classes in a dataset row with those in the files of a split.

    No image or caption is read. For a format whose files name no classes nothing is compared.

    Raises:
        ContradictionError: the two sides differ; names both.
        DatasetError: as `open_pairs`.
    """
    form = _form(dataset)
    if hasattr(form, "compare"):
        form.compare(dataset, split, cache)


def image_px(dataset: Mapping[str, Any]) -> int:
    """Return the side of the square images of a dataset row, in pixels, for any format.

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
