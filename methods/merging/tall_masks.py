"""Consensus merging with TALL masks: keep the entries of the summed task vectors that enough tasks
need (https://arxiv.org/abs/2405.07813).

    tau   = sum_i tau_i
    m_i   = |tau_i| >= tall |tau - tau_i|
    theta = theta_0 + scale tau where sum_i m_i >= tasks, else theta_0

`tall` is lambda of the paper, 0.4 in FoMo-in-Flux, whose `tasks` is 1: entries that no task needs
are left out. In the paper it is 2: entries that only one task needs are left out, too. Over
`running`, where r_0 = theta_0 needs nothing, 2 would never leave theta_0.

Memory: all task vectors of one tensor at a time, up to a GiB, else one of them; the result beside
theta_0 and theta_t. FLOPs: negligible. It has no running form: what a task needs depends on the sum
of all.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from methods import Weights
from methods.merging._vectors import TensorVectors, added, by_tensor


def merge(
    history: Sequence[Weights], *, tall: float = 0.4, tasks: int = 1, scale: float = 1.0
) -> Weights:
    """Return theta_0 plus the scaled sum where enough tasks need it.

    Raises:
        ValueError: `tall` below 0 or `tasks` below 1.
    """
    if tall < 0 or tasks < 1:
        raise ValueError(
            "tall is a threshold of at least 0 and tasks a number of at least 1, "
            f"not {tall} and {tasks}"
        )
    return by_tensor(history, partial(_agreed, tall, tasks, scale))


def _agreed(tall: float, tasks: int, scale: float, name: str, vectors: TensorVectors) -> Tensor:
    """Return the scaled sum where enough tasks need it, else 0."""
    summed = added(vectors)
    needed = torch.zeros_like(summed, dtype=torch.int16)
    for tensor in vectors:
        needed += tensor.abs() >= tall * (summed - tensor).abs()
    return scale * (summed * (needed >= tasks))
