"""What is measured of a model: one file per kind of evaluation, `evals/<name>.py`, found by what kinds of dataset it is for.

An evaluation yields (metric, value in [0, 1]) pairs. It sees an encoder and a test set, and knows nothing of how the model was
trained or where the numbers go.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor


class Encoder(Protocol):
    """A model as an evaluation sees it."""

    def encode_images(self, images: np.ndarray) -> Tensor:
        """(N, 3, H, W) uint8 -> (N, D) float32 of unit norm."""
        ...

    def encode_texts(self, texts: list[str]) -> Tensor:
        """N texts -> (N, D) float32 of unit norm."""
        ...


@dataclass
class TestSet:
    """The test split of a dataset."""

    __test__ = False  # pytest: not a class of tests

    name: str
    kind: str  # classification, retrieval or captions
    classes: list[str]
    templates: list[str]  # prompts with a {} for the class; none: the class alone
    images: np.ndarray  # (N, 3, H, W) uint8
    labels: np.ndarray  # (N,) int64, index into classes; -1 where there is none
    captions: list[str]  # one per image
    groups: np.ndarray | None = (
        None  # (C,) int64: an image is told which group its class is in; None: one group
    )
    rivals: list[tuple[list[str], list[str]]] = field(
        default_factory=list
    )  # classes and templates of the others it is among
    shots: "TestSet | None" = (
        None  # the first training images of each class, where a probe asks for them
    )
    untouched: Encoder | None = None  # the model as it was before the first task, likewise
    # every caption of each image, where images may have several; None: `captions` are all
    every_caption: list[list[str]] | None = None

    def some(self, items: np.ndarray) -> "TestSet":
        """A part of it, by index."""
        kept = [self.captions[n] for n in items] if self.captions else []
        every = self.every_caption
        return replace(
            self,
            images=self.images[items],
            labels=self.labels[items],
            captions=kept,
            every_caption=None if every is None else [every[n] for n in items],
        )


def measure(
    model: Encoder, dataset: TestSet, asked: Collection[str] = ()
) -> Iterator[tuple[str, float]]:
    """Every metric that some file of this folder yields for datasets of this kind; none for a kind that no file is for.

    A file with `PROBES`, the metrics that it can yield, is left out unless one of them is `asked` for: it costs more.

    Raises:
        ValueError: two evaluations yield a metric of the same name, or a test set that an evaluation refuses.
    """
    seen: set[str] = set()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if file.stem.startswith("_"):
            continue
        evaluation = import_module(f"evals.{file.stem}")
        probes = getattr(evaluation, "PROBES", None)
        if dataset.kind in evaluation.KINDS and (
            probes is None or not set(probes).isdisjoint(asked)
        ):
            for metric, value in evaluation.measure(model, dataset):
                if metric in seen:
                    raise ValueError(
                        f"evals/{file.name}: {metric!r} of {dataset.kind} datasets is another's already"
                    )
                seen.add(metric)
                yield metric, float(value)
