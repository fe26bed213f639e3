"""Exp3 over the sources, rewarded by the loss of held-out pairs (ODM,
https://arxiv.org/abs/2312.02406).

    R_i += loss of source i's held-out pairs / ln n           after each segment, of n pairs
    e_t = min(1 / K, exploration * sqrt(ln K / (K t))), e_0 = 1 / K
    share_i = (1 - K e_t) * softmax(rate * e_(t-1) * R)_i + e_t

of K sources with a share, after t segments. A source whose pairs are still hard has more to teach,
so it is drawn more. The first segment has the mixture's own shares, and every task begins anew.
ODM's reward is the loss of the batch, known only of sources that were drawn and so divided by their
probability. Here every source is measured after every segment, and nothing is divided; its authors'
code has the same form for rewards of validation data
(https://github.com/alon-albalak/online-data-mixing). `exploration` and `rate` are 1 there: made for
thousands of draws, with few segments they leave the shares almost equal.

Cost: a forward pass of `measured_pairs` pairs of each source after each segment but the last, the
phase `mix`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from methods import Mixing, Segment
from streams.shares import Shares


@dataclass
class Bandit(Mixing):
    """The mixing that draws more of what is still hard."""

    needs: ClassVar[tuple[str, ...]] = ("held_out",)
    # How many segments a task is cut into
    segments: int = 8
    # The held-out pairs of each source whose loss is measured
    measured_pairs: int = 32
    # The factor of the share that each source is sure of
    exploration: float = 1.0
    # The factor of the rewards
    rate: float = 1.0

    def __post_init__(self) -> None:
        if self.segments < 2 or self.measured_pairs < 2:
            raise ValueError(f"bandit takes segments >= 2 and measured_pairs >= 2, not {self}")
        if not 0 < self.exploration <= 1 or self.rate <= 0:
            raise ValueError(
                f"bandit takes an exploration above 0, at most 1, and a rate above 0, not {self}"
            )

    @property
    def pieces(self) -> int:
        """Return the number of segments."""
        return self.segments

    def shares(self, own: Shares, seen: Sequence[Segment]) -> Shares:
        """Return the mixture's own shares first, and those of the formula above later."""
        if not seen:
            return own
        drawn = [source for source, share in own.items() if share > 0]
        rewards = {}
        for source in drawn:
            rewards[source] = math.fsum(segment.losses[source] for segment in seen)
        sure = self._sure(len(drawn), len(seen))
        weights = _softmax(rewards, self.rate * self._sure(len(drawn), len(seen) - 1))
        said = dict.fromkeys(own, 0.0)
        for source in drawn:
            said[source] = (1 - len(drawn) * sure) * weights[source] + sure
        return said

    def _sure(self, sources: int, segments: int) -> float:
        """Return the share that each source is sure of after so many segments."""
        if segments == 0:
            return 1 / sources
        falling = math.sqrt(math.log(sources) / (sources * segments))
        return min(1 / sources, self.exploration * falling)


def _softmax(rewards: Mapping[str, float], rate: float) -> dict[str, float]:
    """Return weights that sum to 1, in proportion to exp(rate * reward)."""
    highest = max(rewards.values())
    powers = {source: math.exp(rate * (own - highest)) for source, own in rewards.items()}
    total = math.fsum(powers.values())
    return {source: power / total for source, power in powers.items()}
