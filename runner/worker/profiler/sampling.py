"""Looking back by sample: the first of what costs the same is computed, and charged for all."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator

from methods import FreshPairs
from methods.compute.distributed import ALONE
from runner.worker.costs import Entry, Ledger, counted
from runner.worker.profiler.fake_tensors import Memory
from streams import Batch

# Groups of one size, and passes from the terms of one group, that are computed; each of the others
# is charged what the last computed one cost
SAMPLED = 2


class Books(Ledger):
    """A ledger of fake steps: peak memory is that of a `Memory`, in place of a GPU's."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(ALONE)
        self.memory = memory
        self.counter = counted()
        # Of the phase in progress, for work that was not done
        self.unseen_flops = 0.0

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[Entry]:
        """Charge the block to a phase, what it is charged for without being done included."""
        self.counter, self.unseen_flops = counted(), 0.0
        with self.timed(name) as entry, self.counter:
            yield entry
        entry.flops += self.spent_flops()

    def spent_flops(self) -> float:
        """Return the FLOPs of the phase in progress so far."""
        return self.counter.get_total_flops() + self.unseen_flops

    def charge_unseen(self, flops: float) -> None:
        """Charge the phase in progress for work that is not done."""
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
    """Fresh pairs of which an objective is given the first few, and charged for all.

    Which work costs the same is declared by how an objective asks: see `FreshPairs`. What it takes
    as whole batches is not sampled.
    """

    def __init__(self, draw: Callable[[], Batch], books: Books) -> None:
        super().__init__(draw)
        self.books = books

    def groups(self, pairs: int, group_pairs: int) -> Iterator[Batch]:
        """Yield the first groups of each size, and charge the others what the last of them cost."""
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
        """Yield the first places and 0, where the graph is freed; charge the passes between."""
        flops = 0.0
        for taken, place in enumerate(super().passes(terms)):
            if taken < SAMPLED or place == 0:
                before = self.books.spent_flops()
                yield place
                flops = self.books.spent_flops() - before
            else:
                self.books.charge_unseen(flops)
