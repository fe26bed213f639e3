"""The program of a job: it runs the attempts of one position of a submission.

Each has a process of its own, one after another or side by side.

It is called on the node (`main`, by submitit), started by the local backend (`python -m runner.job
BATCH POSITION`) or forked for it by a fork server, which the first job of its code leaves behind
(`runner.fork_server`). It trains nothing itself. It starts the workers, passes on that the
job's time is up or that it is preempted, ends one worker when sync asks for that (`stop.json`),
shows a heartbeat, and says how a worker died that could not say so itself. Workers die with it, and
survive everything else: sync, the terminal, the login node. Where the processes of a trial are on
several nodes, Slurm starts one of these for each: all do the same for a worker of their own, and
the first alone speaks for the attempt.

Standard library only.
"""

import contextlib
import importlib
import logging
import mmap
import os
import select
import signal
import socket
import sys
import time
import traceback
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from runner import fork_server
from runner.run_files import Outcome
from runner.run_folder import STOPS, RunFolder, now, read_json, write_json
from runner.submission import Submission
from runner.unix import die_with_parent, oom_kills

LOG = logging.getLogger("runner.job")
TOO_SHORT = (
    "the job ended before its worker had begun. Where that was its time limit, raise "
    "time_limit_minutes in site.toml"
)
# How often stop files and children are looked at when nothing wakes the job
LOOK_S = 0.5
HEARTBEAT_S = 20.0
# How much earlier than asked Slurm may send a signal
SIGNAL_SLACK_S = 65.0


def main(batch: str) -> None:
    """Run the attempts of this job's position of the submission in folder `batch`.

    The scheduler says in the environment which position that is.
    """
    position = int(os.environ.get("SLURM_ARRAY_TASK_ID", "0"))
    _shim(Path(batch), position, os.getppid()).run()


def run_alone(folder: Path, position: int) -> None:
    """Run the attempts of a position in this process, which nobody's death ends."""
    _shim(folder, position, None).run()


def _shim(folder: Path, position: int, parent: int | None) -> "Shim":
    batch = Submission.read(folder)
    if batch is None:
        raise FileNotFoundError(
            f"{folder / 'manifest.json'} is missing or torn; runner.sync writes it"
        )
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    LOG.info("job %d of %s on %s", position, batch.name, socket.gethostname())
    return Shim(batch, position, parent)


@dataclass
class Worker:
    """A child that runs one attempt."""

    run: RunFolder
    # One byte that the child reads between steps: what it is told (an index of STOPS)
    word: mmap.mmap
    started_at: str
    # When it was told to end
    told_at: float | None = None

    def tell(self, kind: str) -> None:
        """Ask for a checkpoint and an end."""
        if self.told_at is None:
            self.word[0], self.told_at = STOPS.index(kind), time.monotonic()


class Shim:
    """The attempts of one position of a submission, and the workers that run them.

    `parent`: the process whose death means the end of the job; None: there is none.
    """

    def __init__(self, batch: Submission, position: int, parent: int | None) -> None:
        self.code, self.needs, self.parent = batch.code, batch.needs, parent
        self.rank = 0
        if batch.needs.ranks > 1:
            self.rank = int(os.environ.get("SLURM_PROCID", "0"))
        self.waiting = [RunFolder(path) for path in batch.attempts(position)]
        self.workers: dict[int, Worker] = {}
        self.began = self.beat_at = time.monotonic()
        self.signals: set[int] = set()
        # Why everything is to end
        self.told: str | None = None
        # What the kernel had killed before any worker of this job began
        self.oom_kills = oom_kills()

    def run(self) -> None:
        """Run until every attempt has ended, or been handed back."""
        wake = _collect(self.signals)
        _prepare(self.code, len(self.waiting))
        while self.waiting or self.workers:
            while self._has_a_turn():
                self.start(self.waiting.pop(0))
            if self.told is not None:
                self.hand_back()
            select.select([wake], [], [], LOOK_S)
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 1000)
            self.reap()
            self.listen()

    def _has_a_turn(self) -> bool:
        """Return whether another attempt may begin now."""
        free = len(self.workers) < self.needs.trials_side_by_side
        return bool(self.waiting) and self.told is None and free

    def start(self, run: RunFolder) -> None:
        """Fork a worker for an attempt."""
        word = mmap.mmap(-1, 1)
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            _become_worker(run, word, self.rank)
        self.workers[pid] = Worker(run, word, now())
        LOG.info("process %d runs %s", pid, run.path)
        self.beat(run)

    def listen(self) -> None:
        """Pass on to the workers what signals, the clock, the parent and sync say."""
        limit_s = 60 * self.needs.time_limit_minutes
        passed_s = time.monotonic() - self.began
        # What came first stays: a later signal is only more of the same
        if self.told is None:
            self.told = self._reason_to_end(limit_s, passed_s)
        beat = time.monotonic() - self.beat_at >= HEARTBEAT_S
        for pid, worker in self.workers.items():
            if self.told is not None:
                worker.tell(self.told)
            elif worker.run.told_to_stop:
                worker.tell("preempted")
            overdue = (
                worker.told_at is not None
                and time.monotonic() - worker.told_at > self.needs.signal_s
            )
            if overdue or (limit_s and passed_s >= limit_s):
                _kill(pid)
            if beat:
                self.beat(worker.run)

    def _reason_to_end(self, limit_s: float, passed_s: float) -> str | None:
        """Return why everything is to end now; None: it is not."""
        early_s = limit_s - self.needs.early_s
        if limit_s and passed_s >= early_s:
            return "timeout"
        if signal.SIGUSR2 in self.signals:
            # Slurm's early signal, or its word of a preemption
            near = bool(limit_s) and passed_s >= early_s - SIGNAL_SLACK_S
            return "timeout" if near else "preempted"
        orphaned = self.parent is not None and os.getppid() != self.parent
        if orphaned or self.signals & {signal.SIGTERM, signal.SIGINT}:
            return "preempted"
        return None

    def beat(self, run: RunFolder) -> None:
        """Leave a sign of life in the attempt's folder, if this is its first process."""
        if self.rank == 0:
            # A full or missing disk must not end the job
            with contextlib.suppress(OSError):
                (run.path / "alive").touch()
        self.beat_at = time.monotonic()

    def reap(self) -> None:
        """Take note of the workers that have ended; one that could not say how is spoken for."""
        self.signals.discard(signal.SIGCHLD)
        for pid in list(self.workers):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            worker = self.workers.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            LOG.info("process %d of %s ended with %d", pid, worker.run.path, code)
            # The first process alone says how a good end came; the others say nothing then
            silent = read_json(worker.run.words(self.rank)) is None and (code or self.rank == 0)
            # A worker told to end while it still loaded its packages cannot say that time was up
            late = False
            if silent and self.told is not None and self.rank == 0:
                late = worker.run.claim()
            if silent and worker.run.claimed and not worker.run.revoked:
                self.speak_for(worker, code, late)

    def speak_for(self, worker: Worker, code: int, late: bool = False) -> None:
        """Write the outcome of a worker that left none; `late`: it had not even begun."""
        if late:
            outcome = Outcome(state="lost", kind=self.told, message=TOO_SHORT)
        else:
            oom = oom_kills() > self.oom_kills
            outcome = _end_of(code, oom, STOPS[worker.word[0]])
        outcome = replace(
            outcome,
            host=socket.gethostname(),
            started_at=worker.started_at,
            finished_at=now(),
        )
        with contextlib.suppress(OSError):
            if self.rank:
                whose = f"process {self.rank} of {self.needs.ranks}"
                report = asdict(replace(outcome, message=f"{whose}: {outcome.message}"))
                write_json(worker.run.words(self.rank), report | {"at": time.time()})
            else:
                worker.run.conclude(outcome)

    def hand_back(self) -> None:
        """Give back the attempts whose turn did not come: another job will have them."""
        for run in self.waiting:
            if self.rank == 0 and run.claim():
                outcome = Outcome(
                    state="lost",
                    kind=self.told,
                    message="the job ended before its turn",
                    finished_at=now(),
                )
                run.conclude(outcome)
        self.waiting.clear()


