"""Iso-CTS: as Iso-C, with the smallest directions of the sum given to those that single tasks need
(https://arxiv.org/abs/2502.04959).

    sum_i tau_i = U diag(s) V^T,  of which the first k = `common` r directions are common to all
    tau_i' = tau_i - U_k U_k^T tau_i,  of which each task's first (r - k) / n directions are its own
    all directions side by side are turned apart, orth(A) = P Q^T for A = P D Q^T, and each is given
    the mean of all their singular values
    theta = theta_0 + scale mean(s) orth(U) orth(V)^T

r = min(rows, columns), n is the number of tasks, and k is rounded so that the tasks share the rest
evenly. Where the authors' rounding would give the tasks more than r directions together, it is
rounded down here. `common` is the paper's k / r, 0.8. What is averaged is as in `iso_c`.

Memory: of one matrix at a time all task vectors. FLOPs: a decomposition per matrix and task, and
three more per matrix (the phase `merge_svd` of a profile). It has no running form: what is a task's
own depends on the sum of all.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from methods import Weights
from methods.merging._matrices import decomposed, is_matrix, orthogonal
from methods.merging._vectors import TensorVectors, added, by_tensor, fraction, mean


def merge(history: Sequence[Weights], *, common: float = 0.8, scale: float = 1.0) -> Weights:
    """Return theta_0 plus the scaled isotropic merge of common and own directions.

    Raises:
        ValueError: a `common` outside [0, 1].
    """
    fraction("common", common)
    return by_tensor(history, partial(_merged, common, scale))


def _merged(common: float, scale: float, name: str, vectors: TensorVectors) -> Tensor:
    """Return the change of one tensor of theta_0."""
    if not is_matrix(name, vectors.start):
        return scale * mean(vectors)
    own = own_directions(min(vectors.start.shape), len(vectors), common)
    shared = min(vectors.start.shape) - own * len(vectors)
    u, s, vt = decomposed(added(vectors))
    u, s, vt = u[:, :shared], s[:shared], vt[:shared]
    left, sizes, right = [], [], []
    for vector in vectors:
        own_u, own_s, own_vt = decomposed(vector - u @ (u.T @ vector))
        left.append(own_u[:, :own])
        sizes.append(own_s[:own])
        right.append(own_vt[:own])
    turned_u = orthogonal(torch.cat([*left, u], dim=1))
    turned_vt = orthogonal(torch.cat([*right, vt], dim=0))
    return scale * torch.cat([*sizes, s]).mean() * (turned_u @ turned_vt)


def own_directions(rank: int, tasks: int, common: float) -> int:
    """Return how many directions of a matrix of this rank each task gets for itself."""
    own = round((rank - int(rank * common)) / tasks)
    return min(own, rank // tasks)
