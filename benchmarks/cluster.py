"""Make a real Slurm cluster for one measurement, where the tests can make one.

Jobs are queued in it, and none starts.
"""

import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measuring import ROOT, BenchmarkError, plain, python, run

PARTITION = "parked"


class NoClusterError(RuntimeError):
    """A Slurm cluster cannot be started on this machine."""


@contextmanager
def cluster(array: int, jobs: int) -> Iterator[dict[str, str]]:
    """Start a cluster with this MaxArraySize and room for `jobs` jobs; yields its environment.

    Raises:
        NoClusterError: it cannot be started here; the message says why.
    """
    folder = Path(tempfile.mkdtemp(prefix="weir-"))  # of a short path, for its sockets
    extra = f"MaxArraySize={array}\nMaxJobCount={jobs}\nPartitionName={PARTITION} Nodes=n1 MaxTime=INFINITE State=DOWN"
    options = ("--nodes", 1, "--gpus", 0, "--no-accounting", "--extra", extra)
    try:
        try:
            started = run(python("tests.slurm", "start", folder, *options), ROOT, plain())
        except BenchmarkError as error:
            raise NoClusterError(str(error).splitlines()[-1]) from error
        lines = Path(started.output.split()[-1]).read_text().splitlines()
        pairs = (shlex.split(line)[1].partition("=") for line in lines)
        yield {key: value for key, _, value in pairs}
    finally:
        run(python("tests.slurm", "stop", folder), ROOT, plain())
        shutil.rmtree(folder, ignore_errors=True)


def version(environment: dict[str, str]) -> str:
    """Return the version that sbatch reports."""
    try:
        return run(["sbatch", "--version"], ROOT, plain() | environment).output.strip()
    except (BenchmarkError, OSError):
        return "an unknown version"
