"""The temperature of a loss on similarities, kept within CLIP's bounds where it is learned."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# Logits are at most 100 times the cosine, as in CLIP
MAX_LOGIT_SCALE = math.log(100)


@dataclass
class Temperature:
    """The temperature of one objective; the parameter itself is the model's `logit_scale`."""

    # Whether the temperature was trainable when the last loss was computed
    learned: bool = False

    def of(self, model: nn.Module, learn: bool) -> Tensor:
        """Return logit_scale, (), within bounds; without a gradient where `learn` is false."""
        scale = model.get_parameter("logit_scale")
        self.learned = learn and scale.requires_grad
        self.clamp(model)
        return scale if learn else scale.detach()

    def clamp(self, model: nn.Module) -> None:
        """Keep a temperature that is being learned within CLIP's bounds, in place.

        The parameter itself is clamped and not its value in the loss: past the bound the loss would
        have no gradient to bring it back. It is clamped after each optimizer step, as in open_clip,
        so that an average over steps reads the weights of the next loss; and before a loss, because
        a task may start beyond the bound. A frozen temperature is left unchanged, to the bit: some
        published weights lie just above the bound.
        """
        if self.learned:
            with torch.no_grad():
                model.get_parameter("logit_scale").clamp_(0, MAX_LOGIT_SCALE)
