"""TSV-Merge: keep the largest singular directions of each task's change of a matrix, and make those
of all tasks orthogonal (https://arxiv.org/abs/2412.00081).

    tau_i = U_i diag(s_i) V_i^T,  of which the first k = floor(r / n) of r = min(rows, columns)
    U = [U_1 .. U_n],  s = [s_1 .. s_n],  V = [V_1 .. V_n]
    tau   = orth(U) diag(s) orth(V)^T,   orth(A) = P Q^T for A = P D Q^T
    theta = theta_0 + scale tau

n is the number of tasks. Tensors that are no matrices are averaged, and so are the token embedding,
which the authors' image encoder lacks, and the text projection, as in their code. open_clip's fused
query, key and value are one matrix, as in their code. `scale` is the paper's alpha, 1. With more
tasks than a matrix has singular values, k is 0 and it stays as it was.

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
    """Return theta_0 plus the scaled merge of the task singular vectors."""
    return by_tensor(history, partial(_merged, scale))


def _merged(scale: float, name: str, vectors: TensorVectors) -> Tensor:
    """Return the change of one tensor of theta_0."""
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
