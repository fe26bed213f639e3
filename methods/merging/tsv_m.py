"""TSV-Merge: of every matrix that a task moved keep the largest singular directions, and turn those
of all tasks apart (https://arxiv.org/abs/2412.00081).

    tau_i = U_i diag(s_i) V_i^T,  of which the first k = floor(r / n) of r = min(rows, columns)
    U = [U_1 .. U_n],  s = [s_1 .. s_n],  V = [V_1 .. V_n]
    tau   = orth(U) diag(s) orth(V)^T,   orth(A) = P Q^T for A = P D Q^T
    theta = theta_0 + scale tau

n is the number of tasks. What is no matrix is averaged, and so are the table of tokens, of which
the authors' image encoder has none, and the text projection, as in their code. open_clip's fused
query, key and value are one matrix, as there. `scale` is the paper's alpha, 1. With more tasks than
a matrix has singular values, k is 0 and it stays as it was.

Memory: of one matrix at a time all task vectors. FLOPs: a decomposition per matrix and task, and
two more per matrix (the phase `merge_svd` of a profile). It has no running form, as k falls with
every task.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from methods import Weights
from methods.merging._matrices import composed, decomposed, is_matrix, orthogonal
from methods.merging._vectors import TensorVectors, by_tensor, mean


def merge(history: Sequence[Weights], *, scale: float = 1.0) -> Weights:
    """Return theta_0 with the scaled merge of the task singular vectors added."""
    return by_tensor(history, partial(_merged, scale))


def _merged(scale: float, name: str, vectors: TensorVectors) -> Tensor:
    """Return what is added to one tensor."""
    if not is_matrix(name, vectors.start):
        return scale * mean(vectors)
    rank = min(vectors.start.shape) // len(vectors)
    if rank == 0:
        return torch.zeros_like(vectors.start)
    left, sizes, right = [], [], []
    for vector in vectors:
        u, s, vt = decomposed(vector)
        left.append(u[:, :rank])
        sizes.append(s[:rank])
        right.append(vt[:rank])
    u, vt = orthogonal(torch.cat(left, dim=1)), orthogonal(torch.cat(right, dim=0))
    return scale * composed(u, torch.cat(sizes), vt)
