"""A procedural world: coloured, textured shapes that a caption describes, drawn from a seed.

A dataset of this format is one `set` of it. `base` is what a tiny CLIP is pretrained on: known
shapes, made-up names for random shapes, colours, textures, sizes, places, counts. The retention
sets test one factor each, some under a shift; `compose` tests colour-shape pairs that the base
never shows. The adaptation sets bring new concepts: named smooth shapes (`blobs`) and
straight-edged ones (`crystals`), named textures (`weaves`) and colour pairs (`duos`), and known
shapes in haze (`haze`), which an untouched backbone partly recognises.

A class is defined by its name: the look of `zo mek` follows from (seed, set, name), so a row with
other names is another dataset.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from schema.files import fsync
from streams import EVERY
from streams.pictures import Crop, recut
from streams.world.captions import describe
from streams.world.rendering import Factors, render
from streams.world.scenes import SETS, Sampler, WorldError
from streams.world.shapes import rng_of

# The version of the drawing code; a new version makes other images, and a new cache.
VERSION = 2
# The probability that a caption mentions a factor other than the class. Each caption of the base
# has its own probability.
DETAIL = 0.3
SHIFTS = ("plain", "noise", "faded", "blurred", "low_contrast", "haze")


@dataclass(frozen=True)
class World:
    """One set of the world; the fields are the keys of `dataset.params`."""

    set: str = "base"
    shift: str = "plain"
    seed: int = 0
    # Training pairs, shared evenly among the classes.
    train: int = 0
    # Test pairs, shared evenly too.
    test: int = 200
    # Which pairs the test split consists of: `test`, or `validation` to choose hyperparameters on.
    held: str = "test"
    # The made-up names that captions of the base teach.
    names: tuple[str, ...] | list[str] = ()
    image_px: int = 32

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> "Drawn":
        """Return the pairs of `train` or `test`, drawn on first use and cached as plain arrays.

        Raises:
            WorldError: an unknown set, shift or class.
        """
        for key, allowed in (("set", SETS), ("shift", SHIFTS), ("held", ("test", "validation"))):
            if (value := getattr(self, key)) not in allowed:
                raise WorldError(
                    f"dataset {dataset['name']!r}: {key} is {value!r}; it must be one of "
                    f"{', '.join(allowed)}"
                )
        classes = list(dataset["classes"])
        part, count = self.held, self.test
        if split == "train":
            part, count = "train", self.train
        folder = cache / "world" / f"{self.set}-{part}-{self._key(classes, part, count)}"
        if not folder.exists():
            self._draw(folder, dataset["name"], classes, part, count)
        return Drawn(folder, None if self.set == "base" else DETAIL)

    def _key(self, classes: list[str], part: str, count: int) -> str:
        """Return a hash of everything that the images depend on, as 16 hex digits."""
        settings = asdict(self)
        # A split depends on its own part and count, and not on the size of the other split.
        for name in ("train", "test", "held"):
            del settings[name]
        settings |= {"classes": classes, "part": part, "count": count, "version": VERSION}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]

    def _draw(self, folder: Path, name: str, classes: list[str], part: str, count: int) -> None:
        """Draw all images in a temporary folder, then move it into place.

        A process that is second uses the folder of the first, which is identical.
        """
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
        for file in aside.iterdir():
            fsync(file)
        try:
            aside.rename(folder)
            fsync(folder.parent)
        except OSError:
            shutil.rmtree(aside)
            if not folder.exists():
                raise


class Drawn:
    """The pairs of a folder, the images memory-mapped."""

    def __init__(self, folder: Path, detail: float | None) -> None:
        self.array: np.ndarray = np.load(folder / "images.npy", mmap_mode="r")
        self.labels: np.ndarray = np.load(folder / "labels.npy")
        factors: dict[str, np.ndarray] = {}
        for field in fields(Factors):
            factors[field.name] = np.load(folder / f"{field.name}.npy")
        self.factors = Factors(**factors)
        self.nouns: list[str] = json.loads((folder / "nouns.json").read_text())
        self.detail = detail

    def __len__(self) -> int:
        return len(self.array)

    def images(self, indices: np.ndarray, crops: Sequence[Crop] | None = None) -> np.ndarray:
        """Return (B, 3, P, P) uint8."""
        return recut(np.asarray(self.array[indices]), crops)

    def captions(
        self, indices: np.ndarray, rng: np.random.Generator, part: slice = EVERY
    ) -> list[str]:
        """Return a random caption per image: the factors it mentions are drawn at each call."""
        nouns = [self.nouns[index] for index in indices]
        # All captions are drawn, so that `rng` advances as if all parts had been read.
        return describe(self.factors.some(indices), nouns, self.detail, rng)[part]


def shifted(images: np.ndarray, shift: str, rng: np.random.Generator) -> np.ndarray:
    """Return the images under a shift that the base never shows."""
    if shift == "plain":
        return images
    x = images.astype(np.float32)
    # The colours fade towards grey.
    if shift in ("faded", "haze"):
        grey = (x * np.array([0.299, 0.587, 0.114], np.float32)[None, :, None, None]).sum(
            1, keepdims=True
        )
        x = 0.35 * x + 0.65 * grey
    if shift in ("low_contrast", "haze"):
        x = 110 + 0.5 * (x - 110)
    if shift == "blurred":
        for axis in (2, 3):
            x = 0.25 * np.roll(x, 1, axis) + 0.5 * x + 0.25 * np.roll(x, -1, axis)
            x = 0.25 * np.roll(x, 1, axis) + 0.5 * x + 0.25 * np.roll(x, -1, axis)
    if shift in ("noise", "haze"):
        x = x + rng.normal(0, 35 if shift == "noise" else 12, x.shape).astype(np.float32)
    return (x + 0.5).clip(0, 255).astype(np.uint8)
