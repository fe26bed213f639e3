"""A frozen teacher, and the cross-entropy of softened rows, for objectives that distil."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods import Weights


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
