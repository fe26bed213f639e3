"""Sums of what is pending, by study: steps, FLOPs, memory, hours with an interval. Pure
arithmetic.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from schema.site import Needs, Site

# Standard deviations to each side of a sum: 95 of 100 times, were the errors normal
LIKELY = 1.96
# A row of the view `outlook`: what is expected of the pending trials of one study and setting
Outlook = Mapping[str, Any]


@dataclass
class Sum:
    """The sum over some rows of `outlook`. What is not known of some of them is left out, and
    counted.
    """

    trials: int = 0
    steps: int = 0
    # Trials of which the steps are not known
    stepless: int = 0
    pflops: float = 0.0
    flopless: int = 0
    # The largest that is known
    peak_gb: float | None = None
    # Of a worker
    hours: float = 0.0
    gpu_hours: float = 0.0
    timeless: int = 0
    # Of the hours, in hours^2; None: some trials have no interval
    variance: float | None = 0.0

    def add(self, outlook: Outlook, needs: Needs) -> None:
        """Add the trials of a row, whose jobs ask for `needs`."""
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

        They share the error of their mean, which therefore grows with their number; what each of
        them deviates by on its own does not add up so fast.
        """
        if error_s is None or noise_s is None:
            self.variance = None
        elif self.variance is not None:
            self.variance += ((count * error_s) ** 2 + count * noise_s**2) / 3600**2

    @property
    def relative_error(self) -> float | None:
        """The share by which the hours may be off, to either side.

        None: too few trials have finished to tell.
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
        # The order of `todo`: by priority, then by number
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
    """Return what the job of a trial asks for."""
    return site.needs_of(outlook["backbone"]).spread(outlook["ranks"])


def gpu_share(needs: Needs, device: str | None) -> float:
    """Return how many GPUs a worker occupies: those of its job, shared by the trials beside it.

    A device that is not known is taken for a GPU.
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
        # gpu_memory_gb 0: not known, so nothing is called too large
        if not needs.gpu_memory_gb:
            continue
        beside = math.ceil(needs.trials_side_by_side / max(needs.gpus_per_node, 1))
        if (outlook["peak_bytes"] or 0) * beside > needs.gpu_memory_gb * 1e9:
            rows.setdefault((outlook["backbone"], needs.gpu_memory_gb), []).append(outlook)
    return rows
