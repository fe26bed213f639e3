"""Easy reference: select pairs on which the untouched backbone has a small loss.

This is an implicit distillation from it (ACID, https://arxiv.org/abs/2411.18674, section 3.2).

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
    """The selection of pairs with a small loss under the untouched backbone."""

    # The share of the candidates that is left out
    filter_ratio: float = 0.8
    # How many chunks a batch is chosen in
    chunks: int = 16
    # The bias of the sigmoid loss that scores pairs; SigLIP's initial value, as a CLIP has none
    bias: float = -10.0
    asks_model: ClassVar[bool] = False

    def scores(self, model: Tensor, reference: Tensor) -> Tensor:
        """Return scores (N, N) from the pairwise losses (N, N) of the untouched backbone."""
        return -reference
