"""The mean of the members' logits (deep ensembles, https://arxiv.org/abs/1612.01474; of models
fine-tuned one after the other: https://arxiv.org/abs/2202.09826).

    logits(x, y) = 1/K sum_k s_k <f_k(x), g_k(y)>

s_k is a member's own logit scale. The prompts of a class are averaged with all members side by
side. Cost: that of each member, for each image and text. Memory: one model at a time; K times the
width of an embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from methods.ensembling import Rule, joined


@dataclass
class Mean(Rule):
    """The rule that averages the members' logits."""

    def side_by_side(self, embeddings: Sequence[Tensor], scales: Tensor) -> Tensor:
        """Return embeddings whose product is the mean of the logits, divided by the mean scale."""
        return joined(embeddings, scales)
