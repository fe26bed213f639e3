"""The JSON files of a run folder as types: what is in each, and for how long it is true.

Files of older versions lack fields that have a default here. `runner.records` reads them. Standard
library only.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

from runner.records import DamagedFileError, FileRecord, fits, read_object

# Every finished task brings these tables; `profile` comes with task 0 of some.
TABLES = ("result", "cost", "progress", "statistic")
# What became of each test item, in a file that goes into no table (`runner.worker.items`)
ITEMS = "items"


@dataclass(frozen=True, kw_only=True)
class Assignment(FileRecord):
    """`job.json`: where and for whom an attempt runs. Nothing in it can change a number."""

    trial: int
    attempt: int
    # The name of its submission, and its index there
    batch: str
    position: int
    data: str
    threads: int = 1
    workers: int = 0
    checkpoint_minutes: float = 10.0
    # The file of what `trial:<id>` deployed last, where the backbone is one
    backbone_weights: str | None = None
    # The code snapshot it was submitted with
    code: str = ""
    code_folder: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    # This and the next three are there so that a lost catalog can be made again
    study: str | None = None
    priority: int = 0
    created_at: str | None = None
    serial: int = 0
    # Where work that trials have in common is; "": nothing is shared
    store: str = ""
    # How much of the store decoded test images may take; 0: none are kept
    decoded_gb: float = 0.0
    # Where a node keeps shards of streams that it fetched, and how much they may take; "": below
    # the data
    cache: str = ""
    cache_gb: float = 0.0
    # What trials with tasks in common have in common; "": no other trial wants any of this one's
    stem: str = ""
    # Of the definition beside it; "": an older version did not say
    spec_id: str = ""
    # Of which tasks the deployed weights stay: `last`, `all` or `every:N`
    keep_weights: str = "last"
    # The suite that it measures, without training; None: it trains
    measures: str | None = None
    # The first attempt at training the trial again, which this one is or goes on from; None: it
    # trains for the first time, or measures
    retrains: int | None = None
    # `trial:7` -> the file of what it deployed, of the trials that the tuning `given` takes from
    given_weights: dict[str, str] = field(default_factory=dict)
    # The run folder of another lab that it was adopted from; None: it was made here
    origin: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome(FileRecord):
    """`outcome.json` and `verdict.json`: how an attempt ended, said by its worker or judged by
    sync.
    """

    state: str
    kind: str | None = None
    message: str | None = None
    log_tail: str | None = None
    host: str | None = None
    device: str | None = None
    versions: dict[str, str] | None = None
    commit: str | None = None
    # ISO 8601, in UTC once read
    started_at: str | None = None
    finished_at: str | None = None
    # Whose outcome it is; files of older versions do not say
    trial: int | None = None
    attempt: int | None = None

    @classmethod
    def of(cls, path: Path, value: Mapping[str, Any]) -> Self:
        """Return the record, its times in UTC as every database reads them."""
        record = super().of(path, value)
        times: dict[str, Any] = {}
        for name in ("started_at", "finished_at"):
            text = getattr(record, name)
            times[name] = None if text is None else _utc(path, name, text)
        return dataclasses.replace(record, **times)


@dataclass(frozen=True, kw_only=True)
class RankReport(Outcome):
    """`rank-2.json`: how another process of a trial than the first ended, unless it ended well."""

    # When it failed, in seconds since the epoch by its machine's clock
    at: float

    @property
    def outcome(self) -> Outcome:
        """The report as an outcome of the attempt."""
        words = {each.name: getattr(self, each.name) for each in dataclasses.fields(Outcome)}
        return Outcome(**words)


def _utc(path: Path, name: str, text: str) -> str:
    try:
        time = datetime.fromisoformat(text)
        known = time if time.tzinfo else time.replace(tzinfo=UTC)
        return known.astimezone(UTC).isoformat()
    except (ValueError, OverflowError) as error:
        raise DamagedFileError(path, f"has a {name!r} that is no time") from error


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """One file that a receipt vouches for."""

    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class TableEntry(FileEntry):
    """A file with the rows of one table."""

    rows: int


def is_kept(keep: str, task: int) -> bool:
    """Return whether what a task before the last one deployed stays.

    keep: `last` (none of them), `all` or `every:N`, as `keep_weights` of site.toml has it.
    """
    word, _, number = keep.partition(":")
    return word == "all" or (word == "every" and task % int(number) == 0)


Entry = TypeVar("Entry", bound=FileEntry)


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """`task-0003.json`: what a finished task brought, written last.

    `files` has an entry for each table, and one for `items` where the suite keeps them; `weights`
    has one for each kind of weights that was kept.
    """

    trial: int
    attempt: int
    spec_id: str
    task: int
    files: dict[str, TableEntry]
    weights: dict[str, FileEntry]

    @classmethod
    def read(cls, path: Path) -> "Receipt | None":
        """Return what the receipt says, or None when there is none.

        Raises:
            DamagedFileError: it is not one, or does not name every table that a task brings.
        """
        value = read_object(path)
        return None if value is None else cls.of(path, value)

    @classmethod
    def of(cls, path: Path, value: Mapping[str, Any]) -> "Receipt":
        """Return the receipt of a parsed object that came from `path`."""
        words = {"trial": int, "attempt": int, "spec_id": str, "task": int}
        for name, kind in words.items():
            if not fits(value.get(name), kind):
                raise DamagedFileError(path, f"has no {name!r} that is a {kind.__name__}")
        files = _entries(path, value.get("files"), TableEntry)
        weights = _entries(path, value.get("weights", {}), FileEntry)
        unknown = sorted(set(value) - {*words, "files", "weights"})
        if unknown:
            raise DamagedFileError(path, f"has unknown keys {unknown}")
        missing = [table for table in TABLES if table not in files]
        if missing:
            raise DamagedFileError(path, f"names no file for {', '.join(missing)}")
        return cls(**{name: value[name] for name in words}, files=files, weights=weights)


def _entries(path: Path, value: Any, kind: type[Entry]) -> dict[str, Entry]:
    if not isinstance(value, dict):
        raise DamagedFileError(path, "does not list its files")
    types = {each.name: each.type for each in dataclasses.fields(kind)}
    entries = {}
    for name, entry in value.items():
        named = isinstance(entry, dict) and set(entry) == set(types)
        if not named or not all(fits(entry[key], each) for key, each in types.items()):
            raise DamagedFileError(path, f"does not say {', '.join(types)} of {name!r}")
        # A receipt vouches for files of its own folder, whatever it says
        if not _is_plain(entry["file"]):
            raise DamagedFileError(path, f"names {entry['file']!r}, which is no file beside it")
        entries[name] = kind(**entry)
    return entries


def _is_plain(name: str) -> bool:
    return bool(name) and "/" not in name and "\0" not in name and name not in (".", "..")


@dataclass(frozen=True, kw_only=True)
class Progress(FileRecord):
    """`progress.json`: how far a worker is, for people who watch."""

    task: int
    tasks: int
    step: int
    steps: int
    loss: float | None
    pairs_per_s: float
    batch_pairs: int
    at: str = ""
    # What it does: `train`, `fold`, `merge` or `evaluate`
    phase: str = "train"
    lr: float | None = None
    # Points of the task's curve: a step, and the loss after it
    curve: list[list[float]] = field(default_factory=list)

    @property
    def total_steps(self) -> int:
        """The steps of all tasks."""
        return self.tasks * self.steps

    @property
    def done_steps(self) -> int:
        """The steps behind it, over all tasks."""
        # Task 0 measures the untouched backbone, and has no steps.
        return max(self.task - 1, 0) * self.steps + self.step

    @property
    def remaining_s(self) -> float | None:
        """Seconds that the trial still trains at its present rate; None: no rate is known."""
        if self.pairs_per_s <= 0:
            return None
        return (self.total_steps - self.done_steps) * self.batch_pairs / self.pairs_per_s


@dataclass(frozen=True, kw_only=True)
class Claim(FileRecord):
    """`claim`: who took an attempt, or that sync gave it up before anybody could."""

    revoked: bool
    pid: int = 0
    host: str = ""
    at: str = ""


@dataclass(frozen=True, kw_only=True)
class Doubt(FileRecord):
    """`doubt.json`: since when sync has missed the job of an attempt, by its own clock."""

    heartbeat: int
    at_s: float


@dataclass(frozen=True, kw_only=True)
class StopWish(FileRecord):
    """`stop.json`: when sync first asked the attempt to end at a checkpoint."""

    at: str
    at_s: float
