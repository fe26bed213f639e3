"""LIxP, contrastive pretraining that is aware of context: an image must also be told from what the other images of its batch say
(https://arxiv.org/abs/2411.15099).

    x_ctx = softmax(x M_K' / (tau sqrt(d))) M_V,   M_K the batch's images of unit norm, M_V not yet; x itself is left out
    L = alpha L_c(x, y) + (1 - alpha) L_c(x_ctx / |x_ctx|, y),   L_c the contrastive loss

The embeddings become ones that few-shot adapters without training can use. The paper learns three temperatures; a plain CLIP has
one, which serves both losses, and parameters are not added to it: `context_scale`, 1 / (tau sqrt(d)), is a constant. Memory: a
third B x B matrix. FLOPs: those of the contrastive loss and 4 B^2 d.
"""

from collections.abc import Iterator
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
    """A whole objective, in place of `contrastive`; `learn_temperature` as there."""

    alpha: float = 0.9
    context_scale: float = 10.0  # times the cosine of two images, in the softmax
    learn_temperature: bool = True
    _temperature: Temperature = field(default_factory=Temperature, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1 or not self.context_scale > 0:
            raise ValueError(f"lixp takes alpha in [0, 1] and context_scale > 0, not {self}")

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Mean over the batch's pairs.

        Raises:
            ValueError: a batch of one pair, which has no context.
        """
        if len(batch.texts) < 2:
            raise ValueError(
                "lixp sees an image in the context of others, and this batch has one pair; use batch_pairs >= 2"
            )
        seen, told = towers.features(model, batch)
        images, texts, values = unit(seen), unit(told), wide(seen)
        scale = self._temperature.of(model, self.learn_temperature)
        with torch.autocast(images.device.type, enabled=False):
            near = self.context_scale * images @ images.T
            near = near.masked_fill(
                torch.eye(len(images), dtype=torch.bool, device=images.device), -torch.inf
            )
            context = functional.normalize(near.softmax(dim=1) @ values, dim=-1)
        return self.alpha * symmetric_loss(images, texts, scale) + (
            1 - self.alpha
        ) * symmetric_loss(context, texts, scale)

    def end(self, model: nn.Module, batches: Iterator[Batch], towers: Towers) -> None:
        """Only the last step is left to clamp."""
        self._temperature.clamp(model)
