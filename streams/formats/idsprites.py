"""Infinite dSprites: any number of tasks, each of random shapes with made-up names, drawn when they
are read.

A class is defined by its name: its shape (half of the shapes are smooth, half straight-edged)
follows from (seed, name), so any list of names is a dataset and there are always more. The shapes
follow Dziadzio et al. 2023, https://arxiv.org/abs/2312.16731; the factors are those that the
procedural world can draw and say. Nothing is stored: an image is drawn from its factors in about
0.1 ms.

Four ways in which one row may shift from another:
- new classes: other names;
- new factor values: the same names, other `values`;
- recurring: the same names and values on another `occasion`, which gives other images;
- gradual: `drift` is the share of images that show the `fresh` values instead, row after row a
  little more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from schema.words import nearest
from streams import EVERY, DatasetError
from streams.pictures import Crop, recut
from streams.world.captions import describe
from streams.world.rendering import BACKGROUNDS, COLOURS, POSITIONS, SIZES, Factors, render
from streams.world.shapes import blob, crystal, rng_of

# The probability that a caption mentions a factor other than the class.
DETAIL = 0.3
# The factors of a sprite, with their values as named in captions.
FACTORS: dict[str, tuple[str, ...]] = {
    "colour": tuple(COLOURS),
    "size": tuple(SIZES),
    "position": tuple(POSITIONS),
    # In degrees.
    "turn": ("0", "45", "90", "135", "180", "225", "270", "315"),
    "background": tuple(BACKGROUNDS),
}
# Default values of the factors whose default is not all values.
CANVAS = {"background": ["grey"]}


@dataclass(frozen=True)
class Idsprites:
    """The fields are the keys of `dataset.params`."""

    seed: int = 0
    # Training pairs, shared evenly among the classes.
    train: int = 0
    # Test pairs, shared evenly too.
    test: int = 200
    # Which pairs the test split consists of: `test`, or `validation` to choose hyperparameters on.
    held: str = "test"
    # The values that factors take, {"colour": ["red", "blue"]}; a factor left out takes every one.
    values: dict[str, list[str]] = field(default_factory=dict)
    # The values of the images that have drifted.
    fresh: dict[str, list[str]] = field(default_factory=dict)
    # The share of the images that have drifted.
    drift: float = 0.0
    # Another occasion gives other images of the same shapes.
    occasion: int = 0
    image_px: int = 32

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> "Sprites":
        """Return the pairs of `train` or `test`; nothing is cached.

        Raises:
            DatasetError: no classes, an unknown factor, value or split, or a drift without `fresh`.
        """
        about, classes = f"dataset {dataset['name']!r}", list(dataset["classes"])
        self._check(about, classes)
        part, count = self.held, self.test
        if split == "train":
            part, count = "train", self.train
        rng = rng_of(self.seed, "idsprites", part, self.occasion)
        return Sprites(self, classes, np.arange(count) % len(classes), rng)

    def _check(self, about: str, classes: list[str]) -> None:
        if not classes:
            raise DatasetError(
                f"{about}: idsprites draws the row's classes, and it has none. Any names will do."
            )
        if self.held not in ("test", "validation"):
            raise DatasetError(
                f"{about}: held is {self.held!r}; it must be one of test, validation"
            )
        if not 0 <= self.drift <= 1 or (self.drift and not self.fresh):
            wrong = f"drift is {self.drift} towards fresh={self.fresh}"
            raise DatasetError(
                f"{about}: {wrong}; it is a share of the images, from 0 to 1, and fresh says what "
                "they show"
            )
        for choices in (self.values, self.fresh):
            for factor, values in choices.items():
                if factor not in FACTORS:
                    raise DatasetError(
                        f"{about}: no factor {factor!r}. Factors: "
                        f"{', '.join(FACTORS)}.{nearest(factor, FACTORS)}"
                    )
                for value in values or [""]:
                    if value not in FACTORS[factor]:
                        near = nearest(value, FACTORS[factor])
                        listed = f"Values: {', '.join(FACTORS[factor])}.{near}"
                        raise DatasetError(f"{about}: no {factor} {value!r}. {listed}")


class Sprites:
    """N sprites, drawn when they are read."""

    def __init__(
        self, form: Idsprites, classes: list[str], labels: np.ndarray, rng: np.random.Generator
    ) -> None:
        self.labels: np.ndarray = labels.astype(np.int64)
        self.image_px, self.classes = form.image_px, classes
        # (classes, 256): radii.
        self.tables = np.stack([shape(name, form.seed) for name in classes])
        self.factors = _factors(form, self.labels, rng)

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, indices: np.ndarray, crops: Sequence[Crop] | None = None) -> np.ndarray:
        """Return (B, 3, P, P) uint8."""
        return recut(render(self.factors.some(indices), self.tables, self.image_px), crops)

    def captions(
        self, indices: np.ndarray, rng: np.random.Generator, part: slice = EVERY
    ) -> list[str]:
        """Return a random caption per image: the factors it mentions are drawn at each call."""
        return describe(
            self.factors.some(indices),
            [self.classes[label] for label in self.labels[indices]],
            DETAIL,
            rng,
        )[part]


def shape(name: str, seed: int) -> np.ndarray:
    """Return the radii of the shape of a name, (256,) float32."""
    smooth = rng_of(seed, "idsprites", name).integers(2)
    if smooth:
        return blob(name, seed)
    return crystal(name, seed)


def _factors(form: Idsprites, labels: np.ndarray, rng: np.random.Generator) -> Factors:
    """Draw a value of each factor for each image, independently; drifted images use `fresh`."""
    count = len(labels)
    drifted = rng.uniform(size=count) < form.drift
    drawn = {}
    for factor, every in FACTORS.items():
        usual = _places(factor, form.values.get(factor) or CANVAS.get(factor) or list(every))
        fresh = usual
        if factor in form.fresh:
            fresh = _places(factor, form.fresh[factor])
        # The same draw for both, so that an image differs only in the factors of `fresh`.
        chance = rng.uniform(size=count)
        drawn[factor] = np.where(
            drifted,
            fresh[(chance * len(fresh)).astype(int)],
            usual[(chance * len(usual)).astype(int)],
        )
    return Factors(
        shape=labels,
        colour=drawn["colour"],
        second=np.full(count, -1),
        texture=np.zeros(count, np.int64),
        weave=np.zeros((count, 3), np.float32),
        size=drawn["size"],
        position=drawn["position"],
        background=drawn["background"],
        count=np.ones(count, np.int64),
        turn=(drawn["turn"] * (np.pi / 4)).astype(np.float32),
        jitter=rng.uniform(-0.8, 0.8, (count, 2)).astype(np.float32),
    )


def _places(factor: str, values: list[str]) -> np.ndarray:
    """Return the indices of values among those of their factor, (values,) int64."""
    return np.array([FACTORS[factor].index(value) for value in values])
