"""Singular value decompositions for mergings: which tensors are decomposed, and the products.

Techniques of this kind treat a matrix by its singular value decomposition, tau = U diag(s) V^T,
and average everything else, as their authors' code does.
"""

import torch
from torch import Tensor

# Matrices that are not decomposed: the token embedding is a table of rows and no linear map between
# activations, and the authors' code leaves out the text projection
AVERAGED = ("token_embedding", "word_embeddings", "text_projection")


def is_matrix(name: str, tensor: Tensor) -> bool:
    """Return whether a tensor is decomposed; others are averaged."""
    return tensor.ndim == 2 and not any(word in name for word in AVERAGED)


def decomposed(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return U (m, r), s (r,) in falling order and V^T (r, n) of a matrix (m, n), r = min(m, n)."""
    u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
    return u, s, vt


def orthogonal(matrix: Tensor) -> Tensor:
    """Return the nearest matrix (m, n) with orthonormal rows or columns, the fewer: U V^T."""
    u, _, vt = decomposed(matrix)
    return u @ vt


def composed(u: Tensor, s: Tensor, vt: Tensor) -> Tensor:
    """Return U diag(s) V^T."""
    return (u * s) @ vt
