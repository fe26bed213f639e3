"""How an attempt ends, in its own words: the worker's record, which outranks whatever a scheduler says later."""

import contextlib
import importlib.metadata
import platform
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("torch", "open_clip_torch", "numpy", "safetensors", "polars")


class StoppedError(Exception):
    """The trial was told to stop and has written its checkpoint."""


class DivergedError(ArithmeticError):
    """The loss is no longer a number."""


class StopFlag:
    """Set by SIGTERM, SIGUSR2 or Ctrl-C; the loop reads it between steps. A handler does nothing else."""

    def __init__(self) -> None:
        self.raised = False
        for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT):
            signal.signal(number, self._raise)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self.raised = True


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
        end.said = {"state": "failed", "kind": "preempted", "message": str(stop)}
    except Exception as error:
        traceback.print_exc()
        end.said = {"state": "failed", "kind": kind_of(error), "message": f"{type(error).__name__}: {error}"[:500]}


def kind_of(error: Exception) -> str:
    """The failure kind that retry policies go by."""
    if isinstance(error, torch.OutOfMemoryError):
        return "oom_gpu"
    if isinstance(error, MemoryError) or "DefaultCPUAllocator: can't allocate memory" in str(error):
        return "oom_host"
    return "diverged" if isinstance(error, DivergedError) else "error"


def surroundings() -> dict[str, Any]:
    """Where and with what it ran."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu ({platform.processor() or platform.machine()})"
    versions = {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"host": socket.gethostname(), "device": device, "versions": versions, "commit": commit()}


def commit() -> str | None:
    """The commit of the code that runs, marked when the tree has changes; None outside a git checkout."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        asked = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
        return subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    print("the code's commit is unknown: not a git checkout", file=sys.stderr)
    return None
