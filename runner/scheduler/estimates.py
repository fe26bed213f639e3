"""Sums over pending trials by study: steps, FLOPs, memory, and hours with an interval.

These are pure functions.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from schema.site import Needs, Site

# The half width of a 95 % interval of a sum in standard deviations, for normal errors
LIKELY = 1.96
# A row of the view `outlook`: the forecast for the pending trials of one study and setting
Outlook = Mapping[str, Any]


@dataclass
class Sum:
    """A sum over rows of `outlook`; unknown values are left out, and their trials counted."""

    trials: int = 0
    steps: int = 0
    # The number of trials whose steps are unknown
    stepless: int = 0
    pflops: float = 0.0
    flopless: int = 0
    # The largest known value
    peak_gb: float | None = None
    # Memory of a worker on the host
    hours: float = 0.0
    gpu_hours: float = 0.0
    timeless: int = 0
    # The variance of the hours, in hours^2; None: unknown for some trials
    variance: float | None = 0.0

    def add(self, outlook: Outlook, needs: Needs) -> None:
        """Add the trials of a row, whose jobs have these needs."""
        count = outlook["trials"]
        self.trials += count
        self.steps += count * (outlook["steps"] or 0)
        self.stepless += count * (outlook["steps"] is None)
        self.pflops += count * (outlook["pflops"] or 0.0)
        self.flopless += count * (outlook["pflops"] is None)
        if outlook["peak_bytes"] is not None:
            self.peak_gb = max(self.peak_gb or 0.0, outlook["peak_bytes"] / 1e9)
        if outlook["seconds"] is None:
            self.timeless += count
            return
        hours = count * outlook["seconds"] / 3600
        self.hours += hours
        self.gpu_hours += hours * gpu_share(needs, outlook["device"])
        self._add_variance(count, outlook["error_s"], outlook["noise_s"])

    def _add_variance(self, count: int, error_s: float | None, noise_s: float | None) -> None:
        """Add the variance of the hours of `count` trials.

        The error of their mean is common to them, so it grows with their number; their individual
        deviations grow only with its square root.
        """
        if error_s is None or noise_s is None:
            self.variance = None
        elif self.variance is not None:
            self.variance += ((count * error_s) ** 2 + count * noise_s**2) / 3600**2

    @property
    def relative_error(self) -> float | None:
        """Return the relative half width of the hours' interval.

        It is None where too few trials have finished.
        """
        if self.variance is None or not self.hours:
            return None
        return LIKELY * math.sqrt(self.variance) / self.hours


def by_study(site: Site, outlooks: Iterable[Outlook]) -> dict[str | None, Sum]:
    """Return a sum per study, in the order in which their last trials would start."""
    sums: dict[str | None, Sum] = {}
    last_starts: dict[str | None, tuple[int, int]] = {}
    for outlook in outlooks:
        study = outlook["study"]
        sums.setdefault(study, Sum()).add(outlook, needs_of(site, outlook))
        # Sorted like `todo`: by priority, then by number
        start = (-outlook["priority"], outlook["last_trial"])
        last_starts[study] = max(last_starts.get(study, start), start)
    return {study: sums[study] for study in sorted(sums, key=lambda study: last_starts[study])}


def total(site: Site, outlooks: Iterable[Outlook]) -> Sum:
    """Return the sum over all rows."""
    whole = Sum()
    for outlook in outlooks:
        whole.add(outlook, needs_of(site, outlook))
    return whole


def needs_of(site: Site, outlook: Outlook) -> Needs:
    """Return the needs of the jobs of a row's trials."""
    return site.needs_of(outlook["backbone"]).spread(outlook["ranks"])


def gpu_share(needs: Needs, device: str | None) -> float:
    """Return a worker's share of its job's GPUs, which the trials at once in the job divide.

    An unknown device counts as a GPU.
    """
    if device is not None and device.startswith("cpu"):
        return 0.0
    return needs.nodes * needs.gpus_per_node / needs.trials_side_by_side


def too_large(site: Site, outlooks: Iterable[Outlook]) -> dict[tuple[str, float], list[Outlook]]:
    """Return the rows that need more memory than a GPU has, by backbone and GB of its GPUs.

    Trials that share a GPU need their memory at the same time.
    """
    rows: dict[tuple[str, float], list[Outlook]] = {}
    for outlook in outlooks:
        needs = needs_of(site, outlook)
        # gpu_memory_gb is 0 if unknown, and then no trial counts as too large
        if not needs.gpu_memory_gb:
            continue
        beside = math.ceil(needs.trials_side_by_side / max(needs.gpus_per_node, 1))
        if (outlook["peak_bytes"] or 0) * beside > needs.gpu_memory_gb * 1e9:
            rows.setdefault((outlook["backbone"], needs.gpu_memory_gb), []).append(outlook)
    return rows
