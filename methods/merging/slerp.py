"""Spherical interpolation, tensor by tensor: along the arc between two weights and not along the
chord, which shortens them (https://dl.acm.org/doi/10.1145/325165.325242; over time:
https://arxiv.org/abs/2412.06712).

    omega = angle(a, b)
    slerp(a, b, w) = sin((1 - w) omega) / sin(omega) a + sin(w omega) / sin(omega) b

It is a + w (b - a) where |cos omega| > 0.9995 or a or b is 0. More than two models are merged one
after the other, each with its share of the average so far; `weight`, `shares` and `initial` are
those of `interpolate`. The fold depends on the order.

Memory: five models beside theta_0 and theta_t; no FLOPs to speak of. The running form is that of
`interpolate`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from methods import Weights
from methods.foldings import Folding
from methods.merging._shares import average, averaging

# The cosine above which two tensors have no arc between them
PARALLEL = 0.9995


def merge(
    history: Sequence[Weights],
    *,
    weight: float | None = None,
    shares: str | None = None,
    initial: bool = False,
) -> Weights:
    """Return the average along arcs.

    Raises:
        ValueError: both `weight` and `shares`, a weight outside [0, 1], or unknown shares.
    """
    running = averaging(slerp, weight, shares, initial)
    if running is not None:
        return running.merge(history)
    assert shares is not None
    return average(slerp, history, shares, initial)


def folding(
    *, weight: float | None = None, shares: str | None = None, initial: bool = False
) -> Folding | None:
    """Return the running form, or None for reversed shares, which shrink with every task.

    Raises:
        ValueError: as `merge`.
    """
    return averaging(slerp, weight, shares, initial)


def slerp(one: Tensor, other: Tensor, share: float) -> Tensor:
    """Interpolate along the arc between two tensors of one shape; `other` has weight `share`."""
    a, b = one.flatten().double(), other.flatten().double()
    cosine = torch.dot(a, b) / (a.norm() * b.norm())
    # Also taken where the cosine is NaN, because one of the tensors is 0
    if not abs(cosine) <= PARALLEL:
        return torch.lerp(one, other, share)
    omega = torch.acos(cosine)
    arc = torch.sin((1 - share) * omega) * a + torch.sin(share * omega) * b
    return (arc / torch.sin(omega)).view_as(one).to(one.dtype)
