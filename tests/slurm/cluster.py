"""A real Slurm cluster of one's own, in one folder, for as long as a test needs it.

    with Cluster(Path(tempfile.mkdtemp())) as cluster:
        cluster.run("sbatch", "--wait", "--wrap", "hostname")
        cluster.kill("slurmd", "n1")

It has its own munged, mariadbd and slurmdbd (so that sacct works), slurmctld, and one slurmd per
node, all on this host, as root or not; no service, container or cgroup is needed, only the packages
that install.sh names. `python -m tests.slurm` is for people.
"""

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, Self

from tests.slurm import census, configuration, daemons
from tests.slurm.configuration import Options
from tests.slurm.daemons import Daemon
from tests.slurm.patience import ClusterError, wait_until

__all__ = ["Cluster", "ClusterError", "available", "missing", "wait_until"]

# Sbin is not on everybody's PATH
SEARCH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
PROGRAMS = (
    "munged",
    "mariadbd",
    "mariadb-install-db",
    "slurmdbd",
    "slurmctld",
    "slurmd",
    "sbatch",
    "srun",
    "squeue",
    "sacct",
)
# Characters: the path of a unix socket has 107, and Slurm adds its own names
LONGEST_FOLDER = 60
# Of a cluster on which the tests run, say
FOREIGN = (
    "SLURM",
    "SBATCH_",
    "SRUN_",
    "SQUEUE_",
    "SACCT_",
    "SCANCEL_",
    "SINFO_",
)
USABLE = ("idle", "planned", "mixed", "allocated", "completing")
ACTIVE = "PENDING,CONFIGURING,RUNNING,SUSPENDED,COMPLETING"
JOB_FIELDS = {
    "id": "%i",
    "raw_id": "%A",
    "state": "%T",
    "reason": "%r",
    "nodes": "%N",
    "partition": "%P",
    "name": "%j",
}
ACCOUNT_FIELDS = (
    "JobID",
    "JobIDRaw",
    "State",
    "ExitCode",
    "DerivedExitCode",
    "NodeList",
    "Partition",
    "Start",
    "End",
    "JobName",
)


def missing() -> list[str]:
    """The programs a cluster needs and this machine lacks."""
    return [name for name in PROGRAMS if not shutil.which(name, path=SEARCH)]


def available() -> bool:
    return not missing()


