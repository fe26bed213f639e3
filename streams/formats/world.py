"""A procedural world: coloured, textured shapes that a caption describes, drawn the same everywhere from a seed.

A dataset of this format is one `set` of it. `base` is what a tiny CLIP is pretrained on: known shapes, made-up names for random
shapes, colours, textures, sizes, places, counts. The retention sets ask for one factor of it, some under a shift; `compose` asks
for colour-shape pairs that the base never shows. The adaptation sets bring new concepts: named smooth shapes (`blobs`) and
straight-edged ones (`crystals`), named textures (`weaves`) and colour pairs (`duos`), and known shapes in haze (`haze`), which
an untouched backbone half knows.

A class is its name: what `zo mek` looks like follows from (seed, set, name), so a row with other names is another dataset.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streams.captions import describe
from streams.rendering import (
    BACKGROUNDS,
    COLOURS,
    COUNTS,
    DUO,
    POSITIONS,
    SIZES,
    TEXTURES,
    WEAVE,
    Factors,
    render,
)
from streams.shapes import KNOWN, blob, crystal, known, rng_of

VERSION = 1  # of the drawing: a change of it makes other images, and so another cache
SHIFTS = ("plain", "noise", "greyscale", "blurred", "low_contrast", "haze")
SETS = ("base", "shape", "colour", "texture", "position", "size", "count", "compose", "names", "blobs", "crystals", "weaves", "duos", "haze")
HELD_OUT = 0.15  # of the colour x shape pairs: never in any set but `compose`


class WorldError(ValueError):
    """A dataset row that asks for what the world does not have."""


@dataclass(frozen=True)
class World:
    """One set of the world; the fields are the keys of `dataset.params`."""

    set: str = "base"
    shift: str = "plain"
    seed: int = 0
    train: int = 0  # training pairs, shared evenly among the classes
    test: int = 200  # test pairs, likewise
    held: str = "test"  # which pairs the test split holds: `test`, or `validation` to choose hyperparameters on
    names: tuple[str, ...] | list[str] = ()  # of the base: the made-up names it teaches
    image_px: int = 32

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> "Drawn":
        """The pairs of `train` or `test`, drawn on first use and kept under `cache` as plain arrays.

        Raises:
            WorldError: an unknown set, shift or class.
        """
        for key, known_values in (("set", SETS), ("shift", SHIFTS), ("held", ("test", "validation"))):
            if getattr(self, key) not in known_values:
                raise WorldError(
                    f"dataset {dataset['name']!r}: {key} is {getattr(self, key)!r}; it must be one of {', '.join(known_values)}"
                )
        classes = list(dataset["classes"])
        part = "train" if split == "train" else self.held
        count = self.train if split == "train" else self.test
        said = {**asdict(self), "classes": classes, "part": part, "count": count, "version": VERSION}
        for unimportant in ("train", "test", "held"):
            said.pop(unimportant)
        key = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
        folder = cache / "world" / f"{self.set}-{part}-{key}"
        if not folder.exists():
            self._draw(folder, dataset["name"], classes, part, count)
        factors = Factors(**{name: np.load(folder / f"{name}.npy") for name in Factors.__dataclass_fields__})
        nouns = json.loads((folder / "nouns.json").read_text())
        return Drawn(np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "labels.npy"), factors, nouns, self._detail())

    def _detail(self) -> float | None:
        return None if self.set == "base" else 0.3

    def _draw(self, folder: Path, name: str, classes: list[str], part: str, count: int) -> None:
        """Draw everything aside, then move the folder into place; whoever loses a race uses the winner's, which is the same."""
        rng = rng_of(self.seed, self.set, self.shift, part)
        labels = np.arange(count) % max(1, len(classes))
        factors, nouns, tables = Sampler(self, name, classes, labels, rng).sample()
        images = shifted(render(factors, tables, self.image_px), self.shift, rng)
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".aside-"))
        np.save(aside / "images.npy", images)
        np.save(aside / "labels.npy", labels.astype(np.int64))
        for key, values in vars(factors).items():
            np.save(aside / f"{key}.npy", values)
        (aside / "nouns.json").write_text(json.dumps(nouns))
        try:
            aside.rename(folder)
        except OSError:
            shutil.rmtree(aside)
            if not folder.exists():
                raise


