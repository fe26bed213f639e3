"""A lab with attempts in every state, whose files are damaged in every way, without a single job.

The files are what workers leave, written in milliseconds; what jobs do is told by `Still`, a
backend whose jobs stand still in the state that the lab was built in. One attempt is the unit of
failure, so a pass is given damage of many attempts at once, and each of them is a case.
"""

import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.backends import Look, Place, Sighting, State, SubmissionRefusedError
from runner.backends.local import Local
from runner.run_folder import RunFolder, attempt_folder, write_json
from runner.scheduler.report import Report
from runner.submission import Submission
from runner.sync import sync
from schema.site import Site
from tests.faults.stage import MEASURED, write_all, write_outcome, write_task
from tests.journey import LOCAL, copied, declare, tell

# What an attempt is doing when its files are damaged
SITUATIONS = (
    "queued",
    "running",
    "finished",
    "ingested",
    "failed",
    "died",
    "withdrawn",
    "lost",
    "refused",
)
RUNNING = ("running", "withdrawn")
OVER = ("finished", "ingested", "failed", "died", "lost")


class Still(Local):
    """Jobs that stand still: a pass sees them in one state, and none is ever started."""

    def __init__(self, site: Site, roles: dict[int, str], places: int = 0) -> None:
        super().__init__(site)
        self.roles, self.places, self.refuses = roles, places, False
        # Trials whose jobs have not begun
        self.waiting: set[int] = set()

    def room(self, live: int) -> int:
        return self.places

    def positions(self) -> int:
        return 1

    def submit(self, batch: Submission) -> list[str]:
        trial = int(batch.positions[0][0].partition("/")[0])
        if self.refuses and self.roles.get(trial) == "refused":
            raise SubmissionRefusedError("not today")
        return [f"{batch.name}_0"]

    def look(self, places: Sequence[Place]) -> Look:
        return Look({place: self._seen(place) for place in places})

    def wait(self, folders: Sequence[Path], longest_s: float) -> None:
        return

    def cancel(self, places: Sequence[Place]) -> None:
        return

    def _seen(self, place: Place) -> Sighting:
        trial = int(place.folder.parent.name)
        role = self.roles[trial]
        still = trial in self.waiting or role in ("queued", "refused")
        if int(place.folder.name) > 1 or still:
            return Sighting(State.PENDING, f"{place.batch}_0")
        return Sighting(State.RUNNING if role in RUNNING else State.ENDED, f"{place.batch}_0")


@dataclass
class Wreck:
    """A lab, and what its trials are doing."""

    site: Site
    roles: dict[int, str]
    still: Still

    @classmethod
    def build(cls, folder: Path, each: int) -> "Wreck":
        """Make a lab with so many trials in each situation."""
        count = each * len(SITUATIONS)
        site = declare(folder, LOCAL, count)
        tell(site, f"DELETE FROM suite_member WHERE dataset <> '{MEASURED}'")
        # So many fail alike here that the rest would wait for a person
        tell(site, "UPDATE policy SET value = 100000 WHERE name = 'same_errors'")
        roles = {trial: SITUATIONS[(trial - 1) % len(SITUATIONS)] for trial in range(1, count + 1)}
        # What is refused comes last: after a refusal nothing with the same needs is offered
        last = ", ".join(str(trial) for trial, role in roles.items() if role == "refused")
        tell(site, f"UPDATE trial SET priority = -1 WHERE id IN ({last})")
        wreck = cls(site, roles, Still(site, roles, count))
        wreck.still.waiting, wreck.still.refuses = set(roles), True
        wreck.sync()
        wreck.still.places = 0
        for role in ("ingested", "lost"):
            for run in wreck.runs(role):
                wreck.act(run, role)
        wreck.sync()
        for role in sorted(set(SITUATIONS) - {"ingested", "lost"}):
            for run in wreck.runs(role):
                wreck.act(run, role)
        return wreck

    def runs(self, role: str) -> list[RunFolder]:
        trials = [trial for trial, each in self.roles.items() if each == role]
        return [RunFolder(attempt_folder(self.site.runs, trial, 1)) for trial in trials]

    def act(self, run: RunFolder, role: str) -> None:
        """Leave what a worker leaves in a situation."""
        trial = int(run.path.parent.name)
        self.still.waiting.discard(trial)
        if role in ("queued", "refused"):
            return
        assert run.claim()
        (run.path / "alive").touch()
        (run.path / "log.txt").write_text("began\n")
        if role in ("finished", "ingested"):
            write_all(run)
            return
        write_task(run, 0)
        for step in (1, 2):
            write_json(run.path / f"checkpoint-0001-{step:06d}.json", {"task": 1, "step": step})
            (run.path / f"checkpoint-0001-{step:06d}.safetensors").write_bytes(b"\1" * 400)
        about = {"task": 1, "tasks": 2, "step": 2, "steps": 4, "loss": 1.0, "at": ""}
        write_json(run.path / "progress.json", about | {"pairs_per_s": 9.0, "batch_pairs": 8})
        if role == "failed":
            write_outcome(run, state="failed", kind="error", message="no such layer")
        if role == "withdrawn":
            tell(self.site, f"INSERT INTO request (trial, wish) VALUES ({trial}, 'withdraw')")

    def copy(self, folder: Path) -> "Wreck":
        """The same lab elsewhere, to be damaged."""
        copied(self.site.folder, folder)
        site = Site.load(folder)
        return Wreck(site, self.roles, Still(site, self.roles))

    def sync(self) -> Report:
        """One pass, in this process."""
        return sync(self.site, self.still)


