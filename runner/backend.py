"""Where attempts run: the contract, and the local machine. A cluster is one more class here.

sync tells a backend which folders to run and asks it what it knows; it never waits for it. A backend keeps no state in
memory, so any process may ask about any job, also after a crash or a reboot.
"""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Protocol

from runner.folder import read_json
from schema.site import Site
from schema.words import nearest

ROOT = Path(__file__).resolve().parent.parent


class State(Enum):
    """What a backend knows about a job."""

    PENDING = "pending"  # accepted, not started
    RUNNING = "running"
    GONE = "gone"  # certainly no longer there; the outcome file says how it ended, or it left none
    UNSURE = "unsure"  # could not be asked: nothing follows from it


class Backend(Protocol):
    """What sync needs from a place where attempts run."""

    def room(self) -> int:
        """How many more attempts it would take now."""
        ...

    def submit(self, folders: Sequence[Path]) -> list[str]:
        """Start an attempt per folder; job ids in the same order."""
        ...

    def find(self, folders: Sequence[Path]) -> dict[Path, str]:
        """Job ids of the folders that reached the backend although their submission was not recorded."""
        ...

    def states(self, jobs: Sequence[str]) -> dict[str, State]:
        """One answer per job, however many jobs, in one go."""
        ...

    def cancel(self, jobs: Sequence[str]) -> None:
        """Ask jobs to end; they checkpoint first."""
        ...


class Local:
    """This machine: at most `trials_at_once` workers, each in a slot of its own.

    A slot is a locked file, and so is the life of an attempt (`alive` in its folder). The worker inherits both locks, and the
    kernel frees them when it is dead, whoever killed it: no process ids are trusted, no slot goes stale, and workers survive
    the death of sync, Ctrl-C and a closed terminal. The job id is the folder.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.gpus = _gpus()
        self.slots = site.trials_at_once or len(self.gpus) or os.cpu_count() or 1

    def room(self) -> int:
        """Free slots."""
        free = 0
        for slot in range(self.slots):
            handle = self._lock_slot(slot)
            if handle is not None:
                free += 1
                os.close(handle)
        return free

    def submit(self, folders: Sequence[Path]) -> list[str]:
        """Start each in a free slot. A folder for which none is left is not started, and has no job id ("")."""
        free = (slot for slot in range(self.slots))
        jobs = []
        for folder in folders:
            held = next(((slot, handle) for slot in free if (handle := self._lock_slot(slot)) is not None), None)
            jobs.append(str(folder) if held and self._start(folder, *held) else "")
        return jobs

    def find(self, folders: Sequence[Path]) -> dict[Path, str]:
        """A worker lives in the folder, or has been there."""
        return {f: str(f) for f in folders if (f / "claim").exists() or self.states([str(f)])[str(f)] is State.RUNNING}

    def states(self, jobs: Sequence[str]) -> dict[str, State]:
        """The `alive` lock of each folder tells, with certainty."""
        return {job: State.RUNNING if _locked(Path(job) / "alive") else State.GONE for job in jobs}

    def cancel(self, jobs: Sequence[str]) -> None:
        """SIGTERM to the worker that claimed the folder, if it still lives."""
        for job in jobs:
            claim = read_json(Path(job) / "claim") or {}
            if not claim.get("revoked", True) and _locked(Path(job) / "alive"):
                os.kill(int(claim["pid"]), signal.SIGTERM)

    def _lock_slot(self, slot: int) -> int | None:
        folder = self.site.runs / ".slots"
        folder.mkdir(parents=True, exist_ok=True)
        return _lock(folder / f"{slot}.lock")

    def _start(self, folder: Path, slot: int, held: int) -> bool:
        """A worker of its own session that inherits the slot's lock and the folder's `alive` lock."""
        alive = _lock(folder / "alive")
        if alive is None:  # a worker is there already
            os.close(held)
            return False
        threads = str(self.site.threads_per_trial)
        environment = os.environ | {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "OMP_WAIT_POLICY": "passive",  # spinning threads of neighbours cost a factor of ten
            "PYTHONUNBUFFERED": "1",
        }
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self.gpus[slot % len(self.gpus)]
        with (folder / "log.txt").open("ab") as log:
            subprocess.run(  # the shell leaves the worker behind: init reaps it, however long this process lives
                ["/bin/sh", "-c", '"$@" &', "sh", sys.executable, "-m", "runner.trial", str(folder)],
                check=True,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(held, alive),
            )
        os.close(held)
        os.close(alive)
        return True


BACKENDS: dict[str, type[Local]] = {"local": Local}


class UnknownBackendError(ValueError):
    """No backend of that name."""


def backend(name: str, site: Site) -> Backend:
    """The backend that site.toml or `--backend` names."""
    if name not in BACKENDS:
        raise UnknownBackendError(f"unknown backend {name!r}. Known: {', '.join(BACKENDS)}.{nearest(name, list(BACKENDS))}")
    return BACKENDS[name](site)


def _lock(path: Path) -> int | None:
    """An open descriptor that holds the exclusive lock, or None when somebody else does."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _locked(path: Path) -> bool:
    """Whether somebody holds the lock of an existing file."""
    if not path.exists():
        return False
    handle = _lock(path)
    if handle is None:
        return True
    os.close(handle)
    return False


def _gpus() -> list[str]:
    """The GPUs this process may use, as CUDA_VISIBLE_DEVICES names them; asked without torch."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        return [name for name in said.split(",") if name.strip()]
    return [str(n) for n in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]
