"""OPCM: merge task after task, each projected away from what is merged already, in constant memory
(https://arxiv.org/abs/2501.09522).

    m_1 = tau_1,  l_1 = 1
    of a matrix, with m_(t-1) = U diag(s) V^T and k the first place where sum_(i <= k) s_i
    is above `alpha` sum s:
        P(tau_t) = tau_t - U D V^T,  D = U^T tau_t V where both indices are below k or equal, else 0
    of all else P(tau_t) = tau_t
    m_t = (l_(t-1) m_(t-1) + P(tau_t)) / l_t,  l_t so that |m_t| = mean_(i <= t) |tau_i|
    theta = theta_0 + m_t

Norms are over all weights. `alpha` is 0.5. The paper's formula keeps only what lies beyond k on
both sides; the authors' code, which is followed here, also keeps what lies beyond k on either.
Their image encoder has query, key and value as three matrices, so open_clip's fused one is split.
As in their code, embeddings (of patches too) and the text projection are added unprojected. The
order of tasks matters.

Memory: four models beside theta_0 and theta_t; the running form is m_t and two numbers. FLOPs: a
decomposition per matrix (the phase `merge_svd` of a profile), however many the tasks.
"""

from functools import partial

import torch
from torch import Tensor

from methods import Weights
from methods.foldings import Folding, Parts
from methods.merging._matrices import decomposed, is_matrix
from methods.merging._vectors import Vector, counted, fraction, moved, plus

# The part of a name that marks a fused matrix: query, key and value stacked by rows
FUSED = "in_proj"


def folding(*, alpha: float = 0.5) -> Folding:
    """Return the running form: theta_0 plus the projected sum, rescaled to the mean length.

    Raises:
        ValueError: an `alpha` outside [0, 1].
    """
    fraction("alpha", alpha)
    return Folding(take=partial(_take, alpha), finish=_finish)


def _take(alpha: float, parts: Parts, initial: Weights, weights: Weights) -> Parts:
    vector, tasks = moved(initial, weights), counted(parts)
    numbers = parts.setdefault("number", {})
    # The lengths of all task vectors, added up, and what m_t was divided by
    lengths = numbers.get("lengths", torch.zeros((), dtype=torch.float64)) + length(vector)
    numbers["lengths"] = lengths
    if "merged" not in parts:
        numbers["divisor"] = torch.ones((), dtype=torch.float64)
        parts["merged"] = vector
        return parts
    summed = _summed(alpha, numbers["divisor"], parts["merged"], vector)
    wanted, reached = lengths / tasks, length(summed)
    # Where nothing has moved, there is nothing to be scaled
    moves = (wanted > 0) & (reached > 0)
    divisor = torch.where(moves, reached / wanted, torch.ones_like(reached))
    numbers["divisor"] = divisor
    parts["merged"] = {name: (t / divisor).to(t.dtype) for name, t in summed.items()}
    return parts


def _summed(alpha: float, divisor: Tensor, merged: Vector, vector: Vector) -> Vector:
    """Return l_(t-1) m_(t-1) + P(tau_t), in new memory."""
    summed = {}
    # Summed in the order of the model, not of a file: rounding depends on the order
    for name, learned in vector.items():
        before = merged[name]
        if is_linear(name, before):
            # The three matrices that open_clip fuses are projected one by one
            count = 3 if FUSED in name else 1
            pairs = zip(before.chunk(count), learned.chunk(count), strict=True)
            learned = torch.cat([projected(one, other, alpha) for one, other in pairs])
        summed[name] = (divisor * before).to(before.dtype) + learned
    return summed


def is_linear(name: str, tensor: Tensor) -> bool:
    """Return whether a tensor is a linear map and is projected; embeddings of positions are not."""
    return is_matrix(name, tensor) and "embedding" not in name


def projected(merged: Tensor, learned: Tensor, alpha: float) -> Tensor:
    """Return a task's change of a matrix, without its part in the directions merged so far."""
    u, s, vt = decomposed(merged)
    inside = (s.cumsum(0) <= alpha * s.sum()).to(s.dtype)
    # An entry is cleared where both of its directions are inside, and on the diagonal
    cleared = torch.maximum(torch.outer(inside, inside), torch.eye(len(s), dtype=s.dtype))
    return learned - u @ (cleared * (u.T @ learned @ vt.T)) @ vt


def length(vector: Vector) -> Tensor:
    """Return the Euclidean length of all weights together, as a float64 scalar."""
    squares = [tensor.double().square().sum() for tensor in vector.values()]
    return torch.stack(squares).sum().sqrt()


def _finish(parts: Parts, initial: Weights) -> Weights:
    return plus(initial, parts["merged"], 1.0)