# ---------------------------------------------------------------- damage


def removed(path: Path, dice: random.Random, other: Path) -> None:
    path.unlink()


def emptied(path: Path, dice: random.Random, other: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path, dice: random.Random, other: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: dice.randrange(max(1, len(content)))])


def changed(path: Path, dice: random.Random, other: Path) -> None:
    content = bytearray(path.read_bytes() or b"\0")
    content[dice.randrange(len(content))] ^= dice.randrange(1, 256)
    path.write_bytes(content)


def zeroed(path: Path, dice: random.Random, other: Path) -> None:
    path.write_bytes(b"\0" * len(path.read_bytes()))


def another_type(path: Path, dice: random.Random, other: Path) -> None:
    path.write_text(dice.choice(["[]", "null", "3", '"text"', "{}", "[{}]", "true", "NaN"]))


def other_values(path: Path, dice: random.Random, other: Path) -> None:
    """One value of the object is of another type."""
    try:
        value = json.loads(path.read_bytes())
        key = dice.choice(sorted(value))
    except (ValueError, TypeError, IndexError, RecursionError):
        path.write_text('{"state": 3}')
        return
    value[key] = dice.choice([None, 3, -(10**30), 1.5, "\ud800", "x\0y", [], {}, True, "1e999"])
    path.write_text(json.dumps(value))


def nested(path: Path, dice: random.Random, other: Path) -> None:
    path.write_text(dice.choice(["[", '{"a":']) * 100_000)


def anothers(path: Path, dice: random.Random, other: Path) -> None:
    """The file of the same name of another attempt."""
    if other.is_file() and other != path:
        shutil.copyfile(other, path)
    else:
        path.write_text("{}")


def unreadable(path: Path, dice: random.Random, other: Path) -> None:
    """A link to itself: root, too, cannot read it."""
    path.unlink()
    path.symlink_to(path.name)


def a_folder(path: Path, dice: random.Random, other: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").write_text("in the way")


DAMAGES: list[Callable[[Path, random.Random, Path], None]] = [
    removed,
    emptied,
    cut,
    changed,
    zeroed,
    another_type,
    other_values,
    nested,
    anothers,
    unreadable,
    a_folder,
]


def mended(path: Path, right: bytes) -> None:
    """Put the file back as it was."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(right)


def files_of(run: RunFolder) -> list[Path]:
    """Everything that lies in the folder of an attempt and of its submission."""
    batch = json.loads((run.path / "job.json").read_text())["batch"]
    folders = (run.path, run.path.parent.parent / "batches" / batch)
    return sorted(path for folder in folders for path in folder.iterdir() if path.is_file())
