"""What is pending, added up by study: steps, FLOPs, memory, hours with an interval, and when it would end. Pure arithmetic."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from schema.site import Needs, Site

LIKELY = 1.96  # standard deviations to each side: 95 of 100 times, were the errors normal
Kind = Mapping[str, Any]  # a row of `outlook`


@dataclass
class Sum:
    """Of some kinds of trials. What is not known of some of them is left out, and counted."""

    trials: int = 0
    steps: int = 0
    stepless: int = 0  # trials whose steps are not known
    pflops: float = 0.0
    flopless: int = 0
    peak_gb: float | None = None  # the largest that is known
    hours: float = 0.0  # of a worker
    gpu_hours: float = 0.0
    timeless: int = 0
    variance: float | None = 0.0  # of the hours, in hours^2; None: some have no interval

    def add(self, kind: Kind, needs: Needs) -> None:
        """One more kind."""
        count = kind["trials"]
        self.trials += count
        self.steps += count * (kind["steps"] or 0)
        self.stepless += count * (kind["steps"] is None)
        self.pflops += count * (kind["pflops"] or 0.0)
        self.flopless += count * (kind["pflops"] is None)
        if kind["peak_bytes"] is not None:
            self.peak_gb = max(self.peak_gb or 0.0, kind["peak_bytes"] / 1e9)
        if kind["seconds"] is None:
            self.timeless += count
            return
        self.hours += count * kind["seconds"] / 3600
        self.gpu_hours += count * kind["seconds"] / 3600 * gpu_share(needs, kind["device"])
        if kind["error_s"] is None or kind["noise_s"] is None:
            self.variance = None
        elif self.variance is not None:
            self.variance += (
                (count * kind["error_s"]) ** 2 + count * kind["noise_s"] ** 2
            ) / 3600**2

    @property
    def about(self) -> float | None:
        """By which share the hours may be off, to either side; None: too few trials have finished to tell."""
        return (
            None
            if self.variance is None or not self.hours
            else LIKELY * math.sqrt(self.variance) / self.hours
        )


def by_study(site: Site, kinds: Iterable[Kind]) -> dict[str | None, Sum]:
    """In the order in which their last trials would start."""
    sums: dict[str | None, Sum] = {}
    last: dict[str | None, tuple[int, int]] = {}
    for kind in kinds:
        sums.setdefault(kind["study"], Sum()).add(kind, needs_of(site, kind))
        place = (-kind["priority"], kind["last_trial"])
        last[kind["study"]] = max(last.get(kind["study"], place), place)
    return {study: sums[study] for study in sorted(sums, key=lambda study: last[study])}


def total(site: Site, kinds: Iterable[Kind]) -> Sum:
    """Of all."""
    found = Sum()
    for kind in kinds:
        found.add(kind, needs_of(site, kind))
    return found


def needs_of(site: Site, kind: Kind) -> Needs:
    """What the job of a trial of a kind asks for."""
    return site.needs_of(kind["backbone"]).spread(kind["ranks"])


def gpu_share(needs: Needs, device: str | None) -> float:
    """GPUs that a worker occupies: those of its job, shared by the trials that run side by side in it."""
    on_gpu = device is None or not device.startswith("cpu")
    return needs.nodes * needs.gpus_per_node / needs.trials_side_by_side if on_gpu else 0.0


def too_large(site: Site, kinds: Iterable[Kind]) -> dict[tuple[str, float], list[Kind]]:
    """Kinds that need more memory than a GPU has, by backbone and GB of its GPUs; those that share a GPU need theirs at once."""
    found: dict[tuple[str, float], list[Kind]] = {}
    for kind in kinds:
        needs = needs_of(site, kind)
        beside = math.ceil(needs.trials_side_by_side / max(needs.gpus_per_node, 1))
        if needs.gpu_memory_gb and (kind["peak_bytes"] or 0) * beside > needs.gpu_memory_gb * 1e9:
            found.setdefault((kind["backbone"], needs.gpu_memory_gb), []).append(kind)
    return found
