"""CLIP's symmetric contrastive loss: each image names its text among the batch's texts, and each text its image
(https://arxiv.org/abs/2103.00020).

    L = (cross-entropy of rows + cross-entropy of columns) / 2 of exp(logit_scale) * image . text, both of unit norm

Nothing is remembered between tasks. Memory: two B x B matrices of logits.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods import Objective
from streams import Batch

MAX_LOGIT_SCALE = math.log(100)  # logits are at most 100 times the cosine, as in CLIP


@dataclass
class Contrastive(Objective):
    """The loss of plain fine-tuning; `learn_temperature` false: logit_scale stays what it is, even under a full tuning."""

    learn_temperature: bool = True
    _learned: bool = field(default=False, init=False, repr=False)  # in this task, as the last loss saw it

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Mean over the batch's pairs."""
        scale = model.get_parameter("logit_scale")
        self._learned = self.learn_temperature and scale.requires_grad
        self._clamp(scale)
        return clip_loss(model, batch, scale if self.learn_temperature else scale.detach())

    def end(self, model: nn.Module, batches: Iterator[Batch]) -> None:
        """Only the last step is left to clamp."""
        self._clamp(model.get_parameter("logit_scale"))

    def _clamp(self, scale: Tensor) -> None:
        """Keep a temperature that is being learned within CLIP's bounds.

        The parameter itself and not its value in the loss: past the bound the loss would have no gradient to bring it back.
        open_clip clamps after each optimizer step; before the next loss and at the end of the task is the same sequence of
        weights. It belongs here, not in the optimizer or the loop, because only this loss knows what the parameter means.
        One that does not move stays as it was given, to the bit: some published weights lie just above the bound.
        """
        if self._learned:
            with torch.no_grad():
                scale.clamp_(0, MAX_LOGIT_SCALE)


def clip_loss(model: nn.Module, batch: Batch, logit_scale: Tensor) -> Tensor:
    """The loss above, () float32; the logits in full precision under autocast too, where bfloat16 keeps only 3 digits of them."""
    images: Tensor = model.encode_image(batch.images, normalize=True)  # type: ignore[operator]
    texts: Tensor = model.encode_text(batch.texts, normalize=True)  # type: ignore[operator]
    with torch.autocast(images.device.type, enabled=False):
        logits = logit_scale.float().exp() * images.float() @ texts.float().T
        own = torch.arange(len(logits), device=logits.device)
        return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
