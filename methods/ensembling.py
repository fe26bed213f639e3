"""The basis of all ensembles: which models are members, and what a rule may override.

After task t, with theta_0 the untouched backbone, `members` says which models are used:

    all      theta_1 .. theta_t        every task's weights are kept on disk
    ends     theta_0, theta_t          nothing more is kept
    merged   what the method's merging deploys, theta_t: a slow and a fast expert

K members of width D answer as one encoder of width K D. Embeddings of all members stand side by
side, each of length 1 / sqrt(K) or, weighted, sqrt(w_k), so that a product of two is a mean over
members, and every evaluation of one model also works for several. A rule that compares embeddings
in another way overrides `similarities`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from methods.histories import Weights


class Rule:
    """A rule by which the embeddings of several plain CLIPs become those of one encoder."""

    # Whether it chooses a member for an image by the untouched backbone's features of it
    routes: ClassVar[bool] = False
    # Whether the untouched backbone is one more member, before the others
    falls_back: ClassVar[bool] = False
    # The values of `members` that it allows; the first is the default
    members: ClassVar[tuple[str, ...]] = ("all", "ends", "merged")

    def weights(self, members: Sequence[Weights]) -> Sequence[Weights]:
        """Return the models that are run, made from the members; by default the members."""
        return members

    def side_by_side(self, embeddings: Sequence[Tensor], scales: Tensor) -> Tensor:
        """Return (N, K D) of unit norm for K members' (N, D) embeddings of unit norm.

        `scales` (K,) are the factors that turn a member's cosines into its logits.
        """
        return joined(embeddings, torch.ones_like(scales))

    def texts(self, embeddings: Sequence[Tensor], scales: Tensor) -> Tensor:
        """Return (N, K D) for K members' embeddings of texts."""
        return self.side_by_side(embeddings, scales)

    def chosen(self, features: Tensor) -> Tensor:
        """Return the index, from 0, of the member that is used for each image, (N,) int64.

        `features` (N, D) are the untouched backbone's. Called only for rules that route images.
        """
        raise NotImplementedError

    def similarities(self, queries: Tensor, candidates: Tensor, scales: Tensor) -> Tensor:
        """Return the similarities (N, M) of queries (N, K D) to candidates (M, K D).

        Either may be images or texts. Metrics depend on the order of the similarities alone.
        """
        return queries @ candidates.T


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """An ensemble of a method row: its rule, and which models are members."""

    rule: Rule
    # `all`, `ends` or `merged`
    members: str


def joined(embeddings: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Return K members' embeddings side by side, (N, K D), so that products are weighted means.

    The result has unit norm. `weights` (K,) are above 0 and need not sum to 1.
    """
    shares = (weights / weights.sum()).sqrt().tolist()
    return torch.cat([each * share for each, share in zip(embeddings, shares, strict=True)], dim=1)


def parted(embeddings: Tensor, members: int) -> Tensor:
    """Return each member's own part of (N, K D) embeddings, as (K, N, D) of unit norm."""
    parts = embeddings.view(len(embeddings), members, -1).transpose(0, 1)
    return functional.normalize(parts, dim=-1)


def scales_of(members: Sequence[Weights]) -> Tensor:
    """Return the factors (K,) that turn the members' cosines into their logits."""
    return torch.stack([weights["logit_scale"].float().exp() for weights in members])
