"""Questions of a job and of the processes that it forks to the operating system.

Standard library only.
"""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the one that forked it dies.

    Other systems than Linux have no such thing.
    """
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def name_process(name: str) -> None:
    """Have lists of processes show this one under a name of at most 15 letters."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode())


def threads() -> int:
    """Return how many threads this process has, those of compiled packages too.

    0 where the kernel does not say.
    """
    with contextlib.suppress(OSError):
        return len(list(Path("/proc/self/task").iterdir()))
    return 0


def oom_kills(root: Path = Path("/sys/fs/cgroup"), me: Path = Path("/proc/self/cgroup")) -> int:
    """Return how many processes of this job's control groups died for want of memory.

    The kernel counts them; 0 where it does not say.
    """
    kills = 0
    with contextlib.suppress(OSError, ValueError):
        for line in me.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            # No controller is named by version 2 of control groups
            place, file = root, "memory.events"
            if controllers:
                place, file = root / "memory", "memory.oom_control"
            events = place / path.lstrip("/") / file
            if not events.exists():
                continue
            for text in events.read_text().splitlines():
                if text.startswith("oom_kill "):
                    kills += int(text.split()[1])
    return kills
