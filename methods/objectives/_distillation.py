"""What distilling objectives share: a frozen copy of the model, and how far softened similarities are from its own."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods import Weights


def frozen(model: nn.Module, weights: Weights | None = None) -> nn.Module:
    """A copy of a plain CLIP that does not move, with its weights or with others; on the same device, in evaluation mode."""
    teacher = copy.deepcopy(model).requires_grad_(False).eval()
    if weights is not None:
        teacher.load_state_dict(weights)
    return teacher


def soft_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 times the mean over rows of the cross-entropy of softmax(student / T) to softmax(teacher / T), () float32.

    T^2 keeps the gradient's size as T grows.
    """
    with torch.autocast(student.device.type, enabled=False):
        return temperature**2 * functional.cross_entropy(
            student / temperature, (teacher / temperature).softmax(dim=1)
        )
