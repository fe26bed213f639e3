"""How many pairs of each source a batch has: the same for a whole task, or segment by segment.

The segments of a mixture are a list of shares. A task's steps are cut into as many pieces as the
list has, of nearly equal length, and each piece draws its batches by its own shares. So what a task
learns from may move while it is learned (as in Data Mixing Agent, https://arxiv.org/abs/2507.15640,
whose agent writes such a list from what it sees; here people or a search write it).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from schema.checks.segments import COLUMNS


class Counts(NamedTuple):
    """The numbers of pairs of each source in a batch."""

    update: int
    buffer: int
    pretraining: int


def shares(mixture: Mapping[str, Any], batch_pairs: int, task: int) -> Counts:
    """Return the number of pairs of each source in a batch of `task`, counted from 1.

    Each share is rounded down, then one more pair goes to pretraining, update and buffer in turn
    until the batch is full. In the first task the buffer is empty: its pairs are split evenly
    between the other two, or go to the update where there is no pretraining. (FoMo-in-Flux: 512
    pairs at .33/.34/.33 are 169 pretraining, 175 update, 168 buffer, and 253, 259, 0 at first.)
    Where a mixture has segments these are the numbers of a batch by their mean shares.
    """
    by_source = {
        "pretraining": mixture["pretraining_share"],
        "update": mixture["update_share"],
        "buffer": mixture["buffer_share"],
    }
    counts = {name: int(share * batch_pairs + 1e-9) for name, share in by_source.items()}
    drawn = [name for name, share in by_source.items() if share > 0]
    for turn in range(batch_pairs - sum(counts.values())):
        counts[drawn[turn % len(drawn)]] += 1
    if task == 1:
        half = 0
        if counts["pretraining"]:
            half = counts["buffer"] // 2
        counts["pretraining"] += half
        counts["update"] += counts["buffer"] - half
        counts["buffer"] = 0
    return Counts(counts["update"], counts["buffer"], counts["pretraining"])


@dataclass(frozen=True)
class Segments:
    """The numbers of pairs in a batch of each piece of a task; one piece where they never move."""

    counts: Sequence[Counts]
    # How many steps the task takes
    steps: int = 0

    @classmethod
    def of(
        cls, mixture: Mapping[str, Any], batch_pairs: int, task: int, steps: int | None
    ) -> "Segments":
        """Return the segments of a task of a mixture."""
        # Definitions older than segments lack the column
        segments = mixture.get("segments")
        if segments is None:
            return cls([shares(mixture, batch_pairs, task)])
        counts = []
        for segment in segments:
            own = {column: segment[source] for source, column in COLUMNS.items()}
            counts.append(shares(own, batch_pairs, task))
        return cls(counts, steps or 0)

    def at(self, step: int) -> Counts:
        """Return the numbers of a step, from 0; steps beyond the task are of the last piece."""
        place = step * len(self.counts) // max(self.steps, 1)
        return self.counts[min(place, len(self.counts) - 1)]
