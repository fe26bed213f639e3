"""MagMax: for each weight, the change of the task that changed it most
(https://arxiv.org/abs/2407.06322).

    theta = theta_0 + scale tau_i,  i = argmax_i |tau_i| per entry; the first of equals

The paper trains the tasks one after the other and merges once, over `all`, with scale 0.5; the
default is that of FoMo-in-Flux.

Memory: four models beside theta_0 and theta_t; the running form is the largest moves. No FLOPs to
speak of.
"""

from functools import partial

import torch

from methods import Weights
from methods.foldings import Folding, Parts
from methods.merging._vectors import moved, plus


def folding(*, scale: float = 1.0) -> Folding:
    """Return the running form: theta_0 plus, per entry, the scaled largest change."""
    return Folding(take=_take, finish=partial(_finish, scale))


def _take(parts: Parts, initial: Weights, weights: Weights) -> Parts:
    largest = parts.setdefault("largest", {})
    for name, tensor in moved(initial, weights).items():
        held = largest.setdefault(name, tensor)
        largest[name] = torch.where(tensor.abs() > held.abs(), tensor, held)
    return parts


def _finish(scale: float, parts: Parts, initial: Weights) -> Weights:
    return plus(initial, parts["largest"], scale)
