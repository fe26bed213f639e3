"""Measure a model: one file per kind of evaluation, `evals/<name>.py`.

A file names the kinds of dataset that it is for, and is found by them. It yields (metric, value in
[0, 1]) pairs. It sees an encoder and a test set, and knows nothing of how the model was trained or
where the numbers go.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor


class Images(Protocol):
    """N images as an evaluation hands them to an encoder: an array, or decoded when asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> np.ndarray:
        """Return (n, 3, H, W) uint8: the images of a part."""
        ...


class Encoder(Protocol):
    """A model as an evaluation sees it."""

    def encode_images(self, images: Images) -> Tensor:
        """Return (N, D) float32 of unit norm for N images."""
        ...

    def encode_texts(self, texts: list[str]) -> Tensor:
        """Return (N, D) float32 of unit norm for N texts."""
        ...


# Returns (N, M) how near (N, D) embeddings are to (M, D) others
Similar = Callable[[Tensor, Tensor], Tensor]


def similar_of(model: Encoder) -> Similar:
    """Return how a model compares embeddings: as it says itself, or else by their product."""
    own: Similar | None = getattr(model, "similarities", None)
    return product if own is None else own


def product(queries: Tensor, candidates: Tensor) -> Tensor:
    """Return (N, M) the products of (N, D) and (M, D) embeddings."""
    return queries @ candidates.T


@dataclass
class TestSet:
    """The test split of a dataset."""

    # pytest takes a class of this name for tests otherwise
    __test__ = False

    name: str
    # classification, retrieval or captions
    kind: str
    classes: list[str]
    # Prompts with a {} for the class; none: the class alone
    templates: list[str]
    # N of them: (N, 3, H, W) uint8, or what has the methods `some` and `digests` beside
    images: Any
    # (N,) int64, index into classes; -1 where there is none
    labels: np.ndarray
    # One per image
    captions: list[str]
    # (C,) int64: an image is told which group its class is in; None: one group
    groups: np.ndarray | None = None
    # Classes and templates of the other datasets that it is among
    rivals: list[tuple[list[str], list[str]]] = field(default_factory=list)
    # The first training images of each class, where a probe asks for them
    shots: "TestSet | None" = None
    # The model as it was before the first task, likewise
    untouched: Encoder | None = None
    # Every caption of each image, where images may have several; None: `captions` are all
    every_caption: list[list[str]] | None = None

    def some(self, items: np.ndarray) -> "TestSet":
        """Return a part of it, by index."""
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

    A kind that no file is for has none. A file with `PROBES`, the metrics that it can yield, is
    left out unless one of them is among `probes`: it costs more.

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
