"""Rows of parameters that a step of the optimizer shall not change: they are put back after it, so that decay and momentum do
not move them either."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Rows = tuple[nn.Parameter, Tensor]  # and which of its rows, (rows,) bool


@contextmanager
def held(rows: Sequence[Rows]) -> Iterator[None]:
    """Around a step of the optimizer."""
    before = [(parameter, mask, parameter.detach().clone()) for parameter, mask in rows]
    yield
    with torch.no_grad():
        for parameter, mask, was in before:
            parameter.copy_(torch.where(mask.view(-1, *[1] * (parameter.ndim - 1)), was, parameter))
