"""The report of a pass of sync, which also confines errors to single attempts."""

import contextlib
import errno
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runner.records import DamagedFileError

# Errors of the whole disk or machine instead of one attempt: they end the pass
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
    """The counts and problems of one pass of sync."""

    submitted: int = 0
    ended: int = 0
    rows: int = 0
    refused: int = 0
    # Trials and requests that rules added, and a line for each of these rules
    added: int = 0
    by_rules: list[str] = field(default_factory=list)
    # Trials that could start; None: not determined
    pending: int | None = None
    # Attempts that have not ended, queued ones included
    running: int = 0
    # The subject (squeue, a submission, trial 42, a file), and the problem
    problems: list[tuple[str, str]] = field(default_factory=list)
    # Backends that did not answer, which are not queried again in this pass
    silent: set[str] = field(default_factory=set)
    # Trials with attempts that ended in this pass
    over: set[int] = field(default_factory=set)
    # Whether the catalog was newer than its snapshot before the pass did anything
    touched: bool = False
    # Whether the set of problems changed
    noted: bool = False
    # The files removed because of disk_gb, in words
    removed: list[str] = field(default_factory=list)
    # Why jobs wait, in the backend's words
    queue: Counter[str] = field(default_factory=Counter)

    def problem(self, subject: str, message: str) -> None:
        """Record a problem with something unreachable or damaged, once."""
        # A file's name may be no valid text, which the catalog would refuse
        words = (
            subject.encode(errors="replace").decode(),
            message.encode(errors="replace").decode(),
        )
        if words not in self.problems:
            self.problems.append(words)

    def damaged(self, path: Path, why: str, consequence: str) -> None:
        """Record a damaged file, and the consequence."""
        self.problem(below(path), f"{why}; {consequence}")

    @contextlib.contextmanager
    def one(self, path: Path, consequence: str) -> Iterator[None]:
        """Run the block for one attempt or submission; damaged files end only the block.

        Raises:
            OSError: the disk is full, read-only or unreachable.
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
        """Return the report as a JSON object (`python -m runner.sync --json`)."""
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
        """Return whether the pass changed the catalog."""
        news = self.submitted or self.ended or self.rows or self.refused
        return bool(news or self.added or self.noted)


def below(path: Path) -> str:
    """Return the path of a run folder's file below `runs`, for messages and rows."""
    parts = path.parts
    for number in range(len(parts) - 1, 0, -1):
        # .../000042/02/claim, .../000042/02, .../batches/weir-1/manifest.json
        attempt = parts[number - 1].isdecimal() and parts[number].isdecimal()
        if attempt or parts[number - 1] == "batches":
            return "/".join(parts[number - 1 :])
    return str(path)
