"""A run folder: the only place where the two halves meet, and a bug report as it is.

    runs/000042/02/                     trial 42, attempt 2
        spec.json   job.json            what to run; where and for whom (written by sync before submission)
        claim                           created once, by the worker that runs the attempt or by sync to give it up
        alive                           its time is the worker's heartbeat; the local backend's workers also hold its lock
        stop.json                       sync wants the attempt to end at a checkpoint
        doubt.json                      sync missed its job, and since when
        log.txt     progress.json       for people and for `--watch`
        checkpoint-0003-000040.json     receipt of a checkpoint: task 3, step 40 (and .safetensors)
        task-0003.result.parquet ...    what task 3 brought, and task-0003.json, its receipt, written last
        task-0003.deployed.safetensors  weights (.last, .running: what merging will ask for)
        outcome.json                    how the attempt ended, in the words of its worker
        rank-1.json     log-1.txt       of another of its processes: how it ended, where not well; the log of one on another node
        verdict.json                    how it ended in sync's judgement, where no worker said

Every file is written aside, flushed and moved into place. Imports neither torch nor duckdb.
"""

import contextlib
import hashlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from schema.files import fsync
from schema.spec import Spec, canonical

STOPS = (
    None,
    "preempted",
    "timeout",
)  # why a worker is told to end, by the byte it shares with its job


def attempt_folder(runs: Path, trial: int, attempt: int) -> Path:
    """Where an attempt's files are."""
    return runs / f"{trial:06d}" / f"{attempt:02d}"


def trunks_folder(store: Path) -> Path:
    """Where the store has tasks as trained: a folder per stem."""
    return store / "trunks"


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat()


def crash_point(name: str) -> None:
    """Die here, as by kill -9, when the environment says so: `WEIR_CRASH_AT=<name>`, or `<name>:<n>` at the n-th passing; with
    `WEIR_CRASH_BY=SIGSTOP` wait here instead, to be met in the middle, until SIGCONT.

    The tests kill every named step of sync and of the trial this way.
    """
    wanted, _, count = os.environ.get("WEIR_CRASH_AT", "").partition(":")
    if wanted == name:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] == int(count or 1):
            os.kill(os.getpid(), signal.Signals[os.environ.get("WEIR_CRASH_BY", "SIGKILL")])


_passed: dict[str, int] = {}


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a path to write to aside; flush it and move it to `path` when the block ends well."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield aside
        fsync(aside)
        aside.replace(path)
        fsync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON, whole or not at all."""
    with whole(path) as aside:
        aside.write_text(canonical(value))


def read_json(path: Path) -> Any | None:
    """The parsed file, or None when it is not there or torn (which only a broken disk can make it)."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, UnicodeDecodeError):
        return None


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@dataclass(frozen=True)
class Job:
    """`job.json`: where and for whom an attempt runs. Nothing in it can change a number."""

    trial: int
    attempt: int
    batch: str
    position: int
    data: str
    threads: int = 1
    workers: int = 0
    checkpoint_minutes: float = 10.0
    backbone_weights: str | None = None  # what `trial:<id>` deployed last
    code: str = ""  # the snapshot it was submitted with
    code_folder: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    study: str | None = None  # this and all that follow: so that a lost catalog can be made again
    priority: int = 0
    created_at: str | None = None
    serial: int = 0
    store: str = ""  # where work that trials have in common is; "": nothing is shared
    stem: str = ""  # what trials that may have tasks in common have in common; "": no other trial wants any of this one's


