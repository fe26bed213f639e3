"""Consensus merging with TALL masks: of the summed task vectors, the entries that enough tasks need
(https://arxiv.org/abs/2405.07813).

    tau   = sum_i tau_i
    m_i   = |tau_i| >= tall |tau - tau_i|
    theta = theta_0 + scale tau where sum_i m_i >= tasks, else theta_0

`tall` is lambda of the paper, 0.4 in FoMo-in-Flux, whose `tasks` is 1: what no task needs is left
out. The paper leaves out what only one task needs, too: 2. Over `running`, where r_0 = theta_0
needs nothing, 2 would never leave theta_0.

Memory: five models beside theta_0 and theta_t. No FLOPs to speak of; the history is read twice.
"""

from collections.abc import Sequence

import torch

from methods import Weights
from methods.merging._vectors import plus, task_vectors, total


def merge(
    history: Sequence[Weights], *, tall: float = 0.4, tasks: int = 1, scale: float = 1.0
) -> Weights:
    """Return theta_0 with the scaled sum added where there is a consensus.

    Raises:
        ValueError: `tall` below 0 or `tasks` below 1.
    """
    if tall < 0 or tasks < 1:
        raise ValueError(
            "tall is a threshold of at least 0 and tasks a number of at least 1, "
            f"not {tall} and {tasks}"
        )
    summed = total(task_vectors(history))
    needed = {name: torch.zeros_like(tensor, dtype=torch.int16) for name, tensor in summed.items()}
    for vector in task_vectors(history):
        for name, tensor in vector.items():
            needed[name] += tensor.abs() >= tall * (summed[name] - tensor).abs()
    agreed = {name: tensor * (needed[name] >= tasks) for name, tensor in summed.items()}
    return plus(history[0], agreed, scale)
