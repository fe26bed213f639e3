"""This machine: at most `trials_at_once` jobs, each in a slot of its own."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from runner.backends import Look, Place, Sighting, State
from runner.records import DamagedFileError
from runner.run_files import Claim
from runner.submission import Submission, was_asked
from schema.site import Site


class Local:
    """Jobs of this machine.

    A slot is a locked file, and so is the life of an attempt (`alive` in its folder). A job and its
    workers inherit both locks, and the kernel frees them when the last of them is dead, whoever
    killed it: no process ids are trusted, no slot goes stale, and jobs survive the death of sync,
    Ctrl-C and a closed terminal.
    """

    name = "local"
    # The kernel knows at once
    patience_s = 0.0
    pause_s = 2.0

    def __init__(self, site: Site) -> None:
        self.site = site
        self.gpus = _gpus()
        # GPUs of a slot
        self.width = max(
            1, *(needs.gpus_per_trial for needs in (site.needs, *site.by_backbone.values()))
        )
        self.slots = site.trials_at_once or len(self.gpus) // self.width or os.cpu_count() or 1

    def room(self, live: int) -> int:
        """A job per free slot."""
        free = 0
        for slot in range(self.slots):
            handle = self._lock_slot(slot)
            if handle is not None:
                free += 1
                os.close(handle)
        return free

    def positions(self) -> int:
        """One job per slot."""
        return self.slots

    def submit(self, batch: Submission) -> list[str]:
        """Start each position in a free slot.

        One for which none is left is not started, and has no job id ("").
        """
        jobs, slots = [], iter(range(self.slots))
        for position in range(len(batch.positions)):
            held = next(
                ((slot, handle) for slot in slots if (handle := self._lock_slot(slot)) is not None),
                None,
            )
            jobs.append(
                f"{batch.name}_{position}" if held and self._start(batch, position, *held) else ""
            )
        return jobs

    def look(self, places: Sequence[Place]) -> Look:
        """The `alive` lock of each folder tells, with certainty."""
        return Look({place: self._sighting(place) for place in places})

    def cancel(self, places: Sequence[Place]) -> None:
        """SIGKILL to the worker that claimed the folder, if it still lives."""
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
        heard = (place.folder / "claim").exists() and was_asked(self.site.runs, place.batch)
        return Sighting(
            State.ENDED if heard else State.ABSENT,
            f"{place.batch}_{place.position}" if heard else None,
        )

    def _lock_slot(self, slot: int) -> int | None:
        folder = self.site.runs / ".slots"
        folder.mkdir(parents=True, exist_ok=True)
        return _lock(folder / f"{slot}.lock")

    def devices(self, slot: int, count: int) -> list[str]:
        """The GPUs of a job in a slot, at least one; those of another slot too only where more
        slots were asked for than fit.
        """
        first, known = slot * self.width, len(self.gpus)
        return [self.gpus[(first + number) % known] for number in range(min(max(count, 1), known))]

    def _start(self, batch: Submission, position: int, slot: int, held: int) -> bool:
        """A job in a session of its own that inherits the slot's lock and the `alive` locks of its
        attempts.
        """
        alive = [_lock(folder / "alive") for folder in batch.attempts(position)]
        handles = [handle for handle in (held, *alive) if handle is not None]
        # Else somebody is there already
        free = None not in alive
        if free:
            self._spawn(batch, position, slot, handles)
        for handle in handles:
            os.close(handle)
        return free

    def _spawn(self, batch: Submission, position: int, slot: int, handles: list[int]) -> None:
        threads = str(batch.threads)
        environment = os.environ | {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            # Spinning threads of neighbours cost a factor of ten
            "OMP_WAIT_POLICY": "passive",
            "PYTHONUNBUFFERED": "1",
        }
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(
                self.devices(slot, batch.needs.gpus_per_trial)
            )
        with (batch.folder / f"{position}_log.out").open("ab") as log:
            # The shell leaves the job behind: init reaps it, however long this process lives
            subprocess.run(
                [
                    "/bin/sh",
                    "-c",
                    '"$@" &',
                    "sh",
                    sys.executable,
                    "-m",
                    "runner.job",
                    str(batch.folder),
                    str(position),
                ],
                check=True,
                cwd=batch.code,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=handles,
            )


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
