"""The temperature of a loss on similarities, kept within CLIP's bounds where it is learned."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

MAX_LOGIT_SCALE = math.log(100)  # logits are at most 100 times the cosine, as in CLIP


@dataclass
class Temperature:
    """Of one objective; the weight itself is the model's `logit_scale`."""

    learned: bool = False  # in this task, as the last loss saw it

    def of(self, model: nn.Module, learn: bool) -> Tensor:
        """logit_scale as a loss takes it: within bounds, and without a gradient where it is not to be learned."""
        scale = model.get_parameter("logit_scale")
        self.learned = learn and scale.requires_grad
        self.clamp(model)
        return scale if learn else scale.detach()

    def clamp(self, model: nn.Module) -> None:
        """Keep a temperature that is being learned within CLIP's bounds.

        The parameter itself and not its value in the loss: past the bound the loss would have no gradient to bring it back.
        open_clip clamps after each optimizer step; before the next loss and at the end of the task is the same sequence of
        weights. It belongs here, not in the optimizer or the loop, because only the loss knows what the parameter means.
        One that does not move stays as it was given, to the bit: some published weights lie just above the bound.
        """
        if self.learned:
            with torch.no_grad():
                model.get_parameter("logit_scale").clamp_(0, MAX_LOGIT_SCALE)
