"""LIxP, contrastive pretraining that is aware of context (https://arxiv.org/abs/2411.15099).

A second term classifies an image by a mixture of the other images of its batch.

    x_ctx = softmax(x M_K' / (tau sqrt(d))) M_V
    M_K the batch's images of unit norm, M_V not yet; x itself is left out
    L = alpha L_c(x, y) + (1 - alpha) L_c(x_ctx / |x_ctx|, y),   L_c the contrastive loss

The embeddings then suit few-shot adapters that need no training. The paper learns three
temperatures; a plain CLIP has one, which serves both losses, and gets no new parameters:
`context_scale`, 1 / (tau sqrt(d)), is a constant. Memory: a third B x B matrix. FLOPs: those of the
contrastive loss and 4 B^2 d.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods import Objective
from methods.compute.towers import Towers
from methods.objectives._embeddings import symmetric_loss, unit, wide
from methods.objectives._temperature import Temperature
from streams import Batch


@dataclass
class Lixp(Objective):
    """A whole objective, used in place of `contrastive`; `learn_temperature` is as there."""

    alpha: float = 0.9
    # The factor of the cosine of two images in the softmax
    context_scale: float = 10.0
    learn_temperature: bool = True
    _temperature: Temperature = field(default_factory=Temperature, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1 or not self.context_scale > 0:
            raise ValueError(f"lixp takes alpha in [0, 1] and context_scale > 0, not {self}")

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the mean over the batch's pairs.

        Raises:
            ValueError: a batch of one pair, which has no context.
        """
        if len(batch.texts) < 2:
            raise ValueError(
                "lixp sees an image in the context of others, and this batch has one pair; use "
                "batch_pairs >= 2"
            )
        image_features, text_features = towers.features(model, batch)
        images, texts, values = unit(image_features), unit(text_features), wide(image_features)
        scale = self._temperature.of(model, self.learn_temperature)
        with torch.autocast(images.device.type, enabled=False):
            near = self.context_scale * images @ images.T
            itself = torch.eye(len(images), dtype=torch.bool, device=images.device)
            near = near.masked_fill(itself, -torch.inf)
            context = functional.normalize(near.softmax(dim=1) @ values, dim=-1)
        plain = symmetric_loss(images, texts, scale)
        return self.alpha * plain + (1 - self.alpha) * symmetric_loss(context, texts, scale)

    @contextmanager
    def stepping(self, model: nn.Module, loss_scale: float | Tensor) -> Iterator[None]:
        """Clamp the temperature after the optimizer's step."""
        yield
        self._temperature.clamp(model)
