"""Unit-norm embeddings of a batch, and the contrastive loss on them.

Similarities and losses are computed in full precision under autocast too, because bfloat16 keeps
only 3 digits of a logit.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.compute.towers import Towers
from streams import Batch


def recalled(model: nn.Module, batch: Batch, towers: Towers) -> tuple[Tensor, Tensor]:
    """Return the features (B, D) of a batch without gradients, the model in evaluation mode.

    It is for a teacher or a plain CLIP, never for a student within a loss. Attention runs the code
    path of training: the fused one of evaluation rounds differently, and the FLOP counter does not
    see it.
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), evaluating(model):
            return towers.features(model, batch)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def embeddings(model: nn.Module, batch: Batch, towers: Towers) -> tuple[Tensor, Tensor]:
    """Return the unit-norm embeddings of the images and of the texts, (B, D) float32 each."""
    images, texts = towers.features(model, batch)
    return unit(images), unit(texts)


def unit(rows: Tensor) -> Tensor:
    """Return the rows scaled to norm 1, in float32 at least."""
    return wide(functional.normalize(rows, dim=-1))


def logits(images: Tensor, texts: Tensor, logit_scale: Tensor) -> Tensor:
    """Return (B, B) float32: exp(logit_scale) times the cosines of unit-norm rows."""
    with torch.autocast(images.device.type, enabled=False):
        return wide(logit_scale).exp() * images @ texts.T


def symmetric_loss(
    images: Tensor, texts: Tensor, logit_scale: Tensor, reduction: str = "mean"
) -> Tensor:
    """Return CLIP's loss on unit-norm rows, () float32.

    With `reduction` none it is each pair's own term, (B,).
    """
    scores = logits(images, texts, logit_scale)
    with torch.autocast(images.device.type, enabled=False):
        own = torch.arange(len(scores), device=scores.device)
        rows = functional.cross_entropy(scores, own, reduction=reduction)
        return (rows + functional.cross_entropy(scores.T, own, reduction=reduction)) / 2


def wide(tensor: Tensor) -> Tensor:
    """Return the tensor in float32 at least."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put the model in evaluation mode, without dropout or updates of batch statistics.

    Its previous mode is restored afterwards.
    """
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
