"""Bounded buffers, and what they keep of earlier tasks: the policies of `mixture.buffer_policy`,
one function each. Pure.

Each is a function of the earlier tasks and a seed alone, so a mixture begun anew keeps the same
pairs, and there is no state to save. Each keeps what could have been kept: a pair that is dropped
after one task is in no later task's buffer, so the past never has to be stored whole.

Shapes: n_t pairs of task t, N pairs of all earlier tasks, K <= `size_pairs` pairs kept.
"""

from collections.abc import Callable, Sequence

import numpy as np

from schema.words import nearest

Policy = Callable[[Sequence[np.ndarray], int, Sequence[int]], np.ndarray]


class BufferError(ValueError):
    """A buffer that cannot be kept."""


def kept(
    policy: str, earlier: Sequence[np.ndarray], size_pairs: int, seed: Sequence[int]
) -> np.ndarray:
    """(K,) int64, ascending: which of the N pairs the policy keeps. `earlier`: (n_t,) int64 a task,
    the concept of each pair.

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
    """Every pair ever seen has the same chance: algorithm R (Vitter 1985, doi 10.1145/3147.3165),
    as experience replay takes it (https://arxiv.org/abs/1902.10486). Pair n goes to a place from 0
    to n, and is dropped from `size_pairs` on.
    """
    places, seen = np.empty(size_pairs, np.int64), 0
    for task, concepts in enumerate(earlier, 1):
        pairs = seen + np.arange(len(concepts))
        drawn = np.random.default_rng([*seed, task]).integers(0, pairs + 1)
        slots = np.where(pairs < size_pairs, pairs, drawn)
        # Where several pairs go to one place, the last of them stays.
        places[slots[slots < size_pairs]] = pairs[slots < size_pairs]
        seen += len(concepts)
    return places


def class_balanced(
    earlier: Sequence[np.ndarray], size_pairs: int, seed: Sequence[int]
) -> np.ndarray:
    """Keep as many pairs of each concept as of any other that has them: the greedy sampler of GDumb
    (Prabhu et al., ECCV 2020), whose buffer gives up a random pair of its largest class where a
    smaller one arrives.
    """
    concepts = np.concatenate(earlier)
    return _apportioned(concepts, np.zeros(len(concepts)), size_pairs, _chances(earlier, seed))


def equal(earlier: Sequence[np.ndarray], size_pairs: int, seed: Sequence[int]) -> np.ndarray:
    """The same share for every earlier task: Cumulative-Equal of TiC-CLIP
    (https://arxiv.org/abs/2310.16226).
    """
    tasks = _tasks(earlier)
    return _apportioned(tasks, np.zeros(len(tasks)), size_pairs, _chances(earlier, seed))


def exponential(earlier: Sequence[np.ndarray], size_pairs: int, seed: Sequence[int]) -> np.ndarray:
    """The share of a task is half that of the task after it: Cumulative-Exp of TiC-CLIP
    (https://arxiv.org/abs/2310.16226).
    """
    tasks = _tasks(earlier)
    return _apportioned(tasks, len(earlier) - 1 - tasks, size_pairs, _chances(earlier, seed))


def _apportioned(
    groups: np.ndarray, halvings: np.ndarray, size_pairs: int, chances: np.ndarray
) -> np.ndarray:
    """(K,): groups share the places in proportion to 2 ** -halvings, each as far as it has pairs,
    the rest going to the others.

    The r-th pair of a group (from 0, by chance) claims a place at (r + 1/2) * 2 ** halvings, and
    the lowest claims are kept (Webster's apportionment). More pairs only push others out, so no
    pair ever comes back; equal claims go to whom came first. All arguments are (N,).
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    order = np.lexsort((chances, group))
    starts = np.searchsorted(group[order], group[order])
    rank = np.empty(len(groups), np.int64)
    rank[order] = np.arange(len(groups)) - starts
    claims = np.log2(rank + 0.5) + halvings
    return np.lexsort((first[group], claims))[:size_pairs]


def _tasks(earlier: Sequence[np.ndarray]) -> np.ndarray:
    """(N,) int64: the task that each pair is of, from 0."""
    return np.repeat(np.arange(len(earlier)), [len(concepts) for concepts in earlier])


def _chances(earlier: Sequence[np.ndarray], seed: Sequence[int]) -> np.ndarray:
    """(N,) float64 in [0, 1): each pair's own, whatever tasks follow."""
    return np.concatenate(
        [
            np.random.default_rng([*seed, task]).random(len(pairs))
            for task, pairs in enumerate(earlier, 1)
        ]
    )


POLICIES: dict[str, Policy] = {
    policy.__name__: policy for policy in (reservoir, class_balanced, equal, exponential)
}
