"""The outcome of an attempt in its worker's words, which outrank what a scheduler says later."""

import errno
import logging
import mmap
import platform
import re
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import torch

from methods.compute import devices
from runner import code_snapshot
from runner.records import DamagedFileError
from runner.run_files import Outcome
from runner.run_folder import STOPS

# The longest message of an outcome; the log has the whole of it
MESSAGE_CHARACTERS = 500

log = logging.getLogger(__name__)
# Numbers of errors of a disk, or of a quota on it, that has no room
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class StoppedError(Exception):
    """The trial was told to end and has written its checkpoint."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class DivergedError(ArithmeticError):
    """The loss is no longer a number."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Where an attempt ran, and with what."""

    host: str
    device: str
    versions: dict[str, str]
    commit: str | None


class StopFlag:
    """Why the trial is to end, if it is; the loop reads it between steps.

    Under a job it is one byte of memory that the job and its worker share. By hand it is set by
    SIGTERM, SIGUSR2 or Ctrl-C, whose handler does nothing else.
    """

    def __init__(self, word: mmap.mmap | None = None) -> None:
        self.word = word if word is not None else mmap.mmap(-1, 1)
        if word is None:
            for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT):
                signal.signal(number, self._raise)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        kind = "timeout" if number == signal.SIGUSR2 else "preempted"
        self.word[0] = STOPS.index(kind)

    @property
    def raised(self) -> str | None:
        """Return the kind of end that is asked for, preempted or timeout; None if none is."""
        return STOPS[self.word[0]]


def outcome_of(work: Callable[[], None]) -> Outcome:
    """Do the work, and turn however it ends into an outcome; a traceback goes to the log.

    This is the one broad handler of the project: whatever an attempt dies of becomes a record.
    """
    try:
        work()
    except StoppedError as stop:
        log.info("%s", stop)
        return Outcome(state="failed", kind=stop.kind, message=str(stop))
    except Exception as error:
        log.exception("the attempt failed")
        message = f"{type(error).__name__}: {error}"[:MESSAGE_CHARACTERS]
        return Outcome(state="failed", kind=kind_of(error), message=message)
    return Outcome(state="done")


def kind_of(error: Exception) -> str:
    """Return the kind of failure that retry policies go by."""
    if isinstance(error, torch.OutOfMemoryError):
        return "oom_gpu"
    if isinstance(error, code_snapshot.CodeDriftError):
        return "code_drift"
    if isinstance(error, DamagedFileError):
        # Its own files or those it goes on from: another attempt gets new ones, or does it again
        return "no_result"
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return "disk_full"
    # safetensors and parquet say it in words of their own
    if re.search(r"[Nn]o space left|[Dd]isk quota exceeded|File too large", str(error)):
        return "disk_full"
    if isinstance(error, MemoryError) or "DefaultCPUAllocator: can't allocate memory" in str(error):
        return "oom_host"
    if isinstance(error, DivergedError):
        return "diverged"
    return "error"


def surroundings() -> Surroundings:
    """Return where this process runs, and with what."""
    gpu = devices.accelerator()
    if gpu is not None:
        device = gpu.get_device_name()
    else:
        device = f"cpu ({platform.processor() or platform.machine()})"
    return Surroundings(
        host=socket.gethostname(),
        device=device,
        versions=code_snapshot.versions(),
        commit=code_snapshot.commit(),
    )
