"""Learnability: select pairs with a large loss under the model and a small one under the untouched
backbone.

(ACID, https://arxiv.org/abs/2411.18674; the score of https://arxiv.org/abs/2406.17711, equation 2.)

    score = loss(model) - loss(untouched backbone), of every image with every text, chosen jointly

Per step it draws batch / (1 - filter_ratio) candidates, each passed forward through both models:
with 0.8 about 4.3 times the FLOPs of plain training, recorded as the phase `score`. Memory: a
second copy of the model.
"""

from dataclasses import dataclass

from torch import Tensor

from methods import Selection


@dataclass
class Learnability(Selection):
    """The selection of pairs that the model has yet to learn and the backbone finds easy."""

    # The share of the candidates that is left out
    filter_ratio: float = 0.8
    # How many chunks a batch is chosen in
    chunks: int = 16
    # The bias of the sigmoid loss that scores pairs; SigLIP's initial value, as a CLIP has none
    bias: float = -10.0

    def scores(self, model: Tensor, reference: Tensor) -> Tensor:
        """Return scores (N, N) from the pairwise losses (N, N) of the model and the backbone."""
        return model - reference
