"""A frozen teacher, what it is asked about, and the cross-entropy of softened rows."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods import Weights
from methods.compute import devices
from methods.compute.towers import Towers
from methods.objectives._embeddings import embeddings, recalled, unit
from streams import PRETRAINING, Batch

# Images and texts, (N, D) each, of unit norm
Pair = tuple[Tensor, Tensor]


def frozen(model: nn.Module, weights: Weights | None = None) -> nn.Module:
    """Return a copy of a plain CLIP that does not move, with its weights or with others.

    It is on the same device, in evaluation mode.
    """
    teacher = copy.deepcopy(model).requires_grad_(False).eval()
    if weights is not None:
        teacher.load_state_dict(weights)
    return teacher


def soft_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T^2 times the mean over rows of the cross-entropy of two softened softmaxes.

    Of softmax(student / T) to softmax(teacher / T); () float32. T^2 keeps the gradient's size as T
    grows.
    """
    with torch.autocast(student.device.type, enabled=False):
        targets = (teacher / temperature).softmax(dim=1)
        return temperature**2 * functional.cross_entropy(student / temperature, targets)


def on_pretraining(
    objective: str, model: nn.Module, teacher: nn.Module, batch: Batch, towers: Towers
) -> tuple[Pair, Pair]:
    """Return what the model and the teacher make of a batch's N pretraining pairs.

    Raises:
        ValueError: the batch has none; `objective` names in the message who needs them.
    """
    chosen = batch.sources == PRETRAINING
    if not bool(chosen.any()):
        raise ValueError(
            f"{objective} distils on pretraining pairs and this batch has none; use a mixture with "
            "pretraining_share > 0"
        )
    # Chosen on the host, and sent to where the rows are
    places = devices.sent(chosen.nonzero()[:, 0], batch.images.device)
    reference = Batch(batch.images[places], batch.texts[places], batch.sources[chosen])
    images, texts = (rows[places] for rows in embeddings(model, batch, towers))
    images_before, texts_before = map(unit, recalled(teacher, reference, towers))
    return (images, texts), (images_before, texts_before)
