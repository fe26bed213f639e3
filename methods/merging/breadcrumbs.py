"""Model Breadcrumbs: of each task vector leave out the largest entries, as outliers, and the
smallest, as noise (https://arxiv.org/abs/2312.06795).

    tau_i' = tau_i, but 0 among the `top` largest and the `bottom` smallest share of its tensor
    theta  = theta_0 + scale sum_i tau_i'                            with `elect` false
    theta  = theta_0 + scale mean of the tau_i' that agree in sign   with `elect` true

The first is the paper's, the second has the election of signs of TIES, as in FoMo-in-Flux and TIME
(https://arxiv.org/abs/2412.06712). Shares are per tensor, as the paper's are per layer, and rounded
down: a scalar is always kept. The defaults are FoMo-in-Flux's.

Memory: six models beside theta_0 and theta_t, with the running form: the sum, and with an election
also the sum and the count of either sign. FLOPs: negligible; each model is read once.
"""

from functools import partial

from methods import Weights
from methods.foldings import Folding, Parts
from methods.merging._vectors import (
    Vector,
    add,
    elected,
    fraction,
    moved,
    plus,
    smallest,
    take_signs,
)


def folding(
    *,
    top: float = 0.01,
    bottom: float = 0.7,
    elect: bool = True,
    scale: float = 1.0,
) -> Folding:
    """Return the running form: theta_0 plus the remaining entries of the task vectors.

    Raises:
        ValueError: shares outside [0, 1], or that leave nothing.
    """
    fraction("top", top)
    fraction("bottom", bottom)
    fraction("top + bottom", top + bottom, most=0.999)
    take = partial(_take, top, bottom, elect)
    return Folding(take=take, finish=partial(_finish, elect, scale))


def _take(
    top: float, bottom: float, elect: bool, parts: Parts, initial: Weights, weights: Weights
) -> Parts:
    vector = masked(moved(initial, weights), top, bottom)
    if elect:
        return take_signs(parts, vector)
    add(parts, "sum", vector)
    return parts


def _finish(elect: bool, scale: float, parts: Parts, initial: Weights) -> Weights:
    return plus(initial, elected(parts) if elect else parts["sum"], scale)


def masked(vector: Vector, top: float, bottom: float) -> Vector:
    """Return a task vector with both ends of each tensor set to 0, in place."""
    for tensor in vector.values():
        size, sizes = tensor.numel(), tensor.abs()
        if size:
            ranks = int(bottom * size), size - 1 - int(top * size)
            low, high = smallest(sizes.flatten().clone(), *ranks)
            tensor.masked_fill_((sizes < low) | (sizes > high), 0)
    return vector
