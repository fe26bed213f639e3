"""Measure a model: one file per kind of evaluation, `evals/<name>.py`.

A file names the kinds of dataset that it is for, and is found by these. It yields (metric, value in
[0, 1]) pairs. It is given an encoder and a test set, and does not depend on how the model was
trained or where the numbers are written.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor


class Images(Protocol):
    """N images that an encoder reads: an array, or images that are decoded when they are read."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> np.ndarray:
        """Return the n images of a slice or index, (n, 3, H, W) uint8."""
        ...


class Encoder(Protocol):
    """The interface of a model that evaluations use."""

    def encode_images(self, images: Images) -> Tensor:
        """Return (N, D) float32 of unit norm for N images."""
        ...

    def encode_texts(self, texts: list[str]) -> Tensor:
        """Return (N, D) float32 of unit norm for N texts."""
        ...


# Returns the similarities (N, M) of embeddings (N, D) to others (M, D)
Similar = Callable[[Tensor, Tensor], Tensor]


def similar_of(model: Encoder) -> Similar:
    """Return a model's similarity of embeddings: its own if it defines one, or their product."""
    own: Similar | None = getattr(model, "similarities", None)
    return product if own is None else own


def product(queries: Tensor, candidates: Tensor) -> Tensor:
    """Return the inner products (N, M) of embeddings (N, D) and (M, D)."""
    return queries @ candidates.T


@dataclass
class TestSet:
    """The test split of a dataset."""

    # Keeps pytest from collecting a class of this name as tests
    __test__ = False

    name: str
    # classification, retrieval or captions
    kind: str
    classes: list[str]
    # Prompts with a {} for the class; empty: the class name alone
    templates: list[str]
    # N images: (N, 3, H, W) uint8, or an object that also has the methods `some` and `digests`
    images: Any
    # (N,) int64, index into classes; -1 where there is none
    labels: np.ndarray
    # One per image
    captions: list[str]
    # (C,) int64: the group of each class; an image is classified within its group; None: one group
    groups: np.ndarray | None = None
    # Classes and templates of other datasets, which compete as candidates
    rivals: list[tuple[list[str], list[str]]] = field(default_factory=list)
    # The first training images of each class, where a probe needs them
    shots: "TestSet | None" = None
    # The untouched backbone, where a probe needs it
    untouched: Encoder | None = None
    # Every caption of each image, where images may have several; None: `captions` are all
    every_caption: list[list[str]] | None = None

    def some(self, items: np.ndarray) -> "TestSet":
        """Return the test set of the images at these indices."""
        captions = self.captions and [self.captions[item] for item in items]
        images = self.images
        images = images[items] if isinstance(images, np.ndarray) else images.some(items)
        every_caption = self.every_caption
        if every_caption is not None:
            every_caption = [every_caption[item] for item in items]
        return replace(
            self,
            images=images,
            labels=self.labels[items],
            captions=captions,
            every_caption=every_caption,
        )


def measure(
    model: Encoder, dataset: TestSet, probes: Collection[str] = ()
) -> Iterator[tuple[str, float]]:
    """Yield every metric that some file of this folder measures for datasets of this kind.

    A kind of dataset without a file yields nothing. A file that lists its metrics in `PROBES` costs
    more, and is left out unless one of them is among `probes`.

    Raises:
        ValueError: two evaluations yield a metric of the same name, or a test set that an
            evaluation refuses.
    """
    seen: set[str] = set()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if file.stem.startswith("_"):
            continue
        evaluation = import_module(f"evals.{file.stem}")
        if dataset.kind not in evaluation.KINDS:
            continue
        optional = getattr(evaluation, "PROBES", None)
        if optional is not None and set(optional).isdisjoint(probes):
            continue
        for metric, value in evaluation.measure(model, dataset):
            if metric in seen:
                raise ValueError(
                    f"evals/{file.name}: {metric!r} of {dataset.kind} datasets is another's already"
                )
            seen.add(metric)
            yield metric, float(value)
