"""UER, unbiased experience replay: new pairs are learned by angles alone, replayed pairs by angles
and norms (https://arxiv.org/abs/2309.04081).

    z_ij = s cos(x_i, y_j)                             where the query is a new pair
    z_ij = s cos(x_i, y_j) |x_i| |y_j| / (|x| |y|)     where it is one of the buffer
    L    = 1/2B sum_i (CE(z_i., i) + CE(z_.i, i))

x and y are the features of images and texts as the towers return them, |x| and |y| the means of
their norms over the batch, without a gradient, and s = exp(logit_scale). Where a batch has no pair
of the buffer this is the contrastive loss. The paper finds that the preference for new classes
comes from angles, and that norms remember earlier ones. It speaks of a classifier's dot products.
Departures, as a CLIP has no classifier: the texts of the batch stand for classes, and for texts as
queries the images do; dot products are divided by the mean norms, so that the temperature of the
cosines holds for both; pretraining pairs count as new; and the deployed CLIP answers by cosines, so
norms act in training alone. Only the description was read, as the authors' repository holds no
code. Memory and FLOPs: those of the contrastive loss, with one matrix of logits more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods import Objective
from methods.compute import devices
from methods.compute.towers import Towers
from methods.objectives._embeddings import logits, unit, wide
from methods.objectives._temperature import Temperature
from streams import BUFFER, Batch


@dataclass
class Uer(Objective):
    """A whole objective, the loss above; `learn_temperature` is as in `contrastive`."""

    learn_temperature: bool = True
    needs: ClassVar[tuple[str, ...]] = ("buffer",)
    _temperature: Temperature = field(default_factory=Temperature, init=False, repr=False)

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the mean over the batch's pairs."""
        images, texts = towers.features(model, batch)
        scale = self._temperature.of(model, self.learn_temperature)
        angles = logits(unit(images), unit(texts), scale)
        # The mask is computed on the host and sent, so that nothing waits for the device
        replayed = devices.sent(batch.sources == BUFFER, angles.device)
        with torch.autocast(angles.device.type, enabled=False):
            products = angles * relative_norms(images)[:, None] * relative_norms(texts)
            rows = torch.where(replayed[:, None], products, angles)
            columns = torch.where(replayed[:, None], products.T, angles.T)
            own = torch.arange(len(angles), device=angles.device)
            return (
                functional.cross_entropy(rows, own) + functional.cross_entropy(columns, own)
            ) / 2

    @contextmanager
    def stepping(self, model: nn.Module, loss_scale: float | Tensor) -> Iterator[None]:
        """Clamp the temperature after the optimizer's step."""
        yield
        self._temperature.clamp(model)


def relative_norms(features: Tensor) -> Tensor:
    """Return the norms (B,) of features (B, D) over their mean, float32; the mean is a constant."""
    norms: Tensor = wide(features).norm(dim=1)
    return norms / norms.detach().mean()
