"""CLIP's symmetric contrastive loss: each image names its text among the batch's texts, and each text its image
(https://arxiv.org/abs/2103.00020).

    L = (cross-entropy of rows + cross-entropy of columns) / 2 of exp(logit_scale) * image . text, both of unit norm

Nothing is remembered between tasks. Memory: two B x B matrices of logits.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import Tensor, nn

from methods import Objective
from methods.compute.towers import Towers
from methods.objectives._embeddings import embeddings, symmetric_loss
from methods.objectives._temperature import Temperature
from streams import Batch


@dataclass
class Contrastive(Objective):
    """The loss of plain fine-tuning; `learn_temperature` false: logit_scale stays what it is, even under a full tuning."""

    learn_temperature: bool = True
    _temperature: Temperature = field(default_factory=Temperature, init=False, repr=False)

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Mean over the batch's pairs."""
        scale = self._temperature.of(model, self.learn_temperature)
        return clip_loss(model, batch, scale, towers)

    def end(self, model: nn.Module, batches: Iterator[Batch], towers: Towers) -> None:
        """Only the last step is left to clamp."""
        self._temperature.clamp(model)


def clip_loss(model: nn.Module, batch: Batch, logit_scale: Tensor, towers: Towers) -> Tensor:
    """The loss above, () float32."""
    return symmetric_loss(*embeddings(model, batch, towers), logit_scale)
