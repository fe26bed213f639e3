"""MagMax: of each weight, the largest move that any task made (https://arxiv.org/abs/2407.06322).

    theta = theta_0 + scale tau_i,  i = argmax_i |tau_i| per entry; the first of equals

The paper trains the tasks one after the other and merges once, over `all`, with scale 0.5; the
default is that of FoMo-in-Flux.

Memory: four models beside theta_0 and theta_t; no FLOPs to speak of.
"""

from collections.abc import Sequence

import torch

from methods import Weights
from methods.merging._vectors import Vector, plus, task_vectors


def merge(history: Sequence[Weights], *, scale: float = 1.0) -> Weights:
    """Return theta_0 with the scaled largest moves added."""
    largest: Vector = {}
    for vector in task_vectors(history):
        for name, tensor in vector.items():
            held = largest.setdefault(name, tensor)
            largest[name] = torch.where(tensor.abs() > held.abs(), tensor, held)
    return plus(history[0], largest, scale)