class RunFolder:
    """One attempt's files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # ------------------------------------------------ written by sync

    def create(self, spec: Spec, job: Job) -> None:
        """Make the folder, whole, with what the worker must know. Not flushed to the disk: if the power fails before anything
        ran, the attempt is given up and made anew, and a thousand of these folders are made in one pass."""
        if self.path.exists():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        aside.mkdir(exist_ok=True)
        (aside / "spec.json").write_text(spec.to_json())
        (aside / "job.json").write_text(canonical(vars(job)))
        aside.rename(self.path)

    def revoke(self) -> bool:
        """Give the attempt up: True if no worker had it and none can have it any more."""
        return self._claim({"revoked": True})

    @property
    def revoked(self) -> bool:
        """Whether sync has given the attempt up before a worker had it."""
        return bool((read_json(self.path / "claim") or {}).get("revoked"))

    def stop(self) -> float:
        """Ask the worker to end at a checkpoint; seconds since that was asked first, by this machine's clock alone."""
        path = self.path / "stop.json"
        said = read_json(path)
        if said is None:
            write_json(path, {"at": now(), "at_s": time.time()})
            return 0.0
        return max(0.0, time.time() - float(said["at_s"]))

    def doubted(self, patience_s: float) -> bool:
        """Whether the attempt has been missed before, at least `patience_s` ago, without a heartbeat since. Notes the doubt.

        Only this machine's clock is read; one that was set back begins the wait anew.
        """
        path, pulse = self.path / "doubt.json", self.heartbeat()
        said = read_json(path)
        if said is not None and said["heartbeat"] == pulse and time.time() - said["at_s"] >= 0:
            return bool(time.time() - said["at_s"] >= patience_s)
        write_json(path, {"heartbeat": pulse, "at_s": time.time()})
        return patience_s == 0

    def trust(self) -> None:
        """The attempt's job was seen: what was missed before does not count."""
        (self.path / "doubt.json").unlink(missing_ok=True)

    def heartbeat(self) -> int:
        """The worker's latest sign of life, as a number that only grows; 0 before the first."""
        try:
            return (self.path / "alive").stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    # ------------------------------------------------ read by the worker

    def claim(self) -> bool:
        """Take the attempt: True for exactly one caller, ever."""
        return self._claim({"revoked": False})

    @property
    def claimed(self) -> bool:
        """Whether somebody took the attempt or gave it up."""
        return (self.path / "claim").exists()

    @property
    def told_to_stop(self) -> bool:
        """Whether sync wants it to end."""
        return (self.path / "stop.json").exists()

    def _claim(self, said: dict[str, Any]) -> bool:
        try:
            handle = os.open(self.path / "claim", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w") as file:
            file.write(
                canonical(said | {"pid": os.getpid(), "host": socket.gethostname(), "at": now()})
            )
            file.flush()
            os.fsync(file.fileno())
        fsync(self.path)
        return True

    def spec(self) -> Spec:
        """What to run."""
        return Spec.read(self.path)

    def job(self) -> Job:
        """Where and for whom."""
        said = read_json(self.path / "job.json")
        if said is None:
            raise FileNotFoundError(
                f"{self.path / 'job.json'} is missing or torn; runner.sync writes it"
            )
        return Job(**said)

    def relatives(self, spec: Spec) -> list["RunFolder"]:
        """This attempt and the earlier ones of the same definition, newest first: their files are there to go on from."""
        found = (
            p
            for p in self.path.parent.iterdir()
            if p.name.isdigit() and int(p.name) <= int(self.path.name)
        )
        ordered = sorted(found, key=lambda p: int(p.name), reverse=True)
        return [
            RunFolder(p)
            for p in ordered
            if read_json(p / "spec.json") == json.loads(spec.to_json())
        ]

    # ------------------------------------------------ receipts and outcome

    def receipts(self) -> dict[int, dict[str, Any]]:
        """Task -> receipt, of the tasks that this attempt finished and whose files are as they were written."""
        found = {}
        for path in sorted(self.path.glob("task-[0-9]*.json")):
            said = read_json(path)
            if said is not None and all(self._is_whole(entry) for entry in said["files"].values()):
                found[int(said["task"])] = said
        return found

    def _is_whole(self, entry: dict[str, Any]) -> bool:
        path = self.path / str(entry["file"])
        return path.exists() and sha256(path) == entry["sha256"]

    def words(self, rank: int = 0) -> Path:
        """Where a process of the attempt says how it ended; the first one for all of them."""
        return self.path / (f"rank-{rank}.json" if rank else "outcome.json")

    def outcome(self) -> dict[str, Any] | None:
        """How the worker says the attempt ended; None while it has not."""
        said = read_json(self.words())
        return said if isinstance(said, dict) else None

    def progress(self) -> dict[str, Any] | None:
        """The worker's latest word on how far it is."""
        said = read_json(self.path / "progress.json")
        return said if isinstance(said, dict) else None


def tail(path: Path, size: int = 4000) -> str:
    """The last `size` bytes of a text file; empty when there is none."""
    try:
        with path.open("rb") as handle:
            handle.seek(0, os.SEEK_END)
            handle.seek(max(0, handle.tell() - size))
            return handle.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def done_tasks(folders: list[RunFolder]) -> dict[int, tuple[RunFolder, dict[str, Any]]]:
    """Task -> (folder, receipt) over several attempts, newest first: the newest attempt that has a task holds it."""
    found: dict[int, tuple[RunFolder, dict[str, Any]]] = {}
    for folder in folders:
        for task, receipt in folder.receipts().items():
            found.setdefault(task, (folder, receipt))
    return found
