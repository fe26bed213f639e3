"""TIES: trim each task vector, elect a sign for each entry, average what agrees with it
(https://arxiv.org/abs/2306.01708).

    tau_i'  = tau_i where |tau_i| is among the `keep` largest share of the whole model, else 0
    sign    = sgn(sum_i tau_i')
    theta   = theta_0 + scale mean of the tau_i' whose sign is `sign`

`keep` is 0.3, as FoMo-in-Flux prunes 0.7 (the paper keeps 0.2). Entries equal in magnitude to the
smallest kept one are kept, too.

Memory: seven models beside theta_0 and theta_t, whatever the number of tasks: a task vector, its
magnitudes, and the running form, which is the sum and, of either sign, the sum and the count. No
FLOPs to speak of; each model is read once.
"""

from functools import partial

import torch

from methods import Weights
from methods.foldings import Folding, Parts
from methods.merging._vectors import (
    Vector,
    elected,
    fraction,
    moved,
    plus,
    smallest,
    take_signs,
)


def folding(*, keep: float = 0.3, scale: float = 1.0) -> Folding:
    """Return the running form: theta_0 plus the scaled mean of the entries that agree.

    Raises:
        ValueError: a `keep` outside [0, 1].
    """
    fraction("keep", keep)
    return Folding(take=partial(_take, keep), finish=partial(_finish, scale))


def _take(keep: float, parts: Parts, initial: Weights, weights: Weights) -> Parts:
    return take_signs(parts, trimmed(moved(initial, weights), keep))


def _finish(scale: float, parts: Parts, initial: Weights) -> Weights:
    return plus(initial, elected(parts), scale)


def trimmed(vector: Vector, keep: float) -> Vector:
    """Return a task vector with all but its largest entries set to 0, in place.

    The share is of all entries of the model together.
    """
    flat = torch.cat([tensor.abs().flatten() for tensor in vector.values()])
    count, least = int(keep * len(flat)), float("inf")
    if count:
        (least,) = smallest(flat, len(flat) - count)
    # Frees one model's memory before the vector is used
    del flat
    for tensor in vector.values():
        tensor.masked_fill_(tensor.abs() < least, 0)
    return vector
