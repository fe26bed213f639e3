"""The order in which concepts arrive, one function for each way to put them into one. Pure.

Each takes N concepts and what is known of them, row by row, and returns (N,) int64: which concept
comes first, second, and so on. The order that concepts are given in has no say: ties go by name
(dataset, then class), and a seed shuffles names. As in FoMo-in-Flux
(https://arxiv.org/abs/2408.14471), whose own code for them is not public; a reverse order is
`order[::-1]`.
"""

from collections.abc import Sequence

import numpy as np

from streams.tasks import Concept

# Similarities that differ by less are equal, so that every machine makes the same chain.
DECIMALS = 6


class OrderingError(ValueError):
    """Concepts that cannot be put into this order."""


def random(concepts: Sequence[Concept], seed: int) -> np.ndarray:
    """Shuffle concepts."""
    return _named(concepts)[np.random.default_rng(seed).permutation(len(concepts))]


def easy_to_hard(concepts: Sequence[Concept], accuracies: np.ndarray) -> np.ndarray:
    """Put first what the backbone knows best; accuracies (N,) in [0, 1]."""
    names = _named(concepts)
    return names[np.argsort(-np.asarray(accuracies)[names], kind="stable")]


def frequency(concepts: Sequence[Concept], counts: np.ndarray) -> np.ndarray:
    """Put first what the captions of a pool mention least; counts (N,)."""
    names = _named(concepts)
    return names[np.argsort(np.asarray(counts)[names], kind="stable")]


def similarity(concepts: Sequence[Concept], embeddings: np.ndarray, seed: int) -> np.ndarray:
    """Make a chain: from a concept that chance chooses, always on to the nearest that is left;
    embeddings (N, D) of unit norm.
    """
    names = _named(concepts)
    units, left = np.asarray(embeddings)[names], np.ones(len(names), bool)
    place, chain = int(np.random.default_rng(seed).integers(len(names))), []
    while True:
        chain.append(place)
        left[place] = False
        if not left.any():
            return names[chain]
        near = np.round(units @ units[place], DECIMALS)
        place = int(np.where(left, near, -np.inf).argmax())


def time(concepts: Sequence[Concept], years: Sequence[int | None], seed: int) -> np.ndarray:
    """Order concepts by the year in which a concept's dataset was released, shuffled within a year;
    years (N,).

    Raises:
        OrderingError: a dataset without a year.
    """
    timeless = set[str]()
    for (dataset, _), year in zip(concepts, years, strict=True):
        if year is None:
            timeless.add(dataset)
    if timeless:
        names = ", ".join(sorted(timeless))
        raise OrderingError(
            f"an order by time needs the year of every dataset, and {names} has none. "
            "Give `year` in its row, or order by dataset, which puts those without a year last"
        )
    shuffled = random(concepts, seed)
    return shuffled[np.argsort(np.array(years, np.int64)[shuffled], kind="stable")]


def dataset(concepts: Sequence[Concept], years: Sequence[int | None], seed: int) -> np.ndarray:
    """Put dataset after dataset, by year of release where there is one, then by name; the concepts
    of each shuffled; years (N,).
    """
    keys = []
    for (name, _), year in zip(concepts, years, strict=True):
        # Datasets without a year come last.
        keys.append((year is None, year or 0, name))
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    rank = np.array([ranks[key] for key in keys])
    # A stable sort of the shuffled concepts leaves those of one dataset shuffled.
    shuffled = random(concepts, seed)
    return shuffled[np.argsort(rank[shuffled], kind="stable")]


def _named(concepts: Sequence[Concept]) -> np.ndarray:
    """Return (N,): the concepts by name.

    Raises:
        OrderingError: there are none, or one of them twice.
    """
    if not concepts or len(set(concepts)) < len(concepts):
        twice = {concept for concept in concepts if concepts.count(concept) > 1}
        problem = "there are none"
        if twice:
            problem = f"{sorted(twice)[:3]} come twice"
        raise OrderingError(f"an order is of concepts that differ; {problem}")
    return np.array(sorted(range(len(concepts)), key=lambda n: concepts[n]), np.int64)
