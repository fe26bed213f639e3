"""Model Breadcrumbs: of each task vector leave out the largest entries, as outliers, and the
smallest, as noise (https://arxiv.org/abs/2312.06795).

    tau_i' = tau_i, but 0 among the `top` largest and the `bottom` smallest share of its tensor
    theta  = theta_0 + scale sum_i tau_i'                            with `elect` false
    theta  = theta_0 + scale mean of the tau_i' that agree in sign   with `elect` true

The first is the paper's, the second has the election of signs of TIES, as in FoMo-in-Flux and TIME
(https://arxiv.org/abs/2412.06712). Shares are per tensor, as the paper's are per layer, and rounded
down: a scalar is always kept. The defaults are FoMo-in-Flux's.

Memory: six models beside theta_0 and theta_t. No FLOPs to speak of; with an election the history is
read twice.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from methods import Weights
from methods.merging._vectors import Vector, elected, fraction, plus, smallest, task_vectors, total


def merge(
    history: Sequence[Weights],
    *,
    top: float = 0.01,
    bottom: float = 0.7,
    elect: bool = True,
    scale: float = 1.0,
) -> Weights:
    """Return theta_0 with what is left of the task vectors added.

    Raises:
        ValueError: shares outside [0, 1], or that leave nothing.
    """
    fraction("top", top)
    fraction("bottom", bottom)
    fraction("top + bottom", top + bottom, most=0.999)
    walked = partial(masked, history, top, bottom)
    return plus(history[0], elected(walked) if elect else total(walked()), scale)


def masked(history: Sequence[Weights], top: float, bottom: float) -> Iterator[Vector]:
    """Yield the task vectors with both ends of each tensor at 0."""
    for vector in task_vectors(history):
        for tensor in vector.values():
            size, sizes = tensor.numel(), tensor.abs()
            if size:
                ranks = int(bottom * size), size - 1 - int(top * size)
                low, high = smallest(sizes.flatten().clone(), *ranks)
                tensor.masked_fill_((sizes < low) | (sizes > high), 0)
        yield vector
