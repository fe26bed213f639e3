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


@dataclass(frozen=True, kw_only=True)
class Others:
    """Other weights of the model that is measured, as encoders, for probes that compare."""

    # The fields of `TestSet` of the same names
    untouched: Encoder
    between: Callable[[float], Encoder] | None = None


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
    # Returns the model at a share of the line from what the task before deployed (0) to what this
    # task does (1), where a probe needs it
    between: Callable[[float], Encoder] | None = None
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

    A kind of dataset without a file yields nothing. A file that lists its metrics in `PROBES` costs
    more, and is left out unless one of them is among `probes`.

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
