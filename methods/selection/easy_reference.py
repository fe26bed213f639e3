"""Easy reference: pairs that the untouched backbone finds easy.

An implicit distillation from it (ACID, https://arxiv.org/abs/2411.18674, section 3.2).

    score = -loss(untouched backbone), of every image with every text, chosen jointly

Per step it draws batch / (1 - filter_ratio) candidates, which the untouched backbone alone passes
forward: with 0.8 about 2.7 times the FLOPs of plain training, recorded as the phase `score`.
Memory: a second copy of the model.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from methods import Selection


@dataclass
class EasyReference(Selection):
    """The pairs that keep the model near the untouched backbone."""

    # Of the candidates, the share that is left out
    filter_ratio: float = 0.8
    # In which a batch is chosen
    chunks: int = 16
    # Of the sigmoid loss that scores; SigLIP's at the start, since a CLIP has none
    bias: float = -10.0
    asks_model: ClassVar[bool] = False

    def scores(self, model: Tensor, reference: Tensor) -> Tensor:
        """Return (N, N) from the pairwise losses (N, N) of the untouched backbone."""
        return -reference
