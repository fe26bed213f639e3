"""What each phase of a task spends: FLOPs as torch's own counter sees them, seconds, steps, pairs, peak memory, energy.

Counting changes how some operations are dispatched, so what is counted is always the same piece of work (the first step of a
task, every evaluation): a resumed trial counts where the undisturbed one did.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from methods.compute import distributed
from methods.compute.distributed import Ranks
from runner.worker.energy import drawn_j


@dataclass
class Entry:
    """One phase of one task."""

    flops: float = 0.0
    peak_bytes: int | None = None
    seconds: float = 0.0
    steps: int = 0
    pairs: int = 0
    energy_j: float | None = None
    shared: bool = False


class Ledger:
    """The phases of the task in progress."""

    def __init__(self, ranks: Ranks | None = None) -> None:
        """`ranks`: the processes whose FLOPs are added up; None: all that have joined."""
        self.ranks = ranks or distributed.joined()
        self.entries: dict[str, Entry] = {}

    @contextlib.contextmanager
    def phase(self, name: str, pairs: int = 0) -> Iterator[Entry]:
        """Charge the block to a phase, its FLOPs counted."""
        with self.timed(name) as entry, counted() as counter:
            yield entry
        entry.flops += self.ranks.total(counter.get_total_flops())
        entry.pairs += pairs

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[Entry]:
        """Charge the block's seconds, energy and peak memory to a phase; the caller adds the rest."""
        entry = self.entries.setdefault(name, Entry())
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        began, drawn_before = time.monotonic(), drawn_j()
        try:
            yield entry
        finally:
            entry.seconds += time.monotonic() - began
            drawn = drawn_j()
            if drawn is not None and drawn_before is not None:
                entry.energy_j = (entry.energy_j or 0.0) + drawn - drawn_before
            if torch.cuda.is_available():
                entry.peak_bytes = max(entry.peak_bytes or 0, torch.cuda.max_memory_allocated())

    def add(self, other: "Ledger") -> None:
        """Take over the phases of a stage that kept its own books; one that both have is added up."""
        for name, entry in other.entries.items():
            mine = self.entries.setdefault(name, Entry())
            peaks = [peak for peak in (mine.peak_bytes, entry.peak_bytes) if peak is not None]
            mine.peak_bytes = max(peaks, default=None)
            drawn = [each for each in (mine.energy_j, entry.energy_j) if each is not None]
            mine.energy_j = sum(drawn) if drawn else None
            for key in ("flops", "seconds", "steps", "pairs"):
                setattr(mine, key, getattr(mine, key) + getattr(entry, key))

    def mark(self, shared: bool) -> None:
        """Say of all phases whether another trial spent this, and this one took over what came of it."""
        for entry in self.entries.values():
            entry.shared = shared

    def rows(self, task: int) -> list[dict[str, Any]]:
        """Rows of the `cost` table, of all processes that trained together: the energy of all, the memory of the fullest."""
        for entry in self.entries.values() if distributed.ranks() > 1 else ():
            entry.energy_j = None if entry.energy_j is None else distributed.total(entry.energy_j)
            entry.peak_bytes = (
                None if entry.peak_bytes is None else distributed.most(entry.peak_bytes)[0]
            )
        return [
            {"task": task, "phase": name} | asdict(entry) for name, entry in self.entries.items()
        ]

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {name: asdict(entry) for name, entry in self.entries.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's figures."""
        self.entries = {name: Entry(**entry) for name, entry in state.items()}


def counted() -> FlopCounterMode:
    """A silent FLOP counter."""
    return FlopCounterMode(display=False)
