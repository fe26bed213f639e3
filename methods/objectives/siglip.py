"""SigLIP's pairwise sigmoid loss (https://arxiv.org/abs/2303.15343).

Every combination of an image and a text of a batch is a binary classification: partners or not.

    L = -1/B sum_ij log sigmoid(z_ij (exp(logit_scale) x_i . y_j + b))
    z_ij = 1 where i = j, else -1

b is the model's `logit_bias`, learned where it moves. A CLIP pretrained with the softmax has none,
and parameters are not added to a plain CLIP: there `bias` stands for it, a constant, by default
what the paper starts learning at. Memory and FLOPs: those of the contrastive loss, with one matrix
of logits instead of two.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods import Objective
from methods.compute.towers import Towers
from methods.objectives._embeddings import embeddings, logits, wide
from methods.objectives._temperature import Temperature
from streams import Batch


@dataclass
class Siglip(Objective):
    """A whole objective, the sigmoid loss; `learn_temperature` is as in `contrastive`."""

    learn_temperature: bool = True
    # Used where the model has no logit_bias
    bias: float = -10.0
    uses_bias: ClassVar[bool] = True
    _temperature: Temperature = field(default_factory=Temperature, init=False, repr=False)

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the mean over images of the summed loss against all texts of the batch."""
        images, texts = embeddings(model, batch, towers)
        scores = logits(images, texts, self._temperature.of(model, self.learn_temperature))
        own: Tensor | None = getattr(model, "logit_bias", None)
        with torch.autocast(scores.device.type, enabled=False):
            bias = self.bias if own is None else wide(own)
            signs = 2 * torch.eye(len(scores), device=scores.device, dtype=scores.dtype) - 1
            judged = functional.logsigmoid(signs * (scores + bias))
            return -judged.sum() / len(scores)

    @contextmanager
    def stepping(self, model: nn.Module, loss_scale: float | Tensor) -> Iterator[None]:
        """Clamp the temperature after the optimizer's step."""
        yield
        self._temperature.clamp(model)
