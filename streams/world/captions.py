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
    """Return the first `count` of 1,024 made-up names, whose words occur in no other role."""
    pairs = [(onset, coda) for onset in ONSETS for coda in CODAS]
    order = np.random.default_rng(7).permutation(len(pairs))
    return [" ".join(pairs[n]) for n in order[:count]]


def describe(
    factors: Factors, nouns: list[str], detail: float | None, rng: np.random.Generator
) -> list[str]:
    """Return a caption per image, in one of six templates.

    It always has the noun, and each other factor with probability `detail` (None: a probability per
    caption, drawn from U(0, 1)).
    """
    count = len(nouns)
    chance = np.full(count, detail or 0.0)
    # Captions of the base vary in detail, so that short and full ones are learned.
    if detail is None:
        chance = rng.uniform(0, 1, count)
    mentions = rng.uniform(0, 1, (count, 6)) < chance[:, None]
    template = rng.integers(0, len(TEMPLATES), count)
    captions = []
    for n, noun in enumerate(nouns):
        several = factors.count[n] > 1
        words = ["a"]
        if several and mentions[n, 0]:
            words = [COUNTS[factors.count[n] - 1]]
        # Several objects are all small and on a grid, so captions mention neither size nor place.
        if mentions[n, 1] and not several:
            words.append(list(SIZES)[factors.size[n]])
        # Second colours, weaves and cores define made-up names, so captions do not describe them.
        if mentions[n, 2] and factors.second[n] < 0:
            words.append(list(COLOURS)[factors.colour[n]])
        if mentions[n, 3] and factors.texture[n] < len(TEXTURES):
            words.append(TEXTURES[factors.texture[n]])
        words.append(noun)
        if mentions[n, 4] and not several:
            words += ["at the", list(POSITIONS)[factors.position[n]]]
        if mentions[n, 5]:
            words += ["on", list(BACKGROUNDS)[factors.background[n]]]
        captions.append(TEMPLATES[template[n]].format(" ".join(words)))
    return captions


def vocabulary() -> list[str]:
    """Return every word that captions and prompts of the world may contain, sorted."""
    words = [*COUNTS, *SIZES, *COLOURS, *TEXTURES, *KNOWN, *POSITIONS, *BACKGROUNDS]
    phrases = [*TEMPLATES, *ONSETS, *CODAS, *words, "shape", "at the", "on"]
    return sorted(set(" ".join(phrases).replace("{}", " ").split()))
