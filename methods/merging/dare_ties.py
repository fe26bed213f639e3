"""DARE with TIES: drop entries of each task vector at random, enlarge the rest so that the mean is
unchanged, elect signs as TIES does (https://arxiv.org/abs/2311.03099,
https://arxiv.org/abs/2306.01708).

    tau_i' = m_i tau_i / (1 - drop),  m_i ~ Bernoulli(1 - drop)
    theta  = theta_0 + scale mean of the tau_i' that agree in sign

`drop` is 0.7, as in FoMo-in-Flux (the paper's 0.9 and more is for language models). The random drop
stands in place of TIES' trim by magnitude and is not followed by it, because a trim would undo the
mean that the enlargement keeps. Each draw has its own generator, seeded by `seed`, the task and the
model's place in the history, so that a merge depends on its history alone.

Memory: seven models beside theta_0 and theta_t. FLOPs: negligible. It has no running form, since
the dropped entries of every model are drawn anew after each task; each model is read once for each
merge.
"""

from collections.abc import Sequence

import torch

from methods import Weights
from methods.foldings import Parts
from methods.merging._vectors import Vector, elected, fraction, plus, take_signs, task_vectors


def merge(
    history: Sequence[Weights], *, drop: float = 0.7, scale: float = 1.0, seed: int = 0
) -> Weights:
    """Return theta_0 plus the scaled mean of the kept entries that agree in sign.

    Raises:
        ValueError: a `drop` outside [0, 0.999].
    """
    fraction("drop", drop, most=0.999)
    parts = Parts()
    for index, vector in enumerate(task_vectors(history), 1):
        parts = take_signs(parts, dropped(vector, drop, seed + index))
    return plus(history[0], elected(parts), scale)


def dropped(vector: Vector, drop: float, seed: int) -> Vector:
    """Set a random share of a task vector's entries to 0 and enlarge the others, in place."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in vector.values():
        gone = torch.rand(tensor.shape, generator=generator) < drop
        tensor.masked_fill_(gone, 0).div_(1 - drop)
    return vector
