"""Model Stock: the mean of fine-tuned weights, pulled towards theta_0 by how far apart they lie
(https://arxiv.org/abs/2403.19522).

    cos   = mean over pairs of the cosine of the angle between tau_i and tau_j, tensor by tensor
    ratio = n cos / (1 + (n - 1) cos)
    theta = theta_0 + ratio mean_i tau_i

n is the number of what is combined, as in the paper (two in FoMo-in-Flux). Two departures, each
because the formula has no value there: a tensor that did not move has no angle, so it is not
counted (else r_1 would be theta_0, and so would every later r_t), and a single one is kept as it
is; a negative cosine, whose ratio runs away to infinity, counts as 0.

Memory: six models beside theta_0 and theta_t, the sum of the task vectors and that of their
directions among them: the mean cosine is (|sum of directions|^2 - n) / (n (n - 1)), so no pair is
ever held. No FLOPs to speak of.
"""

from collections.abc import Sequence

from torch import Tensor

from methods import Weights
from methods.merging._vectors import Vector, task_vectors


def merge(history: Sequence[Weights]) -> Weights:
    """Return theta_0 with the shortened mean added."""
    sums: Vector = {}
    directions: Vector = {}
    counts: dict[str, int] = {}
    for vector in task_vectors(history):
        for name, tensor in vector.items():
            length = tensor.double().norm()
            if not length:
                continue
            direction = tensor / length.to(tensor.dtype)
            if name in counts:
                directions[name].add_(direction)
                sums[name].add_(tensor)
            else:
                directions[name], sums[name] = direction, tensor
            counts[name] = counts.get(name, 0) + 1
    merged = {}
    for name, tensor in history[0].items():
        if name in counts:
            share = ratio(directions[name], counts[name])
            merged[name] = tensor + share * sums[name] / counts[name]
        else:
            merged[name] = tensor.clone()
    return merged


def ratio(directions: Tensor, count: int) -> float:
    """Return how much of the mean stays, for the sum of `count` unit vectors."""
    if count == 1:
        return 1.0
    cosine = (float(directions.double().square().sum()) - count) / (count * (count - 1))
    return count * max(cosine, 0.0) / (1 + (count - 1) * max(cosine, 0.0))
