"""Model Stock: the mean of fine-tuned weights, pulled towards theta_0 by how far apart they lie
(https://arxiv.org/abs/2403.19522).

    cos   = mean over pairs of the cosine of the angle between tau_i and tau_j, tensor by tensor
    ratio = n cos / (1 + (n - 1) cos)
    theta = theta_0 + ratio mean_i tau_i

n is the number of combined models, as in the paper (two in FoMo-in-Flux). Two departures, each
because the formula has no value there: a tensor that did not change has no angle, so it is not
counted (else r_1 would be theta_0, and so would every later r_t), and a single model is kept as it
is; a negative cosine, whose ratio diverges, counts as 0.

Memory: six models beside theta_0 and theta_t. The running form is the sum of the task vectors, that
of their directions, and their number: the mean cosine is (|sum of directions|^2 - n) / (n (n - 1)),
so no pair is ever held. No FLOPs to speak of.
"""

import torch
from torch import Tensor

from methods import Weights
from methods.foldings import Folding, Parts
from methods.merging._vectors import add, moved


def folding() -> Folding:
    """Return the running form: theta_0 plus the shortened mean task vector."""
    return Folding(take=_take, finish=_finish)


def _take(parts: Parts, initial: Weights, weights: Weights) -> Parts:
    counts = parts.setdefault("count", {})
    for name, tensor in moved(initial, weights).items():
        length = tensor.double().norm()
        if not length:
            continue
        direction = tensor / length.to(tensor.dtype)
        add(parts, "direction", {name: direction})
        add(parts, "sum", {name: tensor})
        counts[name] = counts.get(name, torch.tensor(0)) + 1
    return parts


def _finish(parts: Parts, initial: Weights) -> Weights:
    counts = parts.get("count", {})
    merged = {}
    for name, tensor in initial.items():
        if name in counts:
            count = int(counts[name])
            share = ratio(parts["direction"][name], count)
            merged[name] = tensor + share * parts["sum"][name] / count
        else:
            merged[name] = tensor.clone()
    return merged


def ratio(directions: Tensor, count: int) -> float:
    """Return the ratio by which the mean is shortened, from the sum of `count` unit vectors."""
    if count == 1:
        return 1.0
    cosine = (float(directions.double().square().sum()) - count) / (count * (count - 1))
    return count * max(cosine, 0.0) / (1 + (count - 1) * max(cosine, 0.0))
