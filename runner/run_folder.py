"""A run folder: the only place where the two halves meet, and a bug report as it is.

    runs/000042/02/                     trial 42, attempt 2
        spec.json   job.json            what to run; where and for whom (sync, before submission)
        claim                           created once: by the worker that runs the attempt, or by
                                        sync to give it up
        alive                           its time is the worker's heartbeat; the local backend's
                                        workers also hold its lock
        stop.json                       sync wants the attempt to end at a checkpoint
        doubt.json                      sync missed its job, and since when
        log.txt     progress.json       for people and for `--watch`
        checkpoint-0003-000040.json     receipt of a checkpoint: task 3, step 40 (and .safetensors)
        task-0003.result.parquet ...    what task 3 brought, and task-0003.json, its receipt, last
        task-0003.items.parquet         which test items were right, where the suite keeps them
        task-0003.deployed.safetensors  weights (.last, .running, .folded: for merging); large
                                        tensors that did not move are in runs/tensors
        outcome.json                    how the attempt ended, in the words of its worker
        rank-1.json     log-1.txt       how another of its processes ended, where not well; the log
                                        of one on another node
        verdict.json                    how it ended in sync's judgement, where no worker said

Every file is written aside, flushed and moved into place. `runner.run_files` has their contents.
Imports neither torch nor duckdb.
"""

import contextlib
import hashlib
import json
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runner import tensor_store
from runner.records import DamagedFileError, read_object, sealed
from runner.run_files import (
    ITEMS,
    Assignment,
    Claim,
    FileEntry,
    Outcome,
    Progress,
    Receipt,
)
from schema.files import fsync, move_into_place
from schema.spec import Spec, SpecError, canonical

# Why a worker is told to end, by the byte that it shares with its job
STOPS = (None, "preempted", "timeout")


def attempt_folder(runs: Path, trial: int, attempt: int) -> Path:
    """Return where the files of an attempt are."""
    return runs / f"{trial:06d}" / f"{attempt:02d}"


def trunks_folder(store: Path) -> Path:
    """Return where the store has tasks as trained: a folder per stem."""
    return store / "trunks"


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat()


def crash_point(name: str) -> None:
    """Die here, as by kill -9, when `WEIR_CRASH_AT` is this name (`name:3`: at the third passing).

    With `WEIR_CRASH_BY=SIGSTOP` the process waits here until SIGCONT instead, to be met in the
    middle. The tests kill every named step of sync and of the trial this way.
    """
    step, _, count = os.environ.get("WEIR_CRASH_AT", "").partition(":")
    if step != name:
        return
    passed = int(os.environ.get(f"WEIR_PASSED_{name}", "0")) + 1
    os.environ[f"WEIR_PASSED_{name}"] = str(passed)
    if passed == int(count or 1):
        os.kill(os.getpid(), signal.Signals[os.environ.get("WEIR_CRASH_BY", "SIGKILL")])


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a path to write to aside; flush it and move it to `path` when the block ends well."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield aside
        fsync(aside)
        move_into_place(aside, path)
        fsync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON, whole or not at all."""
    with whole(path) as aside:
        aside.write_text(canonical(value))


def read_json(path: Path) -> Any | None:
    """Return the parsed file, or None when it is not there or cannot be read as JSON."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None


