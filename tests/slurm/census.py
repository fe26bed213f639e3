"""Which processes are a cluster's own: told from /proc alone, so whoever knows the folder can find
and end them.

Pid files would lie: they outlive a killed daemon, and a pid is given again.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# In the order they need each other
DAEMONS = (
    "munged",
    "mariadbd",
    "slurmdbd",
    "slurmctld",
    "slurmd",
)
# Slurmctld's child, which ends with it
SCRIPTS = "slurmscriptd"
STEP = "slurmstepd"


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    name: str
    arguments: tuple[str, ...]
    folder: str
    environment: frozenset[str]


def processes() -> Iterator[Process]:
    """Everything that runs and may be looked at; the dead that nobody has collected do not run."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # Ended meanwhile, or somebody else's
                name, _, rest = (
                    (entry / "stat").read_text(errors="replace").partition("(")[2].rpartition(")")
                )
                state, parent, *_ = rest.split()
                if state not in "ZX":
                    arguments, environment = _words(entry / "cmdline"), _words(entry / "environ")
                    folder = str((entry / "cwd").readlink())
                    yield Process(
                        int(entry.name),
                        int(parent),
                        name,
                        tuple(arguments),
                        folder,
                        frozenset(environment),
                    )


def _words(file: Path) -> list[str]:
    return file.read_bytes().decode(errors="replace").split("\0")


def daemons(folder: Path, name: str, node: str | None = None) -> list[int]:
    """Pids of the daemon `name` of the cluster in `folder`; of slurmd, one per node, or that of
    `node`.
    """
    found = {
        process.pid: process
        for process in processes()
        if process.name == name and _at_home(process, folder)
    }
    return [
        process.pid
        for process in found.values()
        # Slurmd forks before it becomes a slurmstepd
        if process.parent not in found and (node is None or node in process.arguments)
    ]


def _at_home(process: Process, folder: Path) -> bool:
    home = f"{folder}/"
    return (
        f"{process.folder}/".startswith(home)
        or f"SLURM_CONF={home}etc/slurm.conf" in process.environment
        or any(argument.rpartition("=")[2].startswith(home) for argument in process.arguments)
    )


def steps(folder: Path) -> list[int]:
    """Pids of the slurmstepd of the cluster in `folder`: one for each step that runs, a batch
    script being one.
    """
    return [
        process.pid for process in processes() if process.name == STEP and _at_home(process, folder)
    ]


def jobs(folder: Path, cluster: str) -> list[int]:
    """Pids of its jobs and what they started, also those whose slurmstepd is gone."""
    present = list(processes())
    mine = {
        process.pid for process in present if f"SLURM_CLUSTER_NAME={cluster}" in process.environment
    }
    parents = mine | {
        process.pid for process in present if process.name == STEP and _at_home(process, folder)
    }
    while more := {process.pid for process in present if process.parent in parents} - parents:
        parents |= more
        mine |= more
    return sorted(mine - {os.getpid()})


def send(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def end(find: Callable[[], list[int]], patience_s: float) -> None:
    """End what `find` finds until it finds nothing: asked first, and killed after `patience_s`
    seconds.

    Raises TimeoutError for what does not even die then.
    """
    asked: set[int] = set()
    until = time.monotonic() + patience_s
    while pids := find():
        if time.monotonic() > until + 20:
            raise TimeoutError(
                f"Processes {pids} do not end, although killed; look at them with ps -o pid,stat,wchan,args."
            )
        if time.monotonic() > until:
            send(pids, signal.SIGKILL)
        else:
            send(set(pids) - asked, signal.SIGTERM)
            asked |= set(pids)
        time.sleep(0.05)
