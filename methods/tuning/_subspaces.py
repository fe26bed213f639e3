"""Subspaces of the inputs of a weight, as projections whose shapes do not depend on values.

A projection P (columns, columns) is symmetric and P P = P. Its rank depends on values, its shape
does not, so that a step never waits to read a number from the device, and a profile measures the
cost of a real step.
"""

import torch
from torch import Tensor

# A singular value below this share of the largest is rounding error
NEGLIGIBLE = 1e-5


def wide(tensor: Tensor) -> Tensor:
    """Return the tensor in float32 at least."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def principal(matrix: Tensor, energy: float) -> Tensor:
    """Return the projection on the leading right singular vectors of a matrix (rows, columns).

    These are the leading ones whose squared singular values sum to less than `energy` of the total;
    the first is always included.
    """
    _, values, vectors = torch.linalg.svd(wide(matrix), full_matrices=False)
    return _leading(vectors.T, values.square(), energy)


def leading(covariance: Tensor, energy: float, power: int) -> Tensor:
    """Return the projection on the leading eigenvectors of a covariance (columns, columns).

    They are chosen as in `principal`, by the eigenvalues raised to `power`.
    """
    vectors, values, _ = torch.linalg.svd(wide(covariance))
    return _leading(vectors, values.pow(power), energy)


def _leading(vectors: Tensor, energies: Tensor, energy: float) -> Tensor:
    """Return the projection on the first columns, while their energies sum to less than a share."""
    shares = energies / energies.sum().clamp(min=1e-30)
    chosen = (shares.cumsum(dim=0) < energy).to(vectors)
    chosen = torch.cat([torch.ones_like(chosen[:1]), chosen[1:]])
    kept = vectors * chosen
    return kept @ kept.T


def grown(held: Tensor, residual: Tensor, total: Tensor, energy: float, power: int) -> Tensor:
    """Return a projection extended by the leading directions of the covariance outside of it.

    `residual` (columns, columns) is a covariance without its part in `held`, and `total` the sum of
    the singular values of the whole covariance to `power`. Directions are added, the largest first,
    until those inside hold `energy` of the total.
    """
    vectors, values, _ = torch.linalg.svd(wide(residual))
    shares = values.pow(power) / total.clamp(min=1e-30)
    inside = 1 - shares.sum()
    missing = inside + shares.cumsum(dim=0) - shares < energy
    real = values > NEGLIGIBLE * total.pow(1 / power)
    new = outside(vectors.T, held) * (missing & real).to(vectors)[:, None]
    return pure(held + new.T @ new)


def outside(rows: Tensor, held: Tensor) -> Tensor:
    """Return unit rows (N, columns) with their part in a projection taken out, of norm 1 again.

    The part is taken out twice, since rounding leaves some of it where the rest is small. Rows that
    lie within the projection become 0 or rounding error, and the caller must drop them.
    """
    for _ in range(2):
        rows = rows - rows @ held
        rows = rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-30)
    return rows - rows @ held


def pure(projection: Tensor) -> Tensor:
    """Return the projection nearest to P, which rounding has changed: 3 P^2 - 2 P^3.

    This is McWeeny's step (https://doi.org/10.1103/RevModPhys.32.335), which squares the error.
    """
    square = projection @ projection
    step = 3 * square - 2 * square @ projection
    return (step + step.T) / 2
