"""Shares that are written down in advance, segment by segment.

Such a list is what an agent would write (Data Mixing Agent, https://arxiv.org/abs/2507.15640); here
people or a search write it. Nothing is measured, so it costs nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from methods import Mixing, Segment
from streams.shares import Shares


@dataclass
class Listed(Mixing):
    """The mixing of a row that says everything; without a list a task is one segment."""

    # The shares of each segment, by source
    segments: tuple[Mapping[str, float], ...] = ()

    @property
    def pieces(self) -> int:
        """Return how many shares are listed; one where none are."""
        return max(len(self.segments), 1)

    def shares(self, own: Shares, seen: Sequence[Segment]) -> Shares:
        """Return the next of the list, or the mixture's own."""
        return self.segments[len(seen)] if self.segments else own
