"""CLIP's symmetric contrastive loss (https://arxiv.org/abs/2103.00020).

    L = (cross-entropy of rows + cross-entropy of columns) / 2
        of exp(logit_scale) * image . text, both of unit norm

Each image is matched to its text among the batch's texts, and each text to its image. Nothing is
remembered between tasks. Memory: two B x B matrices of logits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import Tensor, nn

from methods import Objective
from methods.compute.towers import Towers
from methods.objectives._embeddings import embeddings, symmetric_loss
from methods.objectives._temperature import Temperature
from streams import Batch


@dataclass
class Contrastive(Objective):
    """The loss of plain fine-tuning.

    Where `learn_temperature` is false, logit_scale stays what it is, even under a full tuning.
    """

    learn_temperature: bool = True
    _temperature: Temperature = field(default_factory=Temperature, init=False, repr=False)

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the mean over the batch's pairs."""
        scale = self._temperature.of(model, self.learn_temperature)
        return clip_loss(model, batch, scale, towers)

    @contextmanager
    def stepping(self, model: nn.Module, loss_scale: float | Tensor) -> Iterator[None]:
        """Clamp the temperature after the optimizer's step."""
        yield
        self._temperature.clamp(model)


def clip_loss(model: nn.Module, batch: Batch, logit_scale: Tensor, towers: Towers) -> Tensor:
    """Return the loss above at a given temperature, () float32."""
    return symmetric_loss(*embeddings(model, batch, towers), logit_scale)
