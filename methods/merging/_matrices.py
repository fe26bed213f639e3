"""Merging by the singular vectors of what a linear map learned: which tensors are linear maps.

Techniques of this kind treat a matrix by its singular value decomposition, tau = U diag(s) V^T,
and average everything else, as their authors' code does.
"""

import torch
from torch import Tensor

# Matrices that are no linear map between activations: a table of tokens is looked up row by row,
# and the authors' code leaves out the text projection
AVERAGED = ("token_embedding", "word_embeddings", "text_projection")


def is_matrix(name: str, tensor: Tensor) -> bool:
    """Return whether a tensor is decomposed; what is not is averaged."""
    return tensor.ndim == 2 and not any(word in name for word in AVERAGED)


def decomposed(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return U (m, r), s (r,) in falling order and V^T (r, n) of a matrix (m, n), r = min(m, n)."""
    u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
    return u, s, vt


def orthogonal(matrix: Tensor) -> Tensor:
    """Return the nearest matrix (m, n) whose shorter side is orthonormal: U V^T of its own."""
    u, _, vt = decomposed(matrix)
    return u @ vt


def composed(u: Tensor, s: Tensor, vt: Tensor) -> Tensor:
    """Return U diag(s) V^T."""
    return (u * s) @ vt
