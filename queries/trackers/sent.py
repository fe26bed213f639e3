"""What was sent to trackers that cannot be asked: a file beside the catalog, for each tracker.

W&B offline and trackio are told a point once. The file says of every run how many of its points
were sent; it is written after each run, so an export that is killed sends one run's points again
at most, under the same steps.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from queries.trackers import Sent, TrackerError
from queries.trackers.runs import Run
from schema.files import fsync
from schema.site import Site

FOLDER = "exported"


@dataclass(kw_only=True)
class Ledger:
    """How many points of each run were sent to a project of a tracker."""

    path: Path
    # Project -> key of a run -> points
    sent: dict[str, dict[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, site: Site, tracker: str) -> "Ledger":
        """Read the file of a tracker, where there is one.

        Raises:
            TrackerError: it cannot be read.
        """
        path = site.catalog.parent / FOLDER / f"{tracker}.json"
        if not path.exists():
            return cls(path=path)
        try:
            sent = json.loads(path.read_text())
            for project in sent.values():
                if not all(isinstance(points, int) for points in project.values()):
                    raise ValueError("a number of points is no number")
            return cls(path=path, sent=sent)
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise TrackerError(
                f"{path} says what was sent, and cannot be read ({error}). Move it away to send "
                "everything again"
            ) from error

    def points(self, project: str, key: str) -> int:
        """Return how many points of a run were sent."""
        return self.sent.get(project, {}).get(key, 0)

    def note(self, project: str, key: str, points: int) -> None:
        """Write down that so many points of a run were sent."""
        self.sent.setdefault(project, {})[key] = points
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_name(f".{self.path.name}-{os.getpid()}")
        aside.write_text(json.dumps(self.sent, indent=1, sort_keys=True))
        fsync(aside)
        aside.replace(self.path)


def send_new(
    runs: Sequence[Run], project: str, ledger: Ledger, send: Callable[[Run, str, int], None]
) -> Sent:
    """Send what the ledger lacks of each run, and note it.

    `send` takes a run, the project, and how many points of the run to leave out, from the first.

    Raises:
        TrackerError: as `send`; the runs before are noted.
    """
    new = grown = 0
    for run in runs:
        before = ledger.points(project, run.key)
        if before == len(run.points):
            continue
        send(run, project, before)
        ledger.note(project, run.key, len(run.points))
        new, grown = new + (before == 0), grown + (before > 0)
    return Sent(new=new, grown=grown, there=len(runs) - new - grown)
