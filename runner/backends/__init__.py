"""Where attempts run: what sync needs from such a place. One file of `runner/backends/` each.

sync gives a backend batches and asks it what it knows; it never waits for it. A backend keeps no
state in memory, so any process may ask about any job, also after a crash or a reboot.
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
    """What a backend knows about a job."""

    # Accepted, not started
    PENDING = "pending"
    RUNNING = "running"
    # It says so; the outcome file says how, or there is none
    ENDED = "ended"
    # It was asked, answered, and does not know the job
    ABSENT = "absent"
    # It could not be asked, or said something unknown: nothing follows from it
    UNSURE = "unsure"


@dataclass(frozen=True)
class Place:
    """Where an attempt was sent."""

    batch: str
    position: int
    folder: Path
    # None: no answer of the backend was recorded
    job_id: str | None
    # When the attempt was made
    since: datetime


@dataclass(frozen=True)
class Sighting:
    """What a backend says about one attempt's job."""

    state: State
    job_id: str | None = None
    # Its words: why a job waits, or how it ended
    reason: str | None = None
    kind: str | None = (
        # Of failure, in the words of `outcome`, where its own word says it; "cancelled" for a state
        None
    )
    # It waits, and will not start by itself
    stuck: bool = False


@dataclass
class Look:
    """What a backend says about many attempts at once."""

    sightings: dict[Place, Sighting] = field(default_factory=dict)
    # Who, what: an answer that did not come or was not understood
    problems: list[tuple[str, str]] = field(default_factory=list)
    # It can be reached, so that it may be asked for more
    answered: bool = True


class Backend(Protocol):
    """What sync needs from a place where attempts run."""

    name: str
    # How long a missed job or a late file is waited for; 0: what it says is certain at once
    patience_s: float
    # Between two looks of `--watch`
    pause_s: float

    def room(self, live: int) -> int:
        """How many more jobs it would take now, when `live` have no end yet."""
        ...

    def positions(self) -> int:
        """How many jobs one batch may have.

        Raises:
            UnreachableError: it could not be asked.
        """
        ...

    def submit(self, batch: Submission) -> list[str]:
        """Start a batch; a job id per position ("": that one was not started).

        Raises:
            SubmissionRefusedError: it said no, and nothing was started.
            SubmissionUnknownError: no answer, or none that can be understood: the jobs may be
                there.
        """
        ...

    def look(self, places: Sequence[Place]) -> Look:
        """What it knows about attempts, however many, in one go."""
        ...

    def cancel(self, places: Sequence[Place]) -> None:
        """End their jobs at once, without a checkpoint.

        (A `stop.json` in its folder ends an attempt at a checkpoint.)
        """
        ...


class BackendError(RuntimeError):
    """A backend that cannot be used here."""


class UnknownBackendError(BackendError):
    """No backend of that name."""


class UnreachableError(BackendError):
    """A backend that did not answer."""


class SubmissionRefusedError(BackendError):
    """It said no, and nothing was started."""


class SubmissionUnknownError(BackendError):
    """It may or may not have started the batch."""


def names() -> list[str]:
    """Every backend there is."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def backend(name: str, site: Site) -> Backend:
    """The backend that site.toml or `--backend` names: class `Slurm` of `runner/backends/slurm.py`
    for "slurm".

    Raises:
        UnknownBackendError: there is none of that name.
        BackendError: it cannot be used on this machine.
    """
    if name not in names():
        raise UnknownBackendError(
            f"unknown backend {name!r}. Known: {', '.join(names())}.{nearest(name, names())}"
        )
    made: Backend = getattr(importlib.import_module(f"runner.backends.{name}"), name.capitalize())(
        site
    )
    return made
