"""How an attempt ends, in its own words: the worker's record, which outranks whatever a scheduler says later."""

import contextlib
import errno
import mmap
import platform
import re
import signal
import socket
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any

import torch

from runner import code_snapshot
from runner.records import DamagedFileError
from runner.run_folder import STOPS

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class StoppedError(Exception):
    """The trial was told to end and has written its checkpoint."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class DivergedError(ArithmeticError):
    """The loss is no longer a number."""


class StopFlag:
    """Why the trial is to end, if it is; the loop reads it between steps.

    Under a job it is one byte of memory that the job and its worker share. By hand it is set by SIGTERM, SIGUSR2 or Ctrl-C,
    whose handler does nothing else.
    """

    def __init__(self, word: mmap.mmap | None = None) -> None:
        self.word = word if word is not None else mmap.mmap(-1, 1)
        if word is None:
            for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT):
                signal.signal(number, self._raise)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self.word[0] = STOPS.index("timeout" if number == signal.SIGUSR2 else "preempted")

    @property
    def raised(self) -> str | None:
        """The kind of end that is asked for: preempted or timeout; None while there is none."""
        return STOPS[self.word[0]]


class End:
    """Filled in by `ended_by`."""

    said: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed


@contextlib.contextmanager
def ended_by() -> Iterator[End]:
    """Turn however the block ends into an outcome; the traceback goes to the log. The one broad handler of the project."""
    end = End()
    try:
        yield end
        end.said = {"state": "done", "kind": None, "message": None}
    except StoppedError as stop:
        end.said = {"state": "failed", "kind": stop.kind, "message": str(stop)}
    except Exception as error:
        traceback.print_exc()
        end.said = {
            "state": "failed",
            "kind": kind_of(error),
            "message": f"{type(error).__name__}: {error}"[:500],
        }


def kind_of(error: Exception) -> str:
    """The failure kind that retry policies go by."""
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
    return "diverged" if isinstance(error, DivergedError) else "error"


def surroundings() -> dict[str, Any]:
    """Where and with what it ran."""
    device = (
        torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"cpu ({platform.processor() or platform.machine()})"
    )
    return {
        "host": socket.gethostname(),
        "device": device,
        "versions": code_snapshot.versions(),
        "commit": code_snapshot.commit(),
    }
