"""Rows or entries of parameters that a step of the optimizer must not change.

They are restored after it, so that decay and momentum do not change them either.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

# A parameter, and which of its rows, (rows,) bool, or of its entries, in its own shape
Rows = tuple[nn.Parameter, Tensor]


@contextmanager
def held(rows: Sequence[Rows]) -> Iterator[None]:
    """Restore the masked rows after the body of the `with`, which takes an optimizer step."""
    before = [(parameter, mask, parameter.detach().clone()) for parameter, mask in rows]
    yield
    with torch.no_grad():
        for parameter, mask, was in before:
            stays = mask if mask.shape == parameter.shape else rowwise(mask, parameter)
            parameter.copy_(torch.where(stays, was, parameter))


def rowwise(mask: Tensor, parameter: Tensor) -> Tensor:
    """Return a mask of rows reshaped to broadcast with the parameter."""
    return mask.view(-1, *[1] * (parameter.ndim - 1))
