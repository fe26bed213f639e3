"""Parts of distillation: a frozen teacher, its outputs, and the softened cross-entropy."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods import Weights
from methods.compute import devices
from methods.compute.towers import Towers
from methods.objectives._embeddings import embeddings, recalled, unit
from streams import PRETRAINING, Batch

# Embeddings of images and of texts, (N, D) each, of unit norm
Pair = tuple[Tensor, Tensor]


def frozen(model: nn.Module, weights: Weights | None = None) -> nn.Module:
    """Return a frozen copy of a plain CLIP, with its own weights or with `weights`.

    It is on the same device, in evaluation mode.
    """
    teacher = copy.deepcopy(model).requires_grad_(False).eval()
    if weights is not None:
        teacher.load_state_dict(weights)
    return teacher


def soft_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T^2 times the mean over rows of the cross-entropy of two softened softmaxes.

    It is the cross-entropy of softmax(student / T) relative to softmax(teacher / T), () float32.
    T^2 keeps the gradient's size as T grows.
    """
    with torch.autocast(student.device.type, enabled=False):
        targets = (teacher / temperature).softmax(dim=1)
        return temperature**2 * functional.cross_entropy(student / temperature, targets)


def on_pretraining(
    objective: str, model: nn.Module, teacher: nn.Module, batch: Batch, towers: Towers
) -> tuple[Pair, Pair]:
    """Return the model's and the teacher's embeddings of a batch's N pretraining pairs.

    Raises:
        ValueError: the batch has no pretraining pair; `objective` is named in the message.
    """
    chosen = batch.sources == PRETRAINING
    if not bool(chosen.any()):
        raise ValueError(
            f"{objective} distils on pretraining pairs and this batch has none; use a mixture with "
            "pretraining_share > 0"
        )
    # Indices are computed on the host and sent to the rows' device, so that nothing waits for it
    places = devices.sent(chosen.nonzero()[:, 0], batch.images.device)
    reference = Batch(batch.images[places], batch.texts[places], batch.sources[chosen])
    images, texts = (rows[places] for rows in embeddings(model, batch, towers))
    images_before, texts_before = map(unit, recalled(teacher, reference, towers))
    return (images, texts), (images_before, texts_before)
