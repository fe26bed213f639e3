"""An ensemble along the line between two weights, which costs a training only once (Continual
Learning Beyond a Single Model, https://arxiv.org/abs/2202.09826; subspaces of networks,
https://arxiv.org/abs/2102.10472).

    theta(a) = (1 - a) first + a last,  a = 0, 1/(n-1) .. 1 for n `points`
    logits(x, y) = mean over a of s_a <f_a(x), g_a(y)>

The two are the first and the last member: theta_0 and theta_t for `ends`. A point between distant
weights may be a bad model, as they need not lie in one basin of the loss. Cost: that of `points`
models, for each image and text. Memory: one model at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from methods.ensembles.mean import Mean
from methods.histories import Weights


@dataclass
class Line(Mean):
    """The rule that averages the logits of models at even steps between two weights."""

    # How many models, both ends among them
    points: int = 3

    def __post_init__(self) -> None:
        if self.points < 2:
            raise ValueError(f"line takes 2 points or more, both ends among them, not {self}")

    def weights(self, members: Sequence[Weights]) -> Sequence[Weights]:
        """Return the models at even steps from the first member to the last."""
        first, last = members[0], members[-1]
        return [between(first, last, i / (self.points - 1)) for i in range(self.points)]


def between(first: Weights, last: Weights, share: float) -> Weights:
    """Interpolate between two weights, `share` from 0 (first) to 1 (last).

    Tensors that are not floating point are those of the last.
    """
    weights = {}
    for name, end in last.items():
        moves = end.is_floating_point()
        weights[name] = torch.lerp(first[name].to(end.dtype), end, share) if moves else end
    return weights
