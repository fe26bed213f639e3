"""Learnability: pairs that the model has not learned and the untouched backbone finds easy.

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
    """The pairs that the model could still learn and the untouched backbone can tell apart."""

    # Of the candidates, the share that is left out
    filter_ratio: float = 0.8
    # In which a batch is chosen
    chunks: int = 16
    # Of the sigmoid loss that scores; SigLIP's at the start, since a CLIP has none
    bias: float = -10.0

    def scores(self, model: Tensor, reference: Tensor) -> Tensor:
        """Return (N, N) from the pairwise losses (N, N) of the model and the untouched backbone."""
        return model - reference
