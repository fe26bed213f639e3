"""Places where attempts run, and what sync needs from one; each has a file in `runner/backends/`.

sync gives a backend submissions and asks it what it knows; it never waits for it. A backend keeps
no state in memory, so any process may ask about any job, also after a crash or a reboot.
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
    """The states of a job, as far as a backend knows it."""

    # Accepted, not started
    PENDING = "pending"
    RUNNING = "running"
    # The backend says that it is over; the outcome file says how, or there is none
    ENDED = "ended"
    # The backend was asked, answered, and does not know the job
    ABSENT = "absent"
    # The backend could not be asked, or answered something unknown: nothing follows from it
    UNSURE = "unsure"


@dataclass(frozen=True)
class Place:
    """The place to which an attempt was sent: its submission, its index there and its folder."""

    batch: str
    position: int
    folder: Path
    # None: no answer of the backend was recorded
    job_id: str | None
    # When the attempt was made
    since: datetime


@dataclass(frozen=True)
class Sighting:
    """The answer of a backend about one attempt's job."""

    state: State
    job_id: str | None = None
    # The backend's own words: why a job waits, or how it ended
    reason: str | None = None
    # The kind of failure in the words of `outcome`, where the backend's word tells it; also
    # "cancelled", which is a state there
    kind: str | None = None
    # The job waits, and will not start by itself
    stuck: bool = False


@dataclass
class Look:
    """The answers of a backend about many attempts at once."""

    sightings: dict[Place, Sighting] = field(default_factory=dict)
    # Who was asked and what went wrong: an answer that did not come or was not understood
    problems: list[tuple[str, str]] = field(default_factory=list)
    # The backend can be reached, so that it may be asked for more
    answered: bool = True


class Backend(Protocol):
    """The interface that sync needs from a place where attempts run."""

    name: str
    # How long a missed job or a late file is waited for; 0: what it says is certain at once
    patience_s: float
    # The time between two looks of `--watch`
    pause_s: float

    def room(self, live: int) -> int:
        """Return how many more jobs it would take now, when `live` jobs have no end yet."""
        ...

    def positions(self) -> int:
        """Return how many jobs one submission may have.

        Raises:
            UnreachableError: it could not be asked.
        """
        ...

    def submit(self, batch: Submission) -> list[str]:
        """Start a submission; return a job id per position ("": that one was not started).

        Raises:
            SubmissionRefusedError: it said no, and nothing was started.
            SubmissionUnknownError: no answer, or none that can be understood: the jobs may be
                there.
        """
        ...

    def look(self, places: Sequence[Place]) -> Look:
        """Return what it knows about attempts, however many, in one go."""
        ...

    def wait(self, folders: Sequence[Path], longest_s: float) -> None:
        """Wait, at most so long, for the end of a job whose attempts are in these folders.

        A backend that does not see that at once waits for the whole time.
        """
        ...

    def cancel(self, places: Sequence[Place]) -> None:
        """End their jobs at once, without a checkpoint.

        (A `stop.json` in its folder ends an attempt at a checkpoint.)
        """
        ...


class BackendError(RuntimeError):
    """The backend cannot be used here."""


class UnknownBackendError(BackendError):
    """There is no backend of that name."""


class UnreachableError(BackendError):
    """The backend did not answer."""


class SubmissionRefusedError(BackendError):
    """The backend said no, and nothing was started."""


class SubmissionUnknownError(BackendError):
    """The backend may or may not have started the submission."""


def names() -> list[str]:
    """Return the name of every backend there is."""
    # A file that begins with _ is a part of one
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def backend(name: str, site: Site) -> Backend:
    """Return the backend that site.toml or `--backend` names.

    A name is a file: "slurm" is the class `Slurm` of `runner/backends/slurm.py`.

    Raises:
        UnknownBackendError: there is none of that name.
        BackendError: it cannot be used on this machine.
    """
    if name not in names():
        raise UnknownBackendError(
            f"unknown backend {name!r}. Known: {', '.join(names())}.{nearest(name, names())}"
        )
    module = importlib.import_module(f"runner.backends.{name}")
    place: Backend = getattr(module, name.capitalize())(site)
    return place
