"""WUDI: change the sum of the task vectors until it does not disturb any task's own directions
(https://arxiv.org/abs/2503.08099).

    loss(tau) = sum_i |(tau - tau_i) tau_i^T|^2 / |tau_i|^2     of a matrix
    theta     = theta_0 + scale tau     after `steps` steps of Adam from tau = sum_i tau_i

A linear map's task vector spans the inputs that the task saw, so a small loss means that on these
inputs the merged map gives the outputs of the task's own. The published values are 300 steps of
1e-5. Tensors that are no matrices are averaged, and so are the token embedding and the text
projection, as in `iso_c`.

The gradient is 2 (tau G - H) with G = sum_i tau_i^T tau_i / |tau_i|^2 and H = sum_i tau_i tau_i^T
tau_i / |tau_i|^2, so it follows from sums over tasks, and only these are kept. A tensor that a task
did not change has no direction to disturb, and is not counted.

Memory: the running form is the sum, G and H: about three models, and a square of the columns for
each matrix. FLOPs: two products per matrix and task, and one per matrix and step.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from methods import Weights
from methods.foldings import Folding, Parts
from methods.merging._matrices import is_matrix
from methods.merging._vectors import add, counted, moved, seen

# Adam's constants, as published: the decay of either average, and what is added to a root
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


def folding(*, steps: int = 300, lr: float = 1e-5, scale: float = 1.0) -> Folding:
    """Return the running form: theta_0 plus the scaled minimum of the loss.

    Raises:
        ValueError: fewer than 0 steps, or a learning rate below 0.
    """
    if steps < 0 or lr < 0:
        raise ValueError(f"wudi takes steps >= 0 and lr >= 0, not {steps} and {lr}")
    return Folding(take=_take, finish=partial(_finish, steps, lr, scale))


def _take(parts: Parts, initial: Weights, weights: Weights) -> Parts:
    counted(parts)
    vector = moved(initial, weights)
    for name, tensor in vector.items():
        if is_matrix(name, tensor):
            square = tensor.square().sum()
            share = torch.where(square > 0, 1 / square, torch.zeros_like(square))
            gram = share * (tensor.T @ tensor)
            add(parts, "target", {name: tensor @ gram})
            add(parts, "gram", {name: gram})
    add(parts, "sum", vector)
    return parts


def _finish(steps: int, lr: float, scale: float, parts: Parts, initial: Weights) -> Weights:
    merged = {}
    for name, start in initial.items():
        summed = parts["sum"][name]
        if is_matrix(name, start):
            gram, target = parts["gram"][name], parts["target"][name]
            merged[name] = start + scale * descended(summed, gram, target, steps, lr)
        else:
            merged[name] = start + scale * summed / seen(parts)
    return merged


@torch.library.custom_op("weir::descended", mutates_args=())
def descended(start: Tensor, gram: Tensor, target: Tensor, steps: int, lr: float) -> Tensor:
    """Run Adam from `start` on the loss with gradient 2 (x gram - target), and return the result.

    It is registered as an operation of torch, so that a profile of tensors without contents skips
    its steps.
    """
    place = start.clone()
    first, second = torch.zeros_like(place), torch.zeros_like(place)
    for step in range(1, steps + 1):
        gradient = 2 * (place @ gram - target)
        first.lerp_(gradient, 1 - BETA_1)
        second.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
        root = (second / (1 - BETA_2**step)).sqrt_().add_(EPSILON)
        place.addcdiv_(first, root, value=-lr / (1 - BETA_1**step))
    return place


@descended.register_fake
def _(start: Tensor, gram: Tensor, target: Tensor, steps: int, lr: float) -> Tensor:
    """Return a tensor without contents of the shape of `start`."""
    return torch.empty_like(start)


@register_flop_formula(torch.ops.weir.descended)
def _flops(
    start: torch.Size, gram: torch.Size, target: torch.Size, steps: int, *_: Any, **__: Any
) -> int:
    """Return the FLOPs of the steps, each one product of (m, n) and (n, n)."""
    rows, columns = start
    return steps * 2 * rows * columns * columns
