"""TIES: trim each task vector, elect a sign for each entry, average what agrees with it
(https://arxiv.org/abs/2306.01708).

    tau_i'  = tau_i where |tau_i| is among the `keep` largest share of the whole model, else 0
    sign    = sgn(sum_i tau_i')
    theta   = theta_0 + scale mean of the tau_i' whose sign is `sign`

`keep` is 0.3, as FoMo-in-Flux prunes 0.7 (the paper keeps 0.2). Entries as large as the smallest
that is kept are kept, too.

Memory: seven models beside theta_0 and theta_t, whatever the number of tasks: a task vector, its
magnitudes, the signs, the sum, a count. No FLOPs to speak of; the history is read twice.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import torch

from methods import Weights
from methods.merging._vectors import Vector, elected, fraction, plus, smallest, task_vectors


def merge(history: Sequence[Weights], *, keep: float = 0.3, scale: float = 1.0) -> Weights:
    """Return theta_0 with the scaled mean of what agrees added.

    Raises:
        ValueError: a `keep` outside [0, 1].
    """
    fraction("keep", keep)
    return plus(history[0], elected(partial(trimmed, history, keep)), scale)


def trimmed(history: Sequence[Weights], keep: float) -> Iterator[Vector]:
    """Yield the task vectors with all but their largest entries at 0.

    The share is of all entries of the model together.
    """
    for vector in task_vectors(history):
        flat = torch.cat([tensor.abs().flatten() for tensor in vector.values()])
        count, least = int(keep * len(flat)), float("inf")
        if count:
            (least,) = smallest(flat, len(flat) - count)
        # A model less to hold while the vector is in use
        del flat
        for tensor in vector.values():
            tensor.masked_fill_(tensor.abs() < least, 0)
        yield vector
