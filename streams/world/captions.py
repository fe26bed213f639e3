"""Captions of the procedural world, and the words they are made of."""

import numpy as np

from streams.world.rendering import (
    BACKGROUNDS,
    COLOURS,
    COUNTS,
    POSITIONS,
    SIZES,
    TEXTURES,
    Factors,
)
from streams.world.shapes import KNOWN

TEMPLATES = (
    "a photo of {}",
    "an image of {}",
    "a picture of {}",
    "this is {}",
    "there is {}",
    "{}",
)
ONSETS = tuple(a + b for a in "bdfgklmn" for b in ("a", "e", "i", "o"))
CODAS = tuple(a + b for a in "prstvwxz" for b in ("ek", "im", "on", "ul"))


def names(count: int) -> list[str]:
    """The first `count` of 1,024 made-up names, each two words that no caption uses otherwise."""
    pairs = [(onset, coda) for onset in ONSETS for coda in CODAS]
    order = np.random.default_rng(7).permutation(len(pairs))
    return [" ".join(pairs[n]) for n in order[:count]]


def describe(
    factors: Factors, nouns: list[str], detail: float | None, rng: np.random.Generator
) -> list[str]:
    """One caption per image: its noun always, each other factor with probability `detail` (None:
    drawn per caption from U(0, 1)), in one of six templates.
    """
    count = len(nouns)
    chance = rng.uniform(0, 1, count) if detail is None else np.full(count, detail)
    mentions = rng.uniform(0, 1, (count, 6)) < chance[:, None]
    template = rng.integers(0, len(TEMPLATES), count)
    captions = []
    for n, noun in enumerate(nouns):
        several = factors.count[n] > 1
        words = [COUNTS[factors.count[n] - 1] if several and mentions[n, 0] else "a"]
        words += [list(SIZES)[factors.size[n]]] if mentions[n, 1] and not several else []
        words += (
            [list(COLOURS)[factors.colour[n]]] if mentions[n, 2] and factors.second[n] < 0 else []
        )
        words += (
            [TEXTURES[factors.texture[n]]]
            if mentions[n, 3] and factors.texture[n] < len(TEXTURES)
            else []
        )
        words += [noun]
        words += (
            ["at the", list(POSITIONS)[factors.position[n]]]
            if mentions[n, 4] and not several
            else []
        )
        words += ["on", list(BACKGROUNDS)[factors.background[n]]] if mentions[n, 5] else []
        captions.append(TEMPLATES[template[n]].format(" ".join(words)))
    return captions


def vocabulary() -> list[str]:
    """Every word that a caption or prompt of the world can hold, sorted."""
    words = [*COUNTS, *SIZES, *COLOURS, *TEXTURES, *KNOWN, *POSITIONS, *BACKGROUNDS]
    phrases = [*TEMPLATES, *ONSETS, *CODAS, *words, "shape", "at the", "on"]
    return sorted({word for phrase in phrases for word in phrase.replace("{}", " ").split()})
