"""The largest of the members' logits, so that the most confident member answers (the two experts of
LAE, https://arxiv.org/abs/2303.10070, which compares their probabilities; a routing by confidence).

    logits(x, y) = max_k s_k <f_k(x), g_k(y)>

s_k is a member's own logit scale. The largest logit of all decides, so the first class is that of
the member whose own largest is larger than the others'. The prompts of a class are averaged with
all members side by side. Cost: that of each member, for each image and text. Memory: one model at a
time; K times the width of an embedding.
"""

from dataclasses import dataclass

from torch import Tensor

from methods.ensembling import Rule, parted


@dataclass
class Maximum(Rule):
    """The rule that takes the largest logit of any member."""

    def similarities(self, queries: Tensor, candidates: Tensor, scales: Tensor) -> Tensor:
        """Return the largest logit of any member (N, M), divided by the largest scale."""
        members = len(scales)
        ours, theirs = parted(queries, members), parted(candidates, members)
        near = ours @ theirs.transpose(1, 2)
        shares = (scales / scales.max()).to(near.device)
        return (shares[:, None, None] * near).amax(dim=0)
