"""Sampling of an objective's look-back: of work of equal cost only the first is computed, and its
cost is charged for all.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator

from methods import FreshPairs
from methods.compute.distributed import ALONE
from runner.worker.costs import Entry, Ledger
from runner.worker.flops import FlopCounter
from runner.worker.profiler.fake_tensors import Memory
from streams import Batch

# How many groups of one size, and passes of one group, are computed; the others are charged the
# cost of the last computed one
SAMPLED = 2


class Books(Ledger):
    """A ledger of costs for fake steps, with peak memory from a `Memory` instead of a GPU."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(ALONE)
        self.memory = memory
        self.counter = FlopCounter()
        # FLOPs charged to the current phase for work that was not computed
        self.unseen_flops = 0.0

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[Entry]:
        """Charge the block to a phase, including work that is not computed."""
        self.counter, self.unseen_flops = FlopCounter(), 0.0
        with self.timed(name) as entry, self.counter:
            yield entry
        entry.flops += self.spent_flops()

    def spent_flops(self) -> float:
        """Return the FLOPs of the current phase so far."""
        return self.counter.get_total_flops() + self.unseen_flops

    def charge_unseen(self, flops: float) -> None:
        """Charge the current phase for work that is not computed."""
        self.unseen_flops += flops

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[Entry]:
        """Charge the block's seconds and peak memory to a phase."""
        self.memory.peak = self.memory.now
        with super().timed(name) as entry:
            before = entry.peak_bytes or 0
            yield entry
        entry.peak_bytes = max(before, self.memory.peak)


class SampledPairs(FreshPairs):
    """Fresh pairs, of which an objective gets the first few and is charged for all.

    Its calls declare which work has equal cost: see `FreshPairs`. Whole batches are not sampled.
    """

    def __init__(self, draw: Callable[[], Batch], books: Books) -> None:
        super().__init__(draw)
        self.books = books

    def groups(self, pairs: int, group_pairs: int) -> Iterator[Batch]:
        """Yield the first groups of each size, and charge the others the cost of the last."""
        seen: Counter[int] = Counter()
        flops: dict[int, float] = {}
        for group in super().groups(pairs, group_pairs):
            size = len(group.texts)
            if seen[size] < SAMPLED:
                before = self.books.spent_flops()
                yield group
                flops[size] = self.books.spent_flops() - before
            else:
                self.books.charge_unseen(flops[size])
            seen[size] += 1

    def passes(self, terms: int) -> Iterator[int]:
        """Yield the first indices and 0, where the graph is freed; charge the passes between."""
        flops = 0.0
        for taken, place in enumerate(super().passes(terms)):
            if taken < SAMPLED or place == 0:
                before = self.books.spent_flops()
                yield place
                flops = self.books.spent_flops() - before
            else:
                self.books.charge_unseen(flops)
