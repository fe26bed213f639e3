"""Everything about an ensemble that is not its rule: which plain CLIPs it is of.

After task t, with theta_0 the untouched backbone, `members` says which models answer:

    all      theta_1 .. theta_t        every task's weights are kept on disk
    ends     theta_0, theta_t          nothing more is kept
    merged   what the method's merging deploys, theta_t: a slow and a fast expert

K members of width D answer as one encoder of width K D. Embeddings of all members stand side by
side, each of length 1 / sqrt(K) or, weighted, sqrt(w_k), so that a product of two is a mean over
members, and whatever is measured of one model is measured of several. A rule that compares them
otherwise says how.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from methods.histories import Weights


class Rule:
    """How the embeddings of several plain CLIPs become those of one encoder."""

    # Whether it chooses a member for an image by the untouched backbone's features of it
    routes: ClassVar[bool] = False
    # The values of `members` that it goes with; a row that says none takes the first
    members: ClassVar[tuple[str, ...]] = ("all", "ends", "merged")

    def weights(self, members: Sequence[Weights]) -> Sequence[Weights]:
        """Return the models that are asked, of those that the ensemble is of: by default these."""
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
        """Return (N,) int64 the place of the one member that is asked for each image, from 0.

        `features` (N, D) are the untouched backbone's. Only of a rule that routes.
        """
        raise NotImplementedError

    def similarities(self, queries: Tensor, candidates: Tensor, scales: Tensor) -> Tensor:
        """Return (N, M) how near (N, K D) queries are to (M, K D) candidates.

        Either may be images or texts. Only their order plays a part in what is measured.
        """
        return queries @ candidates.T


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """An ensemble of a method row: its rule, and which models it is of."""

    rule: Rule
    # `all`, `ends` or `merged`
    members: str


def joined(embeddings: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Return (N, K D) of unit norm: K members side by side, of which products are weighted means.

    `weights` (K,) are above 0 and need not sum to 1.
    """
    shares = (weights / weights.sum()).sqrt().tolist()
    return torch.cat([each * share for each, share in zip(embeddings, shares, strict=True)], dim=1)


def parted(embeddings: Tensor, members: int) -> Tensor:
    """Return (K, N, D) of unit norm for (N, K D) embeddings: each member's own."""
    parts = embeddings.view(len(embeddings), members, -1).transpose(0, 1)
    return functional.normalize(parts, dim=-1)


def scales_of(members: Sequence[Weights]) -> Tensor:
    """Return (K,) the factors that turn members' cosines into their logits."""
    return torch.stack([weights["logit_scale"].float().exp() for weights in members])
