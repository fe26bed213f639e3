"""Orders in which concepts arrive: a pure function for each kind of order.

Each takes N concepts and data on each of them, and returns their indices in the order of arrival,
(N,) int64. The result does not depend on the order of the input: ties are broken by name (dataset,
then class), and random orders shuffle the sorted names. The orders are those of FoMo-in-Flux
(https://arxiv.org/abs/2408.14471), whose own code for them is not public, and the extreme ones of
EDGE (https://arxiv.org/abs/2509.22580); a reverse order is `order[::-1]`.
"""

from collections.abc import Sequence

import numpy as np

from streams.extremes import chained
from streams.tasks import Concept, chunks

# Similarities that differ by less count as equal, so that every machine makes the same chain.
DECIMALS = 6


class OrderingError(ValueError):
    """The concepts cannot be put into this order."""


def random(concepts: Sequence[Concept], seed: int) -> np.ndarray:
    """Return a random order."""
    return _named(concepts)[np.random.default_rng(seed).permutation(len(concepts))]


def easy_to_hard(concepts: Sequence[Concept], accuracies: np.ndarray) -> np.ndarray:
    """Order concepts by the backbone's accuracies (N,) in [0, 1], the highest first."""
    names = _named(concepts)
    return names[np.argsort(-np.asarray(accuracies)[names], kind="stable")]


def frequency(concepts: Sequence[Concept], counts: np.ndarray) -> np.ndarray:
    """Order concepts by their counts (N,) in the captions of a pool, the lowest first."""
    names = _named(concepts)
    return names[np.argsort(np.asarray(counts)[names], kind="stable")]


def similarity(concepts: Sequence[Concept], embeddings: np.ndarray, seed: int) -> np.ndarray:
    """Order concepts as a chain: after a random first one, always the nearest remaining one.

    `embeddings` are (N, D), of unit norm.
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
    """Order concepts by the release years (N,) of their datasets, shuffled within a year.

    Raises:
        OrderingError: a dataset has no year.
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
    """Order datasets by release year, then name, and shuffle the concepts of each.

    `years` are (N,); datasets without a year come last.
    """
    keys = []
    for (name, _), year in zip(concepts, years, strict=True):
        # Datasets without a year come last.
        keys.append((year is None, year or 0, name))
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    rank = np.array([ranks[key] for key in keys])
    # A stable sort of shuffled concepts leaves the concepts of one dataset shuffled.
    shuffled = random(concepts, seed)
    return shuffled[np.argsort(rank[shuffled], kind="stable")]


def edge_hard(concepts: Sequence[Concept], embeddings: np.ndarray, tasks: int) -> np.ndarray:
    """Order concepts for little similarity between tasks: EDGE's hard extreme.

    `embeddings` are (N, D), of unit norm, and `tasks` is how many the order will be cut into. Each
    task is of concepts that are alike, and comes after those that it resembles least.
    """
    return _extreme(concepts, embeddings, tasks, hard=True)


def edge_easy(concepts: Sequence[Concept], embeddings: np.ndarray, tasks: int) -> np.ndarray:
    """Order concepts for much similarity between tasks: EDGE's easy extreme.

    It takes what `edge_hard` takes. Each task is of concepts that are unlike, and comes after those
    that it resembles most.
    """
    return _extreme(concepts, embeddings, tasks, hard=False)


def _extreme(
    concepts: Sequence[Concept], embeddings: np.ndarray, tasks: int, hard: bool
) -> np.ndarray:
    """Return one of the two extreme orders."""
    names = _named(concepts)
    units = np.asarray(embeddings)[names]
    sizes = [len(chunk) for chunk in chunks(concepts, tasks)]
    return names[chained(np.round(units @ units.T, DECIMALS), sizes, hard)]


def _named(concepts: Sequence[Concept]) -> np.ndarray:
    """Return the indices that sort the concepts by name, (N,).

    Raises:
        OrderingError: there are no concepts, or one is repeated.
    """
    if not concepts or len(set(concepts)) < len(concepts):
        twice = {concept for concept in concepts if concepts.count(concept) > 1}
        problem = "there are none"
        if twice:
            problem = f"{sorted(twice)[:3]} come twice"
        raise OrderingError(f"an order is of concepts that differ; {problem}")
    return np.array(sorted(range(len(concepts)), key=lambda n: concepts[n]), np.int64)
