"""The scenes of the procedural world's sets: random factors, except those that the class fixes.

A class is defined by its name: the look of `zo mek` follows from (seed, set, name) and does not
depend on the rest of the row.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from streams.world.rendering import (
    BACKGROUNDS,
    COLOURS,
    COUNTS,
    DUO,
    POSITIONS,
    SIZES,
    TEXTURES,
    WEAVE,
    Factors,
)
from streams.world.shapes import KNOWN, blob, crystal, known, rng_of

SETS = (
    "base", "shape", "colour", "texture", "position", "size", "count", "compose", "names",
    "blobs", "crystals", "weaves", "duos", "haze",
)  # fmt: skip
# The share of the colour-shape pairs that only the set `compose` shows.
HELD_OUT = 0.15


class WorldError(ValueError):
    """A dataset row has a set, shift or class that the world does not have."""


class Wanted(Protocol):
    """The params that the sampler reads."""

    @property
    def set(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def names(self) -> Sequence[str]: ...


def held_out(seed: int) -> np.ndarray:
    """Return which colour-shape pairs only `compose` shows, (colours, shapes) bool.

    Every colour and every shape keeps most of its pairs.
    """
    rng = rng_of(seed, "held out")
    pairs = np.zeros((len(COLOURS), len(KNOWN)), bool)
    while pairs.mean() < HELD_OUT:
        colour, shape = rng.integers(len(COLOURS)), rng.integers(len(KNOWN))
        if pairs[colour].sum() < 3 and pairs[:, shape].sum() < 3:
            pairs[colour, shape] = True
    return pairs


class Sampler:
    """Draws the factors of a set at random, except those that the class fixes."""

    def __init__(
        self,
        world: "Wanted",
        name: str,
        classes: list[str],
        labels: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        self.world, self.name, self.classes = world, name, classes
        self.labels, self.rng = labels, rng
        self.count = len(labels)
        self.nouns = ["shape"] * self.count
        self.tables = [known(shape) for shape in KNOWN]
        self.factors = _anything(self.count, rng)

    def sample(self) -> tuple[Factors, list[str], np.ndarray]:
        """Return the factors, the noun of each caption, and the radius tables."""
        getattr(self, f"_{self.world.set}")()
        if self.world.set != "compose":
            self._avoid_held_out()
        return self.factors, self.nouns, np.stack(self.tables)

    def _base(self) -> None:
        n, rng = self.count, self.rng
        several = rng.uniform(size=n) < 0.15
        self.factors.count = np.where(several, rng.integers(1, len(COUNTS) + 1, n), 1)
        made_up = rng.uniform(size=n) < (0.25 if self.world.names else 0)
        which = rng.integers(0, max(1, len(self.world.names)), n)
        self.tables += [blob(name, self.world.seed) for name in self.world.names]
        self.factors.shape = np.where(made_up, len(KNOWN) + which, self.factors.shape)
        vague = rng.uniform(size=n) < 0.1
        names = [*KNOWN, *self.world.names]
        self.nouns = [names[shape] for shape in self.factors.shape]
        # Known shapes are sometimes called just "shape"; made-up names are always given, to be
        # learned.
        for place in np.flatnonzero(vague & (self.factors.shape < len(KNOWN))):
            self.nouns[place] = "shape"
        self.labels[:] = 0

    def _shape(self) -> None:
        self.factors.shape = self._fixed(KNOWN)
        self._call_by_shape()

    def _haze(self) -> None:
        self._shape()
        self.factors.size = self.rng.integers(1, len(SIZES), self.count)

    def _colour(self) -> None:
        self.factors.colour = self._fixed(tuple(COLOURS))

    def _texture(self) -> None:
        self.factors.texture = self._fixed(TEXTURES)
        self.factors.size = self.rng.integers(1, len(SIZES), self.count)

    def _position(self) -> None:
        self.factors.position = self._fixed(tuple(POSITIONS))

    def _size(self) -> None:
        self.factors.size = self._fixed(tuple(SIZES))

    def _count(self) -> None:
        self.factors.count = self._fixed(COUNTS) + 1

    def _compose(self) -> None:
        """Use only held-out pairs, as other pairs were seen in the base."""
        pairs = held_out(self.world.seed)
        phrases = {f"{c} {s}": (i, j) for i, c in enumerate(COLOURS) for j, s in enumerate(KNOWN)}
        labels = self._places(tuple(phrases))
        phrase_of = np.array([phrases[self.classes[label]] for label in labels])
        if not pairs[phrase_of[:, 0], phrase_of[:, 1]].all():
            raise WorldError(
                f"dataset {self.name!r}: compose asks for colour-shape pairs that the base shows; "
                "see `held_out`"
            )
        self.factors.colour, self.factors.shape = phrase_of[:, 0], phrase_of[:, 1]
        self._call_by_shape()

    def _call_by_shape(self) -> None:
        self.nouns = [KNOWN[shape] for shape in self.factors.shape]

    def _call_by_class(self) -> None:
        self.nouns = [self.classes[label] for label in self.labels]

    def _names(self) -> None:
        self._named(blob)

    def _blobs(self) -> None:
        self._named(blob)

    def _crystals(self) -> None:
        self._named(crystal)

    def _named(self, outline: Any) -> None:
        self.tables += [outline(name, self.world.seed) for name in self.classes]
        self.factors.shape = len(KNOWN) + self.labels
        self.factors.size = self.rng.integers(1, len(SIZES), self.count)
        self._call_by_class()

    def _weaves(self) -> None:
        """Draw named textures: frequency, angle and kind, with waves that 32 pixels can show."""
        drawn = []
        for place, name in enumerate(self.classes):
            rng = rng_of(self.world.seed, "weave", name)
            drawn.append((rng.uniform(0.7, 1.5), rng.uniform(0, np.pi), place % 4))
        self.factors.weave = np.array(drawn, np.float32)[self.labels]
        self.factors.texture = np.full(self.count, WEAVE)
        self.factors.size = np.full(self.count, 2)
        self._call_by_class()

    def _duos(self) -> None:
        """Draw named pairs of colours: one in the core, one around it."""
        pairs = []
        for name in self.classes:
            pairs.append(rng_of(self.world.seed, "duo", name).permutation(len(COLOURS))[:2])
        self.factors.colour, self.factors.second = np.array(pairs)[self.labels].T
        self.factors.texture = np.full(self.count, DUO)
        self.factors.size = self.rng.integers(1, len(SIZES), self.count)
        self._call_by_class()

    def _fixed(self, values: tuple[str, ...]) -> np.ndarray:
        """Return the value of the factor that each label's name stands for."""
        self._places(values)
        return np.take([values.index(name) for name in self.classes], self.labels)

    def _places(self, values: tuple[str, ...]) -> np.ndarray:
        for name in self.classes:
            if name not in values:
                allowed = ", ".join(values[:20])
                raise WorldError(
                    f"dataset {self.name!r}: set {self.world.set} has no class {name!r}; it has "
                    f"{allowed}"
                )
        return self.labels

    def _avoid_held_out(self) -> None:
        """Redraw colours (or shapes, if the class is the colour) until no pair is held out."""
        # Shapes with made-up names may have any colour.
        named = np.zeros((len(self.tables) - len(KNOWN), len(COLOURS)), bool)
        pairs = np.vstack([held_out(self.world.seed).T, named])
        f = self.factors
        while (bad := np.flatnonzero(pairs[f.shape, f.colour])).size:
            if self.world.set in ("colour", "duos"):
                f.shape[bad] = self.rng.integers(0, len(KNOWN), len(bad))
            else:
                f.colour[bad] = self.rng.integers(0, len(COLOURS), len(bad))


def _anything(n: int, rng: np.random.Generator) -> Factors:
    """Return random factors of n images."""
    return Factors(
        shape=rng.integers(0, len(KNOWN), n),
        colour=rng.integers(0, len(COLOURS), n),
        second=np.full(n, -1),
        texture=np.where(rng.uniform(size=n) < 0.7, 0, rng.integers(1, len(TEXTURES), n)),
        weave=np.zeros((n, 3), np.float32),
        size=rng.integers(0, len(SIZES), n),
        position=np.where(rng.uniform(size=n) < 0.5, 4, rng.integers(0, len(POSITIONS), n)),
        background=rng.integers(0, len(BACKGROUNDS), n),
        count=np.ones(n, np.int64),
        turn=rng.uniform(-0.1, 0.1, n).astype(np.float32),
        jitter=rng.uniform(-0.8, 0.8, (n, 2)).astype(np.float32),
    )
