"""How many pairs of each source a batch has: the same for a whole task, or segment by segment.

A task's steps are cut into segments of nearly equal length, and each draws its batches by its own
shares. Who says the shares of a segment is a mixing (`methods/mixing/`): a list, or a policy that
knows only what the segments before it came to. So the shares are said one segment after the other,
and what is drawn is known as far as they are said.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schema.checks.mixing import COLUMNS

# The share of a batch that each source has, by the name of the source
Shares = Mapping[str, float]


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


@dataclass
class Segments:
    """The pieces of a task, and the shares that have been said so far, from the first piece on."""

    # Of a batch; and the number of the task, from 1
    batch_pairs: int
    task: int
    # How many pieces of nearly equal length the task is cut into
    pieces: int = 1
    # How many steps the task takes; 0: not known
    steps: int = 0
    said: list[Shares] = field(default_factory=list)
    # The numbers of pairs in a batch of each piece whose shares are said
    counts: list[Counts] = field(default_factory=list)

    def say(self, own: Shares) -> None:
        """Take the shares of the next piece."""
        columns = {column: own[source] for source, column in COLUMNS.items()}
        self.said.append(dict(own))
        self.counts.append(shares(columns, self.batch_pairs, self.task))

    def at(self, step: int) -> Counts:
        """Return the numbers of a step, from 0; beyond what is said those of the last piece."""
        return self.counts[min(self._piece(step), len(self.counts) - 1)]

    def lack(self, step: int) -> bool:
        """Return whether a step of the task is of a piece whose shares are not said yet."""
        return self._piece(step) >= len(self.counts)

    def known_steps(self) -> int:
        """Return how many steps, from the task's first, are of pieces whose shares are said."""
        if len(self.counts) >= self.pieces:
            return sys.maxsize
        # The first step of a piece is the first that `_piece` puts there
        return -(-len(self.counts) * self.steps // self.pieces)

    def state(self) -> dict[str, Any]:
        """Return what was said, as JSON values; nothing where a task is one piece."""
        if self.pieces == 1:
            return {}
        return {"said": [dict(own) for own in self.said]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take what was said in another's state in place of what was said here."""
        if self.pieces == 1:
            return
        self.said, self.counts = [], []
        for own in state["said"]:
            self.say(own)

    def _piece(self, step: int) -> int:
        return min(step * self.pieces // max(self.steps, 1), self.pieces - 1)


def row_shares(mixture: Mapping[str, Any]) -> Shares:
    """Return the shares that a mixture's row says, by source."""
    return {source: float(mixture[column]) for source, column in COLUMNS.items()}


def in_task(own: Shares, task: int) -> Shares:
    """Return shares as they hold in a task, counted from 1.

    In the first task the buffer is empty, and its share goes to the others, as in `shares`.
    """
    if task > 1:
        return dict(own)
    half = own["buffer"] / 2 if own["pretraining"] else 0.0
    return {
        "update": own["update"] + own["buffer"] - half,
        "buffer": 0.0,
        "pretraining": own["pretraining"] + half,
    }