def sha256(path: Path) -> str:
    """Return the hex digest of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


class RunFolder:
    """One attempt's files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def whose(self) -> dict[str, int]:
        """Return the trial and attempt of the folder's name; {} for a copy named otherwise."""
        trial, attempt = self.path.parent.name, self.path.name
        if not (trial.isdecimal() and attempt.isdecimal()):
            return {}
        return {"trial": int(trial), "attempt": int(attempt)}

    def create(self, spec: Spec, assignment: Assignment) -> None:
        """Make the folder, whole, with what the worker must know.

        Not flushed to the disk: if the power fails before anything ran, the attempt is given up and
        made anew, and a thousand of these folders are made in one pass.
        """
        if self.path.exists():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        aside.mkdir(exist_ok=True)
        (aside / "spec.json").write_text(spec.to_json())
        (aside / "job.json").write_text(canonical(sealed(vars(assignment))))
        # In one move: a worker sees all of it or nothing
        aside.rename(self.path)

    def revoke(self) -> bool:
        """Give the attempt up: True if no worker had it and none can have it any more."""
        return _create_claim(self.path, revoked=True)

    @property
    def revoked(self) -> bool:
        """Return whether sync has given the attempt up before a worker had it.

        A claim that cannot be read is somebody's all the same: nobody can take the attempt now, and
        whether it is over is said by its job.
        """
        try:
            claim = Claim.read(self.path / "claim")
        except DamagedFileError:
            return False
        return claim is not None and claim.revoked

    def claim(self) -> bool:
        """Take the attempt: True for exactly one caller, ever."""
        return _create_claim(self.path, revoked=False)

    @property
    def claimed(self) -> bool:
        """Return whether somebody took the attempt or gave it up, by anything of that name."""
        return os.path.lexists(self.path / "claim")

    @property
    def told_to_stop(self) -> bool:
        """Return whether sync wants it to end."""
        return (self.path / "stop.json").exists()

    def spec(self) -> Spec:
        """Return what to run.

        Raises:
            DamagedFileError: spec.json is missing, no definition, or not the one that was assigned.
        """
        path = self.path / "spec.json"
        spec, spec_id = _definition(path)
        assignment = None
        with contextlib.suppress(DamagedFileError):
            assignment = Assignment.read(self.path / "job.json")
        if assignment is not None and assignment.spec_id not in ("", spec_id):
            raise DamagedFileError(path, "is another definition than the one that was assigned")
        return spec

    def assignment(self) -> Assignment:
        """Return where and for whom it runs.

        Raises:
            DamagedFileError: job.json is missing, damaged, or of another attempt.
        """
        path = self.path / "job.json"
        assignment = Assignment.read(path)
        if assignment is None:
            raise DamagedFileError(path, "is missing; runner.sync writes it")
        _check_owner(path, self.whose, vars(assignment))
        return assignment

    def relatives(self, spec: Spec) -> list["RunFolder"]:
        """Return this attempt and the earlier ones of the same definition, newest first.

        Their files are there to go on from. One that trains a trial again goes on from attempts
        that do so, too, and never from what was trained before.
        """
        definition = json.loads(spec.to_json())
        earlier = _earlier_attempts(self)
        earlier.sort(key=lambda path: int(path.name), reverse=True)
        return [RunFolder(path) for path in earlier if read_json(path / "spec.json") == definition]

    def receipts(self) -> dict[int, Receipt]:
        """Return task -> receipt of the finished tasks whose files are as they were written.

        A damaged receipt vouches for nothing: its task is done again.
        """
        receipts = {}
        for path in sorted(self.path.glob("task-[0-9]*.json")):
            with contextlib.suppress(DamagedFileError):
                receipt = Receipt.read(path)
                if receipt is None:
                    continue
                _check_owner(path, self.whose, vars(receipt))
                if all(_stands(self, name, entry) for name, entry in receipt.files.items()):
                    receipts[receipt.task] = receipt
        return receipts

    def holds(self, entry: FileEntry) -> bool:
        """Return whether a file of a receipt is there as written, with its tensors of the store."""
        try:
            return tensor_store.digest(self.path / entry.file) == entry.sha256
        except (OSError, DamagedFileError):
            return False

    def words(self, rank: int = 0) -> Path:
        """Return where a process says how it ended; the first one speaks for all of them."""
        return self.path / (f"rank-{rank}.json" if rank else "outcome.json")

    def conclude(self, outcome: Outcome) -> None:
        """Write how the attempt ended, with whose outcome it is and a seal."""
        write_json(self.words(), sealed({**asdict(outcome), **self.whose}))

    def outcome(self) -> Outcome | None:
        """Return how the worker says the attempt ended; None while it has not.

        Raises:
            DamagedFileError: outcome.json is not what a worker of this attempt wrote.
        """
        outcome = Outcome.read(self.words())
        if outcome is not None:
            _check_owner(self.words(), self.whose, vars(outcome))
        return outcome

    def progress(self) -> Progress | None:
        """Return the worker's latest word on how far it is; None: there is none to be read."""
        try:
            return Progress.read(self.path / "progress.json")
        except DamagedFileError:
            return None


def _stands(run: RunFolder, name: str, entry: FileEntry) -> bool:
    """Return whether a file of a receipt is as it was written, or may be gone.

    Items that somebody removed to save room are missed by the questions about them alone.
    """
    return run.holds(entry) or (name == ITEMS and not (run.path / entry.file).exists())


def _earlier_attempts(run: RunFolder) -> list[Path]:
    """Return the folders of an attempt and of those before it that it may go on from."""
    first = 1
    with contextlib.suppress(DamagedFileError):
        first = run.assignment().retrains or 1
    folders = []
    for path in run.path.parent.iterdir():
        if path.name.isdecimal() and first <= int(path.name) <= int(run.path.name):
            folders.append(path)
    return folders


def _create_claim(folder: Path, revoked: bool) -> bool:
    """Create the claim of an attempt; return whether nobody had."""
    # The file system decides who is first: O_EXCL succeeds for exactly one
    try:
        handle = os.open(folder / "claim", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    holder = {"revoked": revoked, "pid": os.getpid(), "host": socket.gethostname(), "at": now()}
    with os.fdopen(handle, "w") as file:
        file.write(canonical(sealed(holder)))
        file.flush()
        os.fsync(file.fileno())
    # The folder too, so that the claim is there after a power failure
    fsync(folder)
    return True


def _definition(path: Path) -> tuple[Spec, str]:
    """Return the definition in a spec.json, and its id."""
    value = read_object(path)
    if value is None:
        raise DamagedFileError(path, "is missing; runner.sync writes it")
    try:
        spec = Spec.from_row(value)
        return spec, spec.id
    except (SpecError, ValueError, RecursionError) as error:
        raise DamagedFileError(path, f"is no definition: {error}") from error


def _check_owner(path: Path, whose: Mapping[str, int], fields: Mapping[str, Any]) -> None:
    for key, number in whose.items():
        if fields[key] not in (None, number):
            raise DamagedFileError(path, f"is of {key} {fields[key]}, not of {number}")


def tail(path: Path, size: int = 4000) -> str:
    """Return the last `size` bytes of a text file; empty when there is none to be read."""
    try:
        with path.open("rb") as handle:
            handle.seek(0, os.SEEK_END)
            handle.seek(max(0, handle.tell() - size))
            return handle.read().decode(errors="replace")
    except OSError:
        return ""


def done_tasks(folders: list[RunFolder]) -> dict[int, tuple[RunFolder, Receipt]]:
    """Return task -> (folder, receipt) over several attempts, given newest first.

    The newest attempt that has a task holds it.
    """
    held: dict[int, tuple[RunFolder, Receipt]] = {}
    for folder in folders:
        for task, receipt in folder.receipts().items():
            held.setdefault(task, (folder, receipt))
    return held
