"""Iso-C: add the task vectors up, and make all singular values of the sum of a matrix the same
(https://arxiv.org/abs/2502.04959).

    sum_i tau_i = U diag(s) V^T
    theta       = theta_0 + scale mean(s) U V^T

So directions that many tasks share do not outweigh those that few need. Tensors that are no
matrices are averaged, and so are the token embedding and the text projection, as in TSV-Merge,
whose code the authors build on. `scale` is the paper's alpha, which it chooses on held-out data:
near 1.

Memory: four models beside theta_0 and theta_t; the running form is the sum. FLOPs: a decomposition
per matrix (the phase `merge_svd` of a profile), however many the tasks.
"""

from functools import partial

from torch import Tensor

from methods import Weights
from methods.foldings import Folding, Parts
from methods.merging._matrices import decomposed, is_matrix
from methods.merging._vectors import counted, seen, take_sum


def folding(*, scale: float = 1.0) -> Folding:
    """Return the running form: theta_0 plus the scaled isotropic sum."""
    return Folding(take=_take, finish=partial(_finish, scale))


def _take(parts: Parts, initial: Weights, weights: Weights) -> Parts:
    counted(parts)
    return take_sum(parts, initial, weights)


def _finish(scale: float, parts: Parts, initial: Weights) -> Weights:
    merged = {}
    for name, start in initial.items():
        summed = parts["sum"][name]
        if is_matrix(name, start):
            merged[name] = start + scale * isotropic(summed)
        else:
            merged[name] = start + scale * summed / seen(parts)
    return merged


def isotropic(matrix: Tensor) -> Tensor:
    """Return a matrix with all its singular values set to their mean."""
    u, s, vt = decomposed(matrix)
    return s.mean() * (u @ vt)
