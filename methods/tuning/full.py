"""Full fine-tuning: every parameter is trained.

It is the baseline whose cost is 1 by definition, and under a compute budget, with merging, hard to
beat (FoMo-in-Flux, https://arxiv.org/abs/2408.14471). Memory: weights, gradients, and what the
optimizer keeps of each.
"""

from dataclasses import dataclass

from torch import nn

from methods import Task, Tuning
from methods.parameters import moving


@dataclass
class Full(Tuning):
    """Full fine-tuning of both towers and the temperature."""

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Return all parameters that the backbone itself does not freeze."""
        return moving(model)
