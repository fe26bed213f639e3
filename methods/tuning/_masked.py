"""Rows or entries of parameters that a step of the optimizer shall not change.

They are put back after it, so that decay and momentum do not move them either.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

# A parameter, and which of its rows, (rows,) bool, or of its entries, in its own shape
Rows = tuple[nn.Parameter, Tensor]


@contextmanager
def held(rows: Sequence[Rows]) -> Iterator[None]:
    """Put rows back that a step of the optimizer, the body of the `with`, has changed."""
    before = [(parameter, mask, parameter.detach().clone()) for parameter, mask in rows]
    yield
    with torch.no_grad():
        for parameter, mask, was in before:
            stays = mask if mask.shape == parameter.shape else rowwise(mask, parameter)
            parameter.copy_(torch.where(stays, was, parameter))


def rowwise(mask: Tensor, parameter: Tensor) -> Tensor:
    """Return a mask of rows in a shape that goes with the parameter's."""
    return mask.view(-1, *[1] * (parameter.ndim - 1))