class Drawn:
    """Pairs in memory-mapped arrays."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, factors: Factors, nouns: list[str], detail: float | None) -> None:
        self.array, self.labels, self.factors, self.nouns, self.detail = images, labels, factors, nouns, detail

    def __len__(self) -> int:
        return len(self.array)

    def images(self, indices: np.ndarray) -> np.ndarray:
        """(B, 3, P, P) uint8."""
        return np.asarray(self.array[indices])

    def captions(self, indices: np.ndarray, rng: np.random.Generator) -> list[str]:
        """A fresh caption each: which factors it tells is drawn anew every time."""
        return describe(self.factors.some(indices), [self.nouns[n] for n in indices], self.detail, rng)


def held_out(seed: int) -> np.ndarray:
    """(colours, shapes) bool: the pairs that only `compose` shows; every colour and every shape keeps most of its pairs."""
    rng = rng_of(seed, "held out")
    pairs = np.zeros((len(COLOURS), len(KNOWN)), bool)
    while pairs.mean() < HELD_OUT:
        colour, shape = rng.integers(len(COLOURS)), rng.integers(len(KNOWN))
        if pairs[colour].sum() < 3 and pairs[:, shape].sum() < 3:
            pairs[colour, shape] = True
    return pairs


class Sampler:
    """Draws the factors of a set: everything at random but what the class fixes."""

    def __init__(self, world: World, name: str, classes: list[str], labels: np.ndarray, rng: np.random.Generator) -> None:
        self.world, self.name, self.classes, self.labels, self.rng = world, name, classes, labels, rng
        self.count = len(labels)
        self.nouns = ["shape"] * self.count
        self.tables = [known(shape) for shape in KNOWN]
        self.factors = self._anything()

    def sample(self) -> tuple[Factors, list[str], np.ndarray]:
        """Factors, the noun of each caption, and the radius tables."""
        getattr(self, f"_{self.world.set}")()
        if self.world.set != "compose":
            self._avoid_held_out()
        return self.factors, self.nouns, np.stack(self.tables)

    def _anything(self) -> Factors:
        n, rng = self.count, self.rng
        return Factors(
            shape=rng.integers(0, len(KNOWN), n),
            colour=rng.integers(0, len(COLOURS), n),
            second=np.full(n, -1),
            texture=np.where(rng.uniform(size=n) < 0.6, 0, rng.integers(1, len(TEXTURES), n)),
            weave=np.zeros((n, 3), np.float32),
            size=rng.integers(0, len(SIZES), n),
            position=np.where(rng.uniform(size=n) < 0.4, 4, rng.integers(0, len(POSITIONS), n)),
            background=rng.integers(0, len(BACKGROUNDS), n),
            count=np.ones(n, np.int64),
            turn=rng.uniform(-0.1, 0.1, n).astype(np.float32),
            jitter=rng.uniform(-0.8, 0.8, (n, 2)).astype(np.float32),
        )

    def _base(self) -> None:
        n, rng = self.count, self.rng
        several = rng.uniform(size=n) < 0.2
        self.factors.count = np.where(several, rng.integers(1, len(COUNTS) + 1, n), 1)
        made_up = rng.uniform(size=n) < (0.25 if self.world.names else 0)
        which = rng.integers(0, max(1, len(self.world.names)), n)
        self.tables += [blob(name, self.world.seed) for name in self.world.names]
        self.factors.shape = np.where(made_up, len(KNOWN) + which, self.factors.shape)
        vague = rng.uniform(size=n) < 0.2
        said = [*KNOWN, *self.world.names]
        self.nouns = ["shape" if v and s < len(KNOWN) else said[s] for v, s in zip(vague, self.factors.shape, strict=True)]
        self.labels[:] = 0

    def _shape(self) -> None:
        self.factors.shape = self._fixed(KNOWN)
        self.nouns = [KNOWN[s] for s in self.factors.shape]

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
        """Only held-out pairs, or their classes could be told by what was seen."""
        pairs = held_out(self.world.seed)
        phrases = {f"{c} {s}": (i, j) for i, c in enumerate(COLOURS) for j, s in enumerate(KNOWN)}
        wanted = np.array([phrases[self.classes[label]] for label in self._places(tuple(phrases))])
        if not all(pairs[colour, shape] for colour, shape in wanted):
            raise WorldError(f"dataset {self.name!r}: compose asks for colour-shape pairs that the base shows; see `held_out`")
        self.factors.colour, self.factors.shape = wanted[:, 0], wanted[:, 1]
        self.nouns = [KNOWN[s] for s in self.factors.shape]

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
        self.nouns = [self.classes[label] for label in self.labels]

    def _weaves(self) -> None:
        """A named texture: its frequency, angle and kind; few enough waves to survive 32 pixels."""
        looks = [rng_of(self.world.seed, "weave", name) for name in self.classes]
        kinds = np.arange(len(self.classes)) % 4
        drawn = [(rng.uniform(0.7, 1.5), rng.uniform(0, np.pi), kind) for rng, kind in zip(looks, kinds, strict=True)]
        self.factors.weave = np.array(drawn, np.float32)[self.labels]
        self.factors.texture = np.full(self.count, WEAVE)
        self.factors.size = np.full(self.count, 2)
        self.nouns = [self.classes[label] for label in self.labels]

    def _duos(self) -> None:
        """A named pair of colours: one in the core, one around it."""
        pairs = [rng_of(self.world.seed, "duo", name).permutation(len(COLOURS))[:2] for name in self.classes]
        self.factors.colour, self.factors.second = np.array(pairs)[self.labels].T
        self.factors.texture = np.full(self.count, DUO)
        self.factors.size = self.rng.integers(1, len(SIZES), self.count)
        self.nouns = [self.classes[label] for label in self.labels]

    def _fixed(self, values: tuple[str, ...]) -> np.ndarray:
        """The factor that each label names."""
        self._places(values)
        return np.array([values.index(name) for name in self.classes])[self.labels]

    def _places(self, values: tuple[str, ...]) -> np.ndarray:
        for name in self.classes:
            if name not in values:
                raise WorldError(f"dataset {self.name!r}: set {self.world.set} has no class {name!r}; it has {', '.join(values[:20])}")
        return self.labels

    def _avoid_held_out(self) -> None:
        """Redraw colours (or the shape, where the class is the colour) until no held-out pair is shown."""
        pairs = np.vstack([held_out(self.world.seed).T, np.zeros((len(self.tables) - len(KNOWN), len(COLOURS)), bool)])
        f = self.factors
        while (bad := np.flatnonzero(pairs[f.shape, f.colour])).size:
            if self.world.set in ("colour", "duos"):
                f.shape[bad] = self.rng.integers(0, len(KNOWN), len(bad))
            else:
                f.colour[bad] = self.rng.integers(0, len(COLOURS), len(bad))


def shifted(images: np.ndarray, shift: str, rng: np.random.Generator) -> np.ndarray:
    """The images under a shift that the base never shows."""
    if shift == "plain":
        return images
    x = images.astype(np.float32)
    if shift in ("greyscale", "haze"):
        x = np.repeat((x * np.array([0.299, 0.587, 0.114], np.float32)[None, :, None, None]).sum(1, keepdims=True), 3, axis=1)
    if shift in ("low_contrast", "haze"):
        x = 110 + (0.35 if shift == "low_contrast" else 0.6) * (x - 110)
    if shift == "blurred":
        for axis in (2, 3):
            x = 0.25 * np.roll(x, 1, axis) + 0.5 * x + 0.25 * np.roll(x, -1, axis)
            x = 0.25 * np.roll(x, 1, axis) + 0.5 * x + 0.25 * np.roll(x, -1, axis)
    if shift in ("noise", "haze"):
        x = x + rng.normal(0, 35 if shift == "noise" else 18, x.shape).astype(np.float32)
    return (x + 0.5).clip(0, 255).astype(np.uint8)
