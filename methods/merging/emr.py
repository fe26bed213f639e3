"""EMR: elect a sign for each entry, take the largest move of that sign, and rescale
(https://arxiv.org/abs/2405.17461).

    sign  = sgn(sum_i tau_i)
    tau   = sign max_i |tau_i| over the tau_i of that sign
    M_i   = whether tau_i has that sign, entry by entry
    theta = theta_0 + scale lambda tau where sum_i M_i >= tasks, else theta_0
    lambda = sum_i |tau_i| / sum_i |M_i tau|        sums over all entries of the model

The paper deploys a model per task, theta_0 + lambda_i M_i tau, and so needs to know the task. This
is its rule for one deployed model: one lambda for all tasks, so that the masked task vectors are on
average as large as the learned ones, and one mask, of the entries whose sign at least `tasks` tasks
share. `rescale` false leaves lambda out: the paper's unified model. Its code takes the mean of each
tensor first and adds these up; here every entry counts the same, as in its formula.

Memory: eight models beside theta_0 and theta_t. The running form is the sum, of either sign the
largest move and the count, and the sum of the sizes. No FLOPs to speak of.
"""

from functools import partial

import torch
from torch import Tensor

from methods import Weights
from methods.foldings import Folding, Parts
from methods.merging._vectors import Vector, add, moved, of_sign, plus

# The tensors kept for either sign, with their dtypes; None: that of the task vectors
KEPT = {"highest": None, "lowest": None, "positives": torch.int16, "negatives": torch.int16}


def folding(*, tasks: int = 1, rescale: bool = True, scale: float = 1.0) -> Folding:
    """Return the running form: theta_0 plus the elected and rescaled task vector.

    Raises:
        ValueError: `tasks` below 1.
    """
    if tasks < 1:
        raise ValueError(f"tasks is how many tasks must agree, at least 1, not {tasks}")
    return Folding(take=_take, finish=partial(_finish, tasks, rescale, scale))


def _take(parts: Parts, initial: Weights, weights: Weights) -> Parts:
    vector = moved(initial, weights)
    sizes = {name: tensor.double().abs().sum() for name, tensor in vector.items()}
    for part, dtype in KEPT.items():
        # Before the first task nothing has moved to either side
        if part not in parts:
            parts[part] = {n: torch.zeros_like(t, dtype=dtype) for n, t in vector.items()}
    for name, tensor in vector.items():
        parts["highest"][name] = torch.maximum(parts["highest"][name], tensor)
        parts["lowest"][name] = torch.minimum(parts["lowest"][name], tensor)
        parts["positives"][name] += tensor > 0
        parts["negatives"][name] += tensor < 0
    add(parts, "size", sizes)
    add(parts, "sum", vector)
    return parts


def _finish(tasks: int, rescale: bool, scale: float, parts: Parts, initial: Weights) -> Weights:
    unified: Vector = {}
    learned, masked = [], []
    # Summed in the order of the model, not of a file: rounding depends on the order
    for name in initial:
        summed = parts["sum"][name]
        largest = of_sign(summed, parts["highest"][name], parts["lowest"][name])
        agreeing = of_sign(summed, parts["positives"][name], parts["negatives"][name])
        learned.append(parts["size"][name])
        masked.append((agreeing * largest.double().abs()).sum())
        unified[name] = largest * (agreeing >= tasks)
    if rescale:
        factor = ratio(torch.stack(learned).sum(), torch.stack(masked).sum())
        unified = {name: (factor * tensor).to(tensor.dtype) for name, tensor in unified.items()}
    return plus(initial, unified, scale)


def ratio(learned: Tensor, masked: Tensor) -> Tensor:
    """Return lambda; 1 where nothing has moved."""
    return torch.where(masked > 0, learned / masked, torch.ones_like(learned))
