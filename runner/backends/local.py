"""This machine: at most `trials_at_once` jobs, each in a slot of its own."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from runner import fork_server
from runner.backends import Look, Place, Sighting, State
from runner.records import DamagedFileError
from runner.run_files import Claim
from runner.submission import Submission, was_asked
from schema.site import Site

# How often the locks of running jobs are looked at between two passes
LOOK_S = 0.1


class Local:
    """Jobs of this machine.

    A slot is a locked file, and so is the life of an attempt (`alive` in its folder). A job and its
    workers inherit both locks, and the kernel frees them when the last of them is dead, whoever
    killed it: no process ids are trusted, no slot goes stale, and jobs survive the death of sync,
    Ctrl-C and a closed terminal.
    """

    name = "local"
    # The kernel knows at once whether a job lives
    patience_s = 0.0
    pause_s = 2.0

    def __init__(self, site: Site) -> None:
        self.site = site
        self.gpus = _gpus()
        # The GPUs of a slot: as many as the widest trial wants
        self.width = max(1, site.needs.gpus_per_trial)
        for needs in site.by_backbone.values():
            self.width = max(self.width, needs.gpus_per_trial)
        self.slots = site.trials_at_once or len(self.gpus) // self.width or os.cpu_count() or 1

    def room(self, live: int) -> int:
        """Return the number of free slots."""
        free = 0
        for slot in range(self.slots):
            handle = self._lock_slot(slot)
            if handle is not None:
                free += 1
                os.close(handle)
        return free

    def positions(self) -> int:
        """Return the number of slots: a submission has a job for each at most."""
        return self.slots

    def submit(self, batch: Submission) -> list[str]:
        """Start each position in a free slot.

        One for which none is left is not started, and has no job id ("").
        """
        jobs = []
        slots = iter(range(self.slots))
        for position in range(len(batch.positions)):
            started = False
            for slot in slots:
                # The lock is the slot: whoever holds it has it, and a dead job's is free
                handle = self._lock_slot(slot)
                if handle is not None:
                    started = self._start(batch, position, slot, handle)
                    break
            jobs.append(f"{batch.name}_{position}" if started else "")
        return jobs

    def look(self, places: Sequence[Place]) -> Look:
        """Return what the `alive` lock of each folder tells, which is certain."""
        return Look({place: self._sighting(place) for place in places})

    def wait(self, folders: Sequence[Path], longest_s: float) -> None:
        """Wait until the `alive` lock of one of the folders is free, but at most so long."""
        deadline = time.monotonic() + longest_s
        while all(_locked(folder / "alive") for folder in folders):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return
            time.sleep(min(LOOK_S, left_s))

    def cancel(self, places: Sequence[Place]) -> None:
        """Send SIGKILL to the worker that claimed each folder, if it still lives."""
        for place in places:
            # A claim that is not as it was written names no process that may be killed
            with contextlib.suppress(DamagedFileError):
                claim = Claim.read(place.folder / "claim")
                if claim is None or claim.revoked or not _locked(place.folder / "alive"):
                    continue
                with contextlib.suppress(ProcessLookupError):
                    os.kill(claim.pid, signal.SIGKILL)

    def _sighting(self, place: Place) -> Sighting:
        if _locked(place.folder / "alive"):
            return Sighting(State.RUNNING, f"{place.batch}_{place.position}")
        # Without a claim no worker ever began here
        if (place.folder / "claim").exists() and was_asked(self.site.runs, place.batch):
            return Sighting(State.ENDED, f"{place.batch}_{place.position}")
        return Sighting(State.ABSENT)

    def _lock_slot(self, slot: int) -> int | None:
        folder = self.site.runs / ".slots"
        folder.mkdir(parents=True, exist_ok=True)
        return _lock(folder / f"{slot}.lock")

    def devices(self, slot: int, count: int) -> list[str]:
        """Return the names of the GPUs of a job in a slot, at least one.

        It shares GPUs with another slot only where more slots were asked for than fit.
        """
        first, known = slot * self.width, len(self.gpus)
        return [self.gpus[(first + number) % known] for number in range(min(max(count, 1), known))]

    def _start(self, batch: Submission, position: int, slot: int, held: int) -> bool:
        """Start a job in a session of its own; return whether it was started.

        It inherits the slot's lock and the `alive` locks of its attempts, and is not started where
        somebody holds one of these.
        """
        handles, free = [held], True
        for folder in batch.attempts(position):
            handle = _lock(folder / "alive")
            if handle is None:
                free = False
            else:
                handles.append(handle)
        if free:
            self._begin(batch, position, slot, handles)
        for handle in handles:
            os.close(handle)
        return free

    def _begin(self, batch: Submission, position: int, slot: int, handles: list[int]) -> None:
        threads = str(batch.threads)
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            # Threads that spin while they wait slow their neighbours down tenfold
            "OMP_WAIT_POLICY": "passive",
            "PYTHONUNBUFFERED": "1",
        }
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(
                self.devices(slot, batch.needs.gpus_per_trial)
            )
        _spawn(batch, position, environment, handles)


def _spawn(
    batch: Submission, position: int, environment: dict[str, str], handles: list[int]
) -> None:
    """Have the fork server of the code fork a job, or start a process for it."""
    order = fork_server.Order(folder=str(batch.folder), position=position, environment=environment)
    surroundings = fork_server.surroundings(environment)
    with (batch.folder / f"{position}_log.out").open("ab") as log:
        if fork_server.start(batch.code, surroundings, order, [log.fileno(), *handles]):
            return
        # The shell leaves the job behind: init reaps it, however long this process lives
        words = [sys.executable, "-m", "runner.job", str(batch.folder), str(position)]
        subprocess.run(
            ["/bin/sh", "-c", '"$@" &', "sh", *words],
            check=True,
            cwd=batch.code,
            env=environment | {fork_server.SURROUNDINGS_VARIABLE: surroundings},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=handles,
        )


def _lock(path: Path) -> int | None:
    """Return an open descriptor that holds the exclusive lock; None when somebody else does."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _locked(path: Path) -> bool:
    """Return whether somebody holds the lock of an existing file."""
    if not path.exists():
        return False
    handle = _lock(path)
    if handle is None:
        return True
    os.close(handle)
    return False


def _gpus() -> list[str]:
    """Return the GPUs this process may use, as CUDA_VISIBLE_DEVICES names them, without torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip()]
    return [str(n) for n in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]
