"""Backends, which run attempts: the interface that sync uses; each has a file in
`runner/backends/`.

sync hands submissions to a backend and queries the state of jobs, but never waits for them. A
backend keeps no state in memory, so any process may query any job, also after a crash or a reboot.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Protocol

from runner.submission import Submission
from schema.site import Site
from schema.words import nearest


class State(Enum):
    """The states of a job that a backend can report."""

    # Accepted, not started
    PENDING = "pending"
    RUNNING = "running"
    # The job has ended; the outcome file, if there is one, says how
    ENDED = "ended"
    # The backend answered, and does not know the job
    ABSENT = "absent"
    # The backend did not answer, or its answer was not understood: nothing can be concluded
    UNSURE = "unsure"


@dataclass(frozen=True)
class Place:
    """Where an attempt was submitted: its submission, its index in it and its run folder."""

    batch: str
    position: int
    folder: Path
    # The job's id; None: no answer of the backend was recorded
    job_id: str | None
    # When the attempt was created
    since: datetime


@dataclass(frozen=True)
class Sighting:
    """A backend's answer about the job of one attempt."""

    state: State
    job_id: str | None = None
    # The backend's own text: why a job waits, or how it ended
    reason: str | None = None
    # The kind of failure in the words of `outcome`, if the backend's state implies it; also
    # "cancelled", which is a state there
    kind: str | None = None
    # Whether the job waits and will not start without intervention
    stuck: bool = False


@dataclass
class Look:
    """A backend's answers about many attempts."""

    sightings: dict[Place, Sighting] = field(default_factory=dict)
    # Problems with answers that did not come or were not understood: the source, and the error
    problems: list[tuple[str, str]] = field(default_factory=list)
    # Whether the backend could be reached, so that further requests make sense
    answered: bool = True


class Backend(Protocol):
    """The interface that sync needs from a place where attempts run."""

    name: str
    # Seconds to wait for an unknown job or a late file; 0: answers are certain at once
    patience_s: float
    # Seconds between two passes of `--watch`
    pause_s: float

    def room(self, live: int) -> int:
        """Return how many more jobs it accepts now, given `live` jobs that have not ended."""
        ...

    def positions(self) -> int:
        """Return the most jobs that one submission may have.

        Raises:
            UnreachableError: it did not answer.
        """
        ...

    def submit(self, batch: Submission) -> list[str]:
        """Start a submission; return a job id per position, "" for a position not started.

        Raises:
            SubmissionRefusedError: it refused, and nothing was started.
            SubmissionUnknownError: there was no answer, or none that was understood, so jobs may
                have been started.
        """
        ...

    def look(self, places: Sequence[Place]) -> Look:
        """Return the states of any number of attempts in one query."""
        ...

    def wait(self, folders: Sequence[Path], longest_s: float) -> None:
        """Wait for the end of any job with attempts in these folders, at most `longest_s` seconds.

        A backend that cannot notice an end at once waits for the whole time.
        """
        ...

    def cancel(self, places: Sequence[Place]) -> None:
        """End the jobs at once, without a checkpoint.

        To end an attempt at a checkpoint, a `stop.json` is put into its folder instead.
        """
        ...


class BackendError(RuntimeError):
    """The backend cannot be used on this machine."""


class UnknownBackendError(BackendError):
    """There is no backend of that name."""


class UnreachableError(BackendError):
    """The backend did not answer."""


class SubmissionRefusedError(BackendError):
    """The backend refused a submission, and nothing was started."""


class SubmissionUnknownError(BackendError):
    """It is unknown whether the backend started a submission."""


def names() -> list[str]:
    """Return the name of every backend there is."""
    # A file whose name begins with _ is part of a backend and no backend itself
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def backend(name: str, site: Site) -> Backend:
    """Return the backend that site.toml or `--backend` names.

    A name is a file: "slurm" is the class `Slurm` of `runner/backends/slurm.py`.

    Raises:
        UnknownBackendError: there is no backend of that name.
        BackendError: it cannot be used on this machine.
    """
    if name not in names():
        raise UnknownBackendError(
            f"unknown backend {name!r}. Known: {', '.join(names())}.{nearest(name, names())}"
        )
    module = importlib.import_module(f"runner.backends.{name}")
    place: Backend = getattr(module, name.capitalize())(site)
    return place