def _collect(signals: set[int]) -> int:
    """Collect signals from now on; return a descriptor that can be read when one came."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    os.set_blocking(wake, False)
    for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda number, frame: signals.add(number))
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    return wake


def _end_of(code: int, oom: bool, stop: str | None) -> Outcome:
    """Return the outcome of a worker by its exit code, which is negative for a signal.

    `oom`: the kernel killed somebody for want of memory. `stop`: why the worker was told to end.
    """
    if code >= 0:
        words = f"the worker ended with exit code {code} and said nothing"
        return Outcome(state="failed", kind="error", message=words)
    words, kind = f"the worker was killed by {signal.Signals(-code).name}", stop or "killed"
    if oom:
        kind = "oom_host"
        words += (
            "; the kernel says: out of memory. Raise memory_gb in site.toml, then request a retry"
        )
    elif stop:
        words += (
            f": told to end ({stop}), it had not done so in time; the next attempt goes on from "
            "its last checkpoint"
        )
    return Outcome(state="lost", kind=kind, message=words)


def _prepare(code: Path, attempts: int) -> None:
    """Import what workers need, where several are forked: here, or by the server that it leaves."""
    surroundings = os.environ.get(fork_server.SURROUNDINGS_VARIABLE)
    if attempts == 1 and surroundings is None:
        return
    imported = preload()
    if imported and surroundings is not None:
        # Where there can be no server, jobs are started as this one was
        with contextlib.suppress(OSError):
            fork_server.leave(code, surroundings, run_alone, _import_the_rest)


def preload() -> bool:
    """Import what every worker needs; return whether that went well.

    Each worker meets an error of it itself, and says so.
    """
    with contextlib.suppress(Exception):
        import runner.trial  # noqa: F401

        return True
    return False


def _import_the_rest() -> None:
    """Import what many trials want later: the compiler, for a budget's tensors without data."""
    if "torch" in sys.modules:
        with contextlib.suppress(Exception):
            importlib.import_module("torch._dynamo.config")


def _become_worker(run: RunFolder, word: mmap.mmap, rank: int) -> None:
    """Run the attempt in this process, a child that was forked a moment ago; do not return.

    Everything printed goes to the attempt's log, and only the shim's word ends it.
    """
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        # Schedulers signal every process of a job; the shim knows what it means
        for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        die_with_parent()
        with (run.path / (f"log-{rank}.txt" if rank else "log.txt")).open("ab") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        from runner.trial import learn

        code = learn(run, word)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _kill(pid: int) -> None:
    """Kill a worker and what it has started."""

    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _command() -> Any:
    if len(sys.argv) != 3:
        print(
            "usage: python -m runner.job BATCH_FOLDER POSITION (runner.sync starts it)",
            file=sys.stderr,
        )
        return 2
    return run_alone(Path(sys.argv[1]), int(sys.argv[2]))


if __name__ == "__main__":
    raise SystemExit(_command())
