"""The backend for this machine: at most `trials_at_once` jobs, each in its own slot."""

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
from runner.run_folder import RunFolder
from runner.submission import Submission, was_asked
from schema.files import make_folder, open_lock
from schema.site import Site

# Seconds between checks of the locks of running jobs, while waiting
LOOK_S = 0.1


class Local:
    """Runs jobs on this machine.

    A job holds the lock of its slot's file, and of the file `alive` in each attempt's folder. The
    job and its workers inherit both locks, and the kernel releases them when the last of these
    processes has ended, for whatever reason. So process ids need not be trusted, slots never stay
    occupied, and jobs survive the end of sync, Ctrl-C and a closed terminal.
    """

    name = "local"
    # The locks show at once whether a job is alive
    patience_s = 0.0
    pause_s = 2.0

    def __init__(self, site: Site) -> None:
        self.site = site
        self.gpus = _gpus()
        # The GPUs of a slot: as many as the trial with the most needs
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
        """Return the number of slots, as a submission has at most one job for each."""
        return self.slots

    def submit(self, batch: Submission) -> list[str]:
        """Start each position in a free slot.

        A position without a slot is not started, and its job id is "".
        """
        jobs = []
        slots = iter(range(self.slots))
        for position in range(len(batch.positions)):
            started = False
            for slot in slots:
                # A slot is occupied while its lock is held, so a dead job's slot is free
                handle = self._lock_slot(slot)
                if handle is not None:
                    started = self._start(batch, position, slot, handle)
                    break
            jobs.append(f"{batch.name}_{position}" if started else "")
        return jobs

    def look(self, places: Sequence[Place]) -> Look:
        """Return the state of each attempt by the `alive` lock of its folder, which is certain."""
        return Look({place: self._sighting(place) for place in places})

    def wait(self, folders: Sequence[Path], longest_s: float) -> None:
        """Wait until the `alive` lock of a folder is released, at most `longest_s` seconds."""
        deadline = time.monotonic() + longest_s
        while all(_locked(folder / "alive") for folder in folders):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return
            time.sleep(min(LOOK_S, left_s))

    def cancel(self, places: Sequence[Place]) -> None:
        """Send SIGKILL to the worker that claimed each folder, if it still lives."""
        for place in places:
            # A damaged claim must not be used, as its process id may be another process's
            with contextlib.suppress(DamagedFileError):
                claim = Claim.read(place.folder / "claim")
                if claim is None or claim.revoked or not _locked(place.folder / "alive"):
                    continue
                with contextlib.suppress(ProcessLookupError):
                    os.kill(claim.pid, signal.SIGKILL)

    def _sighting(self, place: Place) -> Sighting:
        if _locked(place.folder / "alive"):
            return Sighting(State.RUNNING, f"{place.batch}_{place.position}")
        # Without a claim no worker has started in this folder
        if RunFolder(place.folder).claimed and was_asked(self.site.runs, place.batch):
            return Sighting(State.ENDED, f"{place.batch}_{place.position}")
        return Sighting(State.ABSENT)

    def _lock_slot(self, slot: int) -> int | None:
        folder = self.site.runs / ".slots"
        make_folder(folder)
        return _lock(folder / f"{slot}.lock")

    def devices(self, slot: int, count: int) -> list[str]:
        """Return the names of the GPUs of a job in a slot, at least one.

        Slots share GPUs only where there are more slots than the GPUs can serve.
        """
        first, known = slot * self.width, len(self.gpus)
        return [self.gpus[(first + number) % known] for number in range(min(max(count, 1), known))]

    def _start(self, batch: Submission, position: int, slot: int, held: int) -> bool:
        """Start a job in its own session; return whether it was started.

        It inherits the slot's lock and the `alive` locks of its attempts, and is not started if
        another process holds one of these.
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
            # OpenMP threads that spin while waiting slow other jobs down tenfold
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
    """Start a job, as a fork of the code's fork server or as a new process."""
    order = fork_server.Order(folder=str(batch.folder), position=position, environment=environment)
    surroundings = fork_server.surroundings(environment)
    with (batch.folder / f"{position}_log.out").open("ab") as log:
        if fork_server.start(batch.code, surroundings, order, [log.fileno(), *handles]):
            return
        # The shell exits and leaves the job to init, which reaps it while this process lives on
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
    """Return a file descriptor that holds the exclusive lock; None if another process has it."""
    handle = open_lock(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _locked(path: Path) -> bool:
    """Return whether a process holds the lock of a file; of none where there is no such file."""
    if not path.is_file():
        return False
    handle = _lock(path)
    if handle is None:
        return True
    os.close(handle)
    return False


def _gpus() -> list[str]:
    """Return the GPUs that this process may use, by CUDA_VISIBLE_DEVICES, without torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip()]
    return [str(n) for n in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]