class Cluster:
    """A cluster in `folder`, which must be new or empty: job ids begin at 1 again, and files named
    after them would meet.

    `nodes` are n1, n2, ...; each claims `cpus` and `gpus`. `extra` lines go to the end of
    slurm.conf. Jobs go to the partition main unless they ask for urgent, whose jobs preempt those
    of main (REQUEUE). Whatever fails is a ClusterError.
    """

    def __init__(
        self,
        folder: Path,
        nodes: int = 2,
        cpus: int = 8,
        gpus: int = 4,
        accounting: bool = True,
        extra: str = "",
    ) -> None:
        self.folder = folder.resolve()
        if not re.fullmatch(rf"[\w/.+-]{{1,{LONGEST_FOLDER}}}", str(self.folder), re.ASCII):
            raise ClusterError(
                f"A cluster cannot live in {str(self.folder)!r}: at most {LONGEST_FOLDER} letters, digits and /._+- are allowed, "
                "as unix sockets lie there and slurm.conf knows no quotes. Choose another folder."
            )
        self.options = Options(nodes, cpus, gpus, accounting, extra)
        # Of its own, because Slurm puts it into the environment of every job: that is how they are
        # told from all others.
        self.name = f"weir_{hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]}"
        # Its files; its name in the database
        self._written = self._registered = False

    @property
    def environment(self) -> dict[str, str]:
        """What Slurm's commands need to find this cluster."""
        # Slurmdbd takes the socket from nowhere else
        return {
            "SLURM_CONF": str(self.folder / "etc/slurm.conf"),
            "MYSQL_UNIX_PORT": str(self.folder / "run/mysql.sock"),
            "PATH": SEARCH,
        }

    @property
    def _whole_environment(self) -> dict[str, str]:
        return {
            key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)
        } | self.environment

    @contextmanager
    def loaded(self) -> Iterator[Self]:
        """With `environment` in os.environ, and without the variables of any other cluster;
        afterwards all is as before.
        """

        def ours() -> dict[str, str]:
            return {
                key: os.environ[key]
                for key in os.environ
                if key.startswith(FOREIGN) or key in self.environment
            }

        def exchange(new: dict[str, str]) -> None:
            for key in ours():
                del os.environ[key]
            os.environ.update(new)

        before = ours()
        exchange(self.environment)
        try:
            yield self
        finally:
            exchange(before)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # life

    def start(self) -> None:
        """Start whatever of it does not run, and wait until every node takes jobs."""
        if absent := missing():
            raise ClusterError(
                f"Not installed: {', '.join(absent)}. tests/slurm/install.sh installs what a cluster needs."
            )
        if not self._written:
            self._write()
        self._start_missing()
        self.wait_ready()

    def stop(self) -> None:
        """End its processes, its jobs' too, and no others.

        The folder stays, and `start` goes on from it.
        """
        self._wake()
        # First: it would start and requeue jobs
        census.end(partial(census.daemons, self.folder, "slurmctld"), 10)
        census.end(self._work, 0)
        for name in (census.SCRIPTS, "slurmd", "slurmdbd", "mariadbd", "munged"):
            census.end(partial(census.daemons, self.folder, name), 10)
        # What a slurmd was about to start
        census.end(self._work, 0)

    def wait_ready(self, limit_s: float = 180) -> None:
        """Until slurmctld (and slurmdbd) answer and every node takes jobs; a node that is down or
        drained is put back.
        """
        environment = self._whole_environment
        if self.options.accounting:
            wait_until(
                lambda: daemons.answers(environment, "sacctmgr", "-n", "show", "cluster"),
                "slurmdbd to answer",
                limit_s,
            )
        wait_until(
            lambda: daemons.answers(environment, "scontrol", "ping", word="UP"),
            "slurmctld to answer",
            limit_s,
        )
        wait_until(
            self._nodes_usable, lambda: f"every node to take jobs; they are {self.nodes()}", limit_s
        )

    def heal(self) -> None:
        """As new for the next test: what was paused goes on, what was killed starts, jobs end,
        nodes are put back.
        """
        self._wake()
        self._start_missing()
        if active := self._active():
            self.run("scancel", "--quiet", "--full", *active)
        wait_until(lambda: not self._active(), "scancel to end all jobs")
        # Orphans, whose slurmstepd was killed
        census.end(self._work, 0)
        self.wait_ready()

    def wait_saved(self) -> None:
        """Until slurmctld has written down what it knows now.

        Killed before that (it writes every 5 s), it forgets jobs, ends them on their nodes when it
        is back, and gives their ids to others; or it knows them as pending, ends them and starts
        them again.
        """
        # Its file is written as a whole, with the names of jobs as they are
        mark = f"mark-{time.monotonic_ns()}"
        job = self.run(
            "sbatch",
            "--parsable",
            "--hold",
            "--output=/dev/null",
            f"--job-name={mark}",
            "--wrap",
            "true",
        ).strip()
        saved = self.folder / "state/job_state"
        wait_until(
            lambda: saved.exists() and mark.encode() in saved.read_bytes(),
            "slurmctld to save its state",
        )
        self.run("scancel", job)

    # faults

    def kill(self, daemon: Daemon, node: str | None = None, number: int = signal.SIGKILL) -> None:
        """Send a signal to a daemon (slurmd: of `node`, or of all), and wait until it is gone if
        the signal is to end it.
        """
        pids = self.pids(daemon, node)
        census.send(pids, number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            wait_until(
                lambda: not set(pids) & set(census.daemons(self.folder, daemon)),
                f"{daemon} to end by signal {number}",
            )

    def pause(self, daemon: Daemon, node: str | None = None) -> None:
        """It keeps its sockets and answers nothing, like a daemon on a machine that swaps."""
        census.send(self.pids(daemon, node), signal.SIGSTOP)

    def resume(self, daemon: Daemon, node: str | None = None) -> None:
        census.send(self.pids(daemon, node), signal.SIGCONT)

    def restart(self, daemon: Daemon, node: str | None = None) -> None:
        """End a daemon if it runs, start it, wait until it answers; slurmd: of `node`, or of all."""
        for each in self.options.names if daemon == "slurmd" and node is None else [node]:
            find = partial(census.daemons, self.folder, daemon, each)
            census.send(find(), signal.SIGCONT)
            census.end(find, 10)
            self._start(daemon, each)

    def set_node(self, node: str, state: Literal["down", "drain", "resume"]) -> None:
        """As an operator does it.

        Jobs on a node set down are requeued or end as NODE_FAIL; a drained one finishes its jobs.
        """
        self.run("scontrol", "update", f"nodename={node}", f"state={state}", "reason=test")

    # what is so

    def pids(self, daemon: Daemon, node: str | None = None) -> list[int]:
        """Of a daemon; a ClusterError if it does not run."""
        found = census.daemons(self.folder, daemon, node)
        if not found:
            of = f" of {node}" if node else ""
            raise ClusterError(
                f"No {daemon}{of} runs in {self.folder}; restart({daemon!r}) starts it."
            )
        return found

    def stepds(self) -> list[int]:
        """Pids of its slurmstepd: one for each step that runs; a batch script is one, each srun in
        it another.
        """
        return census.steps(self.folder)

    def processes(self) -> list[int]:
        """Pids of all that is this cluster's: daemons, steps and what the jobs started."""
        found = [
            pid
            for name in (*census.DAEMONS, census.SCRIPTS)
            for pid in census.daemons(self.folder, name)
        ]
        return sorted({*found, *self._work()})

    def nodes(self) -> dict[str, str]:
        """State of each node in sinfo's words: idle, mixed, allocated, down, drained, ..., with *
        if it is silent.
        """
        lines = self.run("sinfo", "-hN", "-p", "main", "-o", "%N %T").splitlines()
        return {node: state for node, _, state in (line.partition(" ") for line in lines)}

    def jobs(self) -> list[dict[str, str]]:
        """What squeue knows, a dict per job or array task, also of those that ended less than
        MinJobAge ago.

        Keys: id (17_0), raw_id (18), state, reason, nodes, partition, name.
        """
        lines = self.run(
            "squeue", "-h", "-r", "-t", "all", "-o", "|".join(JOB_FIELDS.values())
        ).splitlines()
        return [
            dict(zip(JOB_FIELDS, line.split("|", len(JOB_FIELDS) - 1), strict=True))
            for line in lines
        ]

    def accounting_of(self, names: Iterable[str]) -> list[dict[str, str]]:
        """What sacct knows of the jobs called `names`, a dict per job or array task, without steps;
        the keys are sacct's words.
        """
        asked = (
            "sacct",
            "-n",
            "-P",
            "-X",
            "-S",
            "now-7days",
            "--name",
            ",".join(names),
            "-o",
            ",".join(ACCOUNT_FIELDS),
        )
        lines = self.run(*asked).splitlines()
        return [
            dict(zip(ACCOUNT_FIELDS, line.split("|", len(ACCOUNT_FIELDS) - 1), strict=True))
            for line in lines
        ]

    def run(self, *command: str, limit_s: float = 120) -> str:
        """What a command prints, run on this cluster and in its folder; a ClusterError unless it
        exits with 0 in time.
        """
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=self._whole_environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=limit_s,
            )
        except subprocess.TimeoutExpired as error:
            raise ClusterError(f"{shlex.join(command)}: no end within {limit_s:g} s.") from error
        if done.returncode:
            raise ClusterError(
                f"{shlex.join(command)}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()}"
            )
        return done.stdout

    # how

    def _write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(self.folder.iterdir()):
            raise ClusterError(
                f"{self.folder} is not empty; a cluster begins in a new or an empty folder."
            )
        configuration.write(self.folder, self.name, self.options, SEARCH)
        lines = [f"export {key}={shlex.quote(value)}\n" for key, value in self.environment.items()]
        (self.folder / "environment.sh").write_text("".join(lines))
        self._written = True

    def _start_missing(self) -> None:
        self._start("munged")
        if self.options.accounting:
            self._start("mariadbd")
            self._start("slurmdbd")
            if not self._registered:
                self.run("sacctmgr", "-Qi", "add", "cluster", self.name)
                self._registered = True
        self._start("slurmctld")
        for node in self.options.names:
            self._start("slurmd", node)

    def _start(self, daemon: Daemon, node: str | None = None) -> None:
        daemons.start(self.folder, self._whole_environment, daemon, node)

    def _wake(self) -> None:
        for name in census.DAEMONS:
            census.send(census.daemons(self.folder, name), signal.SIGCONT)

    def _work(self) -> list[int]:
        return [*census.steps(self.folder), *census.jobs(self.folder, self.name)]

    def _active(self) -> list[str]:
        return self.run("squeue", "-h", "-t", ACTIVE, "-o", "%A").split()

    def _nodes_usable(self) -> bool:
        states = self.nodes()
        for node, state in states.items():
            if any(word in state for word in ("down", "drain", "fail")):
                daemons.answers(
                    self._whole_environment,
                    "scontrol",
                    "update",
                    f"nodename={node}",
                    "state=resume",
                )
        return len(states) == self.options.nodes and all(
            state in USABLE for state in states.values()
        )
