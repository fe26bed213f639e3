"""The report of one pass of sync; and how damage of one attempt is kept from stopping the pass."""

import contextlib
import errno
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runner.records import DamagedFileError

# What says that a whole disk or machine is in trouble, and not one attempt: then nothing is decided
LAB_WIDE = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EFBIG,
        errno.EIO,
        errno.ENOMEM,
        errno.EMFILE,
        errno.ENFILE,
    }
)


@dataclass
class Report:
    """The counts and problems of one pass: what it saw and did."""

    submitted: int = 0
    ended: int = 0
    rows: int = 0
    refused: int = 0
    # Trials and wishes that rules added, and a line for each rule that did
    added: int = 0
    by_rules: list[str] = field(default_factory=list)
    # Trials that could start; None: nobody has looked
    pending: int | None = None
    # Attempts without an end, queued ones too
    running: int = 0
    # Who (squeue, a submission, trial 42, a file), and what
    problems: list[tuple[str, str]] = field(default_factory=list)
    # Backends that did not answer: nothing more is asked of them in this pass
    silent: set[str] = field(default_factory=set)
    # Trials of which attempts ended in this pass
    over: set[int] = field(default_factory=set)
    # Whether problems came or went
    noted: bool = False
    # What was removed to keep to disk_gb, in words
    removed: list[str] = field(default_factory=list)
    # Why jobs wait, in the scheduler's words
    queue: Counter[str] = field(default_factory=Counter)

    def problem(self, subject: str, message: str) -> None:
        """Note what could not be trusted or reached, once."""
        # A name on a disk may be no text, and the catalog takes only text
        words = (
            subject.encode(errors="replace").decode(),
            message.encode(errors="replace").decode(),
        )
        if words not in self.problems:
            self.problems.append(words)

    def damaged(self, path: Path, why: str, consequence: str) -> None:
        """Note a file that is not what it must be, and what follows from that."""
        self.problem(below(path), f"{why}; {consequence}")

    @contextlib.contextmanager
    def one(self, path: Path, consequence: str) -> Iterator[None]:
        """Do the block for one attempt or submission; its damaged files end the block only.

        Raises:
            OSError: the disk itself is full, read-only or gone.
        """
        try:
            yield
        except DamagedFileError as error:
            self.damaged(error.path, error.why, consequence)
        except OSError as error:
            if error.errno in LAB_WIDE:
                raise
            place = Path(str(error.filename)) if error.filename else path
            self.damaged(place, f"{error.strerror or error}", consequence)

    def document(self) -> dict[str, object]:
        """Return the report for a program (`python -m runner.sync --json`)."""
        problems = []
        for subject, message in self.problems:
            problems.append({"subject": subject, "message": message})
        return {
            "format": 1,
            "submitted": self.submitted,
            "ended": self.ended,
            "rows": self.rows,
            "refused": self.refused,
            "running": self.running,
            "pending": self.pending,
            "removed": self.removed,
            "problems": problems,
        }

    @property
    def changed(self) -> bool:
        """Return whether the catalog is another than before."""
        news = self.submitted or self.ended or self.rows or self.refused
        return bool(news or self.added or self.noted)


def below(path: Path) -> str:
    """Return the name of a file of a run folder in messages and rows: its path below `runs`."""
    parts = path.parts
    for number in range(len(parts) - 1, 0, -1):
        # .../000042/02/claim, .../000042/02, .../batches/weir-1/manifest.json
        attempt = parts[number - 1].isdecimal() and parts[number].isdecimal()
        if attempt or parts[number - 1] == "batches":
            return "/".join(parts[number - 1 :])
    return str(path)
