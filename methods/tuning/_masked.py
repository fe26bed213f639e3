"""Rows of parameters that a step of the optimizer shall not change.

They are put back after it, so that decay and momentum do not move them either.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

# A parameter, and which of its rows, (rows,) bool
Rows = tuple[nn.Parameter, Tensor]


@contextmanager
def held(rows: Sequence[Rows]) -> Iterator[None]:
    """Put rows back that a step of the optimizer, the body of the `with`, has changed."""
    before = [(parameter, mask, parameter.detach().clone()) for parameter, mask in rows]
    yield
    with torch.no_grad():
        for parameter, mask, was in before:
            stays = mask.view(-1, *[1] * (parameter.ndim - 1))
            parameter.copy_(torch.where(stays, was, parameter))
