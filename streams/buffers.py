"""Bounded buffers of earlier tasks' pairs: a pure function for each `mixture.buffer_policy`.

A buffer depends on the earlier tasks and a seed alone, so a restarted mixture keeps the same pairs,
and there is no state to save. A pair that is dropped after one task is in no later task's buffer,
so the policies could run without storing all past data.

Shapes: n_t pairs of task t, N pairs of all earlier tasks, K <= `size_pairs` pairs kept.
"""

from collections.abc import Callable, Sequence

import numpy as np

from schema.words import nearest

Policy = Callable[[Sequence[np.ndarray], int, Sequence[int]], np.ndarray]


class BufferError(ValueError):
    """The settings of a buffer are invalid."""


def kept(
    policy: str, earlier: Sequence[np.ndarray], size_pairs: int, seed: Sequence[int]
) -> np.ndarray:
    """Return the ascending indices of the pairs that the policy keeps, (K,) int64.

    `earlier` holds the concept of each pair, (n_t,) int64 per task.

    Raises:
        BufferError: no such policy, or a size below one pair.
    """
    if policy not in POLICIES:
        raise BufferError(
            f"unknown buffer_policy {policy!r}. Known: "
            f"{', '.join(POLICIES)}.{nearest(policy, POLICIES)}"
        )
    if size_pairs < 1:
        raise BufferError(
            f"buffer_pairs is {size_pairs}; it must be above 0. A mixture without a buffer has "
            "buffer_share 0."
        )
    if sum(map(len, earlier)) <= size_pairs:
        return np.arange(sum(map(len, earlier)))
    return np.sort(POLICIES[policy](earlier, size_pairs, seed))


def reservoir(earlier: Sequence[np.ndarray], size_pairs: int, seed: Sequence[int]) -> np.ndarray:
    """Keep each pair seen so far with the same probability.

    This is algorithm R (Vitter 1985, doi 10.1145/3147.3165), as used in experience replay
    (https://arxiv.org/abs/1902.10486). Pair n draws a place from 0 to n, and is dropped if it is
    `size_pairs` or more.
    """
    places, seen = np.empty(size_pairs, np.int64), 0
    for task, concepts in enumerate(earlier, 1):
        pairs = seen + np.arange(len(concepts))
        drawn = np.random.default_rng([*seed, task]).integers(0, pairs + 1)
        slots = np.where(pairs < size_pairs, pairs, drawn)
        # Of several pairs that draw the same place, the last is kept.
        places[slots[slots < size_pairs]] = pairs[slots < size_pairs]
        seen += len(concepts)
    return places


def class_balanced(
    earlier: Sequence[np.ndarray], size_pairs: int, seed: Sequence[int]
) -> np.ndarray:
    """Keep equally many pairs of each concept, as far as it has them.

    This is the greedy sampler of GDumb (Prabhu et al., ECCV 2020), whose buffer drops a random pair
    of its largest class when a pair of a smaller one arrives.
    """
    concepts = np.concatenate(earlier)
    return _apportioned(concepts, np.zeros(len(concepts)), size_pairs, _chances(earlier, seed))


def equal(earlier: Sequence[np.ndarray], size_pairs: int, seed: Sequence[int]) -> np.ndarray:
    """Keep the same share for every earlier task.

    This is Cumulative-Equal of TiC-CLIP (https://arxiv.org/abs/2310.16226).
    """
    tasks = _tasks(earlier)
    return _apportioned(tasks, np.zeros(len(tasks)), size_pairs, _chances(earlier, seed))


def exponential(earlier: Sequence[np.ndarray], size_pairs: int, seed: Sequence[int]) -> np.ndarray:
    """Keep for each task half the share of the task after it.

    This is Cumulative-Exp of TiC-CLIP (https://arxiv.org/abs/2310.16226).
    """
    tasks = _tasks(earlier)
    return _apportioned(tasks, len(earlier) - 1 - tasks, size_pairs, _chances(earlier, seed))


def _apportioned(
    groups: np.ndarray, halvings: np.ndarray, size_pairs: int, chances: np.ndarray
) -> np.ndarray:
    """Return the indices (K,) of pairs kept so that groups have shares of 2 ** -halvings.

    A group with too few pairs leaves the rest of its share to the others. The r-th pair of a group
    (from 0, in random order) has the priority (r + 1/2) * 2 ** halvings, and the pairs with the
    lowest are kept (Webster's apportionment), of equals the earliest. More pairs only displace
    others, so a dropped pair never returns. Array arguments are (N,).
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    order = np.lexsort((chances, group))
    starts = np.searchsorted(group[order], group[order])
    rank = np.empty(len(groups), np.int64)
    rank[order] = np.arange(len(groups)) - starts
    claims = np.log2(rank + 0.5) + halvings
    return np.lexsort((first[group], claims))[:size_pairs]


def _tasks(earlier: Sequence[np.ndarray]) -> np.ndarray:
    """Return the task of each pair, from 0, (N,) int64."""
    return np.repeat(np.arange(len(earlier)), [len(concepts) for concepts in earlier])


def _chances(earlier: Sequence[np.ndarray], seed: Sequence[int]) -> np.ndarray:
    """Return a random number in [0, 1) per pair, independent of later tasks, (N,) float64."""
    return np.concatenate(
        [
            np.random.default_rng([*seed, task]).random(len(pairs))
            for task, pairs in enumerate(earlier, 1)
        ]
    )


POLICIES: dict[str, Policy] = {
    policy.__name__: policy for policy in (reservoir, class_balanced, equal, exponential)
}
