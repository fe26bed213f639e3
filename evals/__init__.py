"""Measure a model: one file per kind of evaluation, `evals/<name>.py`.

A file names the kinds of dataset that it is for, and is found by them. It yields (metric, value in
[0, 1]) pairs, and may say item by item what these are means of (`Judged`). It sees an encoder and a
test set, and knows nothing of how the model was trained or where the numbers go.
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


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a model made of each item of a test set, in one way of asking: (N,) of each.

    The items are images, or the texts that look for an image. The means over them are metrics:
    `top1` is the share of items whose rank is 0, and a recall at k that of ranks below k.
    """

    # What is asked of an item: `class`, or which direction of retrieval
    way: str
    # int64: the place of each item's own class in the dataset's list; None: items have no class
    labels: np.ndarray | None
    # int64: how many candidates come before the right one
    rank: np.ndarray
    # float32: how much nearer the right candidate is than the best of the others; infinite where
    # there is no other
    margin: np.ndarray
    # int64: the place of the candidate that is taken, among classes (then those of rivals), texts
    # or images
    answer: np.ndarray
    # int64: among how many candidates each was told apart
    candidates: np.ndarray


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
    for name, evaluation in _evaluations(dataset.kind, probes):
        for metric, value in evaluation.measure(model, dataset):
            if metric in seen:
                raise ValueError(
                    f"evals/{name}: {metric!r} of {dataset.kind} datasets is another's already"
                )
            seen.add(metric)
            yield metric, float(value)


def judged(model: Encoder, dataset: TestSet, probes: Collection[str] = ()) -> Iterator[Judged]:
    """Yield what became of each item, by every evaluation that says so.

    Those are the files of `measure` with a function `judged`. Metrics of the others are of no
    items.

    Raises:
        ValueError: a test set that an evaluation refuses.
    """
    for _, evaluation in _evaluations(dataset.kind, probes):
        if hasattr(evaluation, "judged"):
            yield from evaluation.judged(model, dataset)


def _evaluations(kind: str, probes: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Yield the files that measure datasets of a kind, each with its module, sorted by name."""
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if file.stem.startswith("_"):
            continue
        evaluation = import_module(f"evals.{file.stem}")
        if kind not in evaluation.KINDS:
            continue
        optional = getattr(evaluation, "PROBES", None)
        if optional is None or not set(optional).isdisjoint(probes):
            yield file.name, evaluation
