"""Costs of each phase of a task: FLOPs, seconds, steps, pairs, memory and energy.

FLOPs are those of torch's own formulas.
Counting changes how some operations are dispatched, so what is counted is always the same piece of
work (the first step of a task, every evaluation): a resumed trial counts where the undisturbed one
did.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from methods.compute import devices, distributed
from methods.compute.distributed import Ranks
from runner.worker.energy import drawn_j
from runner.worker.flops import FlopCounter

Answer = TypeVar("Answer")


@dataclass
class Entry:
    """The costs of one phase of one task; the fields are columns of the table `cost`."""

    flops: float = 0.0
    peak_bytes: int | None = None
    seconds: float = 0.0
    steps: int = 0
    pairs: int = 0
    energy_j: float | None = None
    # Whether another trial spent this, and this one took over what came of it
    shared: bool = False

    def add(self, other: "Entry") -> None:
        """Add the costs of the same phase, of which the peak is the higher one."""
        self.flops += other.flops
        self.seconds += other.seconds
        self.steps += other.steps
        self.pairs += other.pairs
        self.peak_bytes = max(_known([self.peak_bytes, other.peak_bytes]), default=None)
        joules = _known([self.energy_j, other.energy_j])
        self.energy_j = sum(joules) if joules else None


class Ledger:
    """The costs of the task in progress, by phase."""

    def __init__(self, ranks: Ranks | None = None) -> None:
        """`ranks`: the processes whose FLOPs are added up; None: all that have joined."""
        self.ranks = ranks or distributed.joined()
        self.entries: dict[str, Entry] = {}

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[Entry]:
        """Charge the block to a phase, its FLOPs counted."""
        with self.timed(name) as entry, FlopCounter() as counter:
            yield entry
        entry.flops += self.ranks.total(counter.get_total_flops())

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[Entry]:
        """Charge the block's seconds, energy and memory to a phase; the caller adds the rest."""
        entry = self.entries.setdefault(name, Entry())
        gpu = devices.accelerator()
        if gpu is not None:
            gpu.reset_peak_memory_stats()
        began, drawn_before = time.monotonic(), drawn_j()
        try:
            yield entry
        finally:
            entry.seconds += time.monotonic() - began
            drawn = drawn_j()
            if drawn is not None and drawn_before is not None:
                entry.energy_j = (entry.energy_j or 0.0) + drawn - drawn_before
            if gpu is not None:
                entry.peak_bytes = max(entry.peak_bytes or 0, gpu.max_memory_allocated())

    def add(self, other: "Ledger") -> None:
        """Take over the phases of a stage with a ledger of its own; what both have is added up."""
        for name, entry in other.entries.items():
            self.entries.setdefault(name, Entry()).add(entry)

    def put(self, name: str, entry: Entry) -> None:
        """Put down the costs of a phase that were measured elsewhere."""
        self.entries[name] = entry

    def mark(self, shared: bool) -> None:
        """Note of all phases whether another trial spent this."""
        for entry in self.entries.values():
            entry.shared = shared

    def rows(self, task: int) -> list[dict[str, Any]]:
        """Return rows of the table `cost`.

        Of all processes that train together: the energy of all, the memory of the fullest.
        """
        rows = []
        for name, entry in self.entries.items():
            row = {"task": task, "phase": name} | asdict(entry)
            if self.ranks.count > 1 and entry.energy_j is not None:
                row["energy_j"] = self.ranks.total(entry.energy_j)
            if self.ranks.count > 1 and entry.peak_bytes is not None:
                row["peak_bytes"] = distributed.most(entry.peak_bytes)[0]
            rows.append(row)
        return rows

    def state_dict(self) -> dict[str, Any]:
        """Return the entries for a checkpoint."""
        return {name: asdict(entry) for name, entry in self.entries.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the figures of a checkpoint."""
        self.entries = {name: Entry(**entry) for name, entry in state.items()}


class StepCosts:
    """Charges each step of a task to a ledger, at the FLOPs that its first step was counted at.

    Every step of a task is the same piece of work; counting each would slow all of them down.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        # FLOPs of one step, by phase
        self.step_flops: dict[str, float] = {}

    def charge(self, phase: str, step: int, pairs: int, work: Callable[[], Answer]) -> Answer:
        """Do the work of step `step`, counted from 0, that is done on `pairs` pairs."""
        with self.ledger.timed(phase) as entry:
            if step == 0:
                with FlopCounter() as counter:
                    answer = work()
                flops = float(counter.get_total_flops())
                self.step_flops[phase] = self.ledger.ranks.total(flops)
            else:
                answer = work()
            entry.steps = step + 1
            entry.flops = entry.steps * self.step_flops[phase]
            entry.pairs = entry.steps * pairs
        return answer

    def load_step_flops(self, step_flops: dict[str, float]) -> None:
        """Go on from a checkpoint, whose task's first step was counted before."""
        self.step_flops = step_flops


def _known(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]
