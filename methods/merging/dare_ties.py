"""DARE with TIES: drop entries of each task vector at random, enlarge the rest so that the mean
stays, elect signs as TIES does (https://arxiv.org/abs/2311.03099,
https://arxiv.org/abs/2306.01708).

    tau_i' = m_i tau_i / (1 - drop),  m_i ~ Bernoulli(1 - drop)
    theta  = theta_0 + scale mean of the tau_i' that agree in sign

`drop` is 0.7, as in FoMo-in-Flux (the paper's 0.9 and more is for language models). The random drop
stands in place of TIES' trim by magnitude and is not followed by it, because a trim would undo the
mean that the enlargement keeps. Drops come from a generator of their own, by `seed`, the task, and
the place among what is combined, so that merging is a function of its history.

Memory: six models beside theta_0 and theta_t. No FLOPs to speak of; the history is read twice.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import torch

from methods import Weights
from methods.merging._vectors import Vector, elected, fraction, plus, task_vectors


def merge(
    history: Sequence[Weights], *, drop: float = 0.7, scale: float = 1.0, seed: int = 0
) -> Weights:
    """Return theta_0 with the scaled mean of what is left and agrees added.

    Raises:
        ValueError: a `drop` outside [0, 0.999].
    """
    fraction("drop", drop, most=0.999)
    return plus(history[0], elected(partial(dropped, history, drop, seed)), scale)


def dropped(history: Sequence[Weights], drop: float, seed: int) -> Iterator[Vector]:
    """Yield the task vectors with a share of their entries at 0 and the others enlarged."""
    for index, vector in enumerate(task_vectors(history), 1):
        generator = torch.Generator().manual_seed(seed + index)
        for tensor in vector.values():
            dropped = torch.rand(tensor.shape, generator=generator) < drop
            tensor.masked_fill_(dropped, 0).div_(1 - drop)
        yield vector
