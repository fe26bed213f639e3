"""Time whole commands, and describe the machine.

A Slurm whose every call is timed is here too. The module needs the standard library only.

A command is timed from its start to its end, interpreter and imports included, because that is what
a person waits for. Its peak memory is what the kernel noted for it and the commands it ran; a
child's note begins at its parent's size, so this process and what it imports stay small, and
whatever prepares a measurement runs in a process of its own.
"""

import datetime
import importlib.metadata
import os
import platform
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SLURM = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "srun")
OTHERS = ("cp", "git")  # what sync runs besides
FOREIGN = ("SLURM", "SBATCH_", "SQUEUE_", "SACCT_")  # settings for another cluster
DISTRIBUTIONS = (
    "duckdb",
    "polars",
    "submitit",
    "optuna",
    "py-experimenter",
    "mlflow",
    "SQLAlchemy",
)


class BenchmarkError(RuntimeError):
    """A measured command failed, or did not do the work to be measured."""


@dataclass(frozen=True)
class Measured:
    """The time, the memory and the output of a command."""

    seconds: float
    peak_mb: float
    output: str


def python(*words: object) -> list[str]:
    """Return the beginning of a command that runs a module with this interpreter."""
    return [sys.executable, "-m", *map(str, words)]


def run(command: list[str], folder: Path, environment: Mapping[str, str]) -> Measured:
    """Run a command in a folder.

    Raises:
        BenchmarkError: it failed; the message ends with what it printed.
    """
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode(errors="replace")
    if process.returncode != 0:
        raise BenchmarkError(
            f"{shlex.join(command)}: exit code {process.returncode}\n{said[-3000:]}"
        )
    return Measured(seconds, usage.ru_maxrss / 1024, said)


def grow(
    measure: Callable[[int], Measured], first: int, most: int, limit_s: float
) -> dict[int, Measured]:
    """Measured at `first`, twice that, and so on, as long as the next can be expected to stay below the limit."""
    size, found, before_s = first, dict[int, Measured](), 0.0
    while True:
        found[size] = measure(size)
        took_s = found[size].seconds
        slower = max(2.0, took_s / before_s) if before_s else 2.0
        if size >= most or took_s * slower > limit_s:
            return found
        size, before_s = min(2 * size, most), took_s


def plain() -> dict[str, str]:
    """Return the environment of every command.

    It has this tree's code, one thread for numpy and torch, and no settings of another cluster.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    return kept | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


class Slurm:
    """Slurm's commands, each call of which is noted with its seconds: those of `fake_slurm.py`, or of a real cluster.

    `array`: the fake's MaxArraySize. `real`: the environment that leads to a cluster.
    """

    def __init__(self, folder: Path, array: int, real: Mapping[str, str] | None = None) -> None:
        self.folder, self.log = folder, folder / "calls"
        self.fake = real is None
        path = (real or os.environ)["PATH"]
        self.environment = (
            plain() | dict(real or {}) | {"PATH": f"{folder / 'bin'}{os.pathsep}{path}"}
        )
        self.environment |= {"FAKE_SLURM": str(folder), "FAKE_SLURM_ARRAY": str(array)}
        (folder / "bin").mkdir(parents=True)
        for name in SLURM + OTHERS:
            if name in SLURM and self.fake:
                program = shlex.join(
                    [sys.executable, "-S", "-E", str(ROOT / "benchmarks" / "fake_slurm.py"), name]
                )
            else:
                program = shlex.quote(shutil.which(name, path=path) or name)
            self._wrap(name, program)

    def _wrap(self, name: str, program: str) -> None:
        wrapper = self.folder / "bin" / name
        log = shlex.quote(str(self.log))
        wrapper.write_text(
            f'#!/usr/bin/env bash\nLC_ALL=C\nbegan=$EPOCHREALTIME\n{program} "$@"\ncode=$?\n'
            f'echo "{name} $began $EPOCHREALTIME" >> {log}\nexit $code\n'
        )
        wrapper.chmod(0o755)

    def state(self, word: str) -> None:
        """Set the state that the fake reports for every job."""
        (self.folder / "state").write_text(word)

    def calls(self) -> "Calls":
        """Return the calls since this was called last."""
        lines = (
            [line.split() for line in self.log.read_text().splitlines()]
            if self.log.exists()
            else []
        )
        self.log.unlink(missing_ok=True)
        spent = sum(float(end) - float(began) for name, began, end in lines if name in SLURM)
        return Calls(Counter(name for name, _, _ in lines), spent)


@dataclass(frozen=True)
class Calls:
    """External commands that were run."""

    counts: Counter[str]
    slurm_s: float  # inside Slurm's

    def __str__(self) -> str:
        said = (
            ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
            or "no commands"
        )
        return f"{said} ({self.slurm_s:.2f} s in Slurm)"


def surroundings(command: str) -> list[tuple[str, str]]:
    """Return what the numbers depend on: date, machine and versions."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in _lines("/proc/cpuinfo")
            if line.startswith("model name")
        ),
        "unknown",
    )
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    for name in DISTRIBUTIONS:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    return [
        ("date", datetime.date.today().isoformat()),
        ("command", f"`{command}`"),
        ("code", _commit()),
        (
            "hardware",
            f"{cores} cores of {cpu}, {memory_gb:.0f} GB of memory, {platform.system()} {platform.release()}",
        ),
        ("versions", ", ".join(versions)),
    ]


def load() -> str:
    """Return the machine's load, averaged by the kernel over the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True
        ).stdout.strip()

    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + (
        " with changes" if git("status", "--porcelain") else ""
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []
