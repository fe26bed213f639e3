"""What objectives see of a batch: features, unit-norm embeddings and the contrastive loss on them.

Similarities and what follows from them are in full precision under autocast too, where bfloat16 keeps only 3 digits of a logit.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.compute.towers import Towers
from streams import Batch


def recalled(model: nn.Module, batch: Batch, towers: Towers) -> tuple[Tensor, Tensor]:
    """As `Towers.features`, without gradients and in evaluation mode: of a teacher or a plain CLIP, never of a student within a loss.

    Attention takes the path of training: the fused one of evaluation rounds otherwise, and the counter of FLOPs does not see it.
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), evaluating(model):
            return towers.features(model, batch)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def embeddings(model: nn.Module, batch: Batch, towers: Towers) -> tuple[Tensor, Tensor]:
    """(B, D) float32 of unit norm of the images and of the texts."""
    images, texts = towers.features(model, batch)
    return unit(images), unit(texts)


def unit(rows: Tensor) -> Tensor:
    """Rows of norm 1, in float32 at least."""
    return wide(functional.normalize(rows, dim=-1))


def logits(images: Tensor, texts: Tensor, logit_scale: Tensor) -> Tensor:
    """(B, B) float32: exp(logit_scale) times the cosines of unit-norm rows."""
    with torch.autocast(images.device.type, enabled=False):
        return wide(logit_scale).exp() * images @ texts.T


def symmetric_loss(
    images: Tensor, texts: Tensor, logit_scale: Tensor, reduction: str = "mean"
) -> Tensor:
    """CLIP's loss on unit-norm rows: () float32, or (B,) each pair's own term with `reduction` none."""
    scores = logits(images, texts, logit_scale)
    with torch.autocast(images.device.type, enabled=False):
        own = torch.arange(len(scores), device=scores.device)
        rows = functional.cross_entropy(scores, own, reduction=reduction)
        return (rows + functional.cross_entropy(scores.T, own, reduction=reduction)) / 2


def wide(tensor: Tensor) -> Tensor:
    """In float32 at least."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode: no statistic of a normalisation moves, nothing is dropped."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
