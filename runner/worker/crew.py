"""The crew of an attempt: the processes that train one trial together, and that end together.

The process that has the attempt forks the others before anything has touched a device. All of them
run the same trial, and the first alone claims and writes.

One that dies takes the others with it: the kernel ends the forked ones with the first, and those
elsewhere lose their connection. The first, if it waits for one that is gone, is ended by a thread.
"""

import dataclasses
import math
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from types import TracebackType

from torch import distributed as dist

from methods.compute import distributed
from runner.run_files import Outcome
from runner.run_folder import RunFolder, now
from runner.unix import die_with_parent, oom_kills
from runner.worker.outcome import surroundings
from runner.worker.processes import Place, join, leave
from runner.worker.rank_reports import cause_of_end, read_reports, silent_ranks, write_report

# How long the first process may take to notice by itself that another is gone
PATIENCE_S = 10.0
# How often the first process looks for the report of one on another node
LISTEN_S = 1.0
# How often it looks whether the last of the others has ended
POLL_S = 0.05


class Crew:
    """The processes of one attempt, as each of them knows them.

    A context: when its block ends, this process leaves the group, and notes when it failed.
    """

    def __init__(self, run: RunFolder, started_at: str) -> None:
        self.run, self.started_at = run, started_at
        self.count, self.rank = distributed.ranks(), distributed.rank()
        self.oom_kills = oom_kills()
        self.over = threading.Event()
        self.failed_at = math.inf
        # Ranks of the processes that the first has forked and that still run
        self.running: set[int] = set()
        # Whether this is one of those
        self.forked = False
        # Folder in which forked processes find each other; kept to the end, as the slowest of
        # them may still be on its way
        self.meeting: str | None = None

    def __enter__(self) -> "Crew":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.failed_at = time.time()
        leave()

    def gather(self, count: int) -> None:
        """Become `count` processes; where there are several already, only watch over them."""
        if dist.is_initialized():
            if self.rank == 0:
                threading.Thread(target=self._listen, daemon=True).start()
        elif count > 1:
            self._fork(count)

    def end(self, own: Outcome) -> None:
        """Record how this process ended: the first one for the attempt, another for the first."""
        if self.rank == 0:
            self._record(self._cause(own))
        elif own.state != "done":
            write_report(self.run, self.rank, own, self.failed_at)

    def leave(self, code: int) -> int:
        """Return the exit code to the caller; a forked process has none, and ends here."""
        if self.rank == 0 and self.meeting is not None:
            shutil.rmtree(self.meeting, ignore_errors=True)
        if self.forked:
            _flush()
            os._exit(code)
        return code

    # ------------------------------------------------ forking and watching

    def _fork(self, count: int) -> None:
        self.count = count
        self.meeting = tempfile.mkdtemp(prefix="weir-ranks-")
        # What is buffered would be written once by each process
        _flush()
        children: dict[int, int] = {}
        for rank in range(1, count):
            pid = os.fork()
            if pid == 0:
                self.rank, self.forked, children = rank, True, {}
                _become_follower()
                break
            children[rank] = pid
        self.running = set(children)
        for rank, pid in children.items():
            threading.Thread(target=self._watch, args=(rank, pid), daemon=True).start()
        # All of them are on this machine
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        join(Place(self.rank, self.count, self.rank), f"file://{self.meeting}/store")

    def _watch(self, rank: int, pid: int) -> None:
        """Wait for a forked process, report how it was killed, and see that the first one ends."""
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code < 0:
            signal_name = signal.Signals(-code).name
            killed = Outcome(
                state="lost",
                kind="oom_host" if oom_kills() > self.oom_kills else "killed",
                message=f"process {rank} of {self.count} was killed by {signal_name}, "
                "and the others ended with it",
            )
            write_report(self.run, rank, killed, time.time())
        self.running.discard(rank)
        if code:
            self._end_with(rank)

    def _listen(self) -> None:
        """Wait for a report of a process on another node; its job reports how it was killed."""
        while not self.over.wait(LISTEN_S):
            for rank in range(1, self.count):
                if self.run.words(rank).exists():
                    self._end_with(rank)

    def _end_with(self, rank: int) -> None:
        """End this process, the first, if it goes on waiting for one that is gone."""
        if not self.over.wait(PATIENCE_S):
            message = f"process {rank} of {self.count} is gone"
            self.end(Outcome(state="failed", kind="error", message=message))
            os._exit(1)

    # ------------------------------------------------ the outcome

    def _cause(self, own: Outcome) -> Outcome:
        """Return why the attempt ended; waits a little for the others to report, if it failed."""
        if own.kind != "error" or self.count == 1:
            return own
        deadline = time.monotonic() + PATIENCE_S / 2
        while self._unheard() and time.monotonic() < deadline:
            time.sleep(POLL_S)
        # One that this process forked cannot be gone without a report
        missing = [] if self.meeting is not None else silent_ranks(self.run, self.count)
        reports = read_reports(self.run, self.count)
        return cause_of_end(own, self.failed_at, reports, missing)

    def _unheard(self) -> bool:
        """Return whether there are processes whose end is still to be learned of."""
        if self.meeting is not None:
            return bool(self.running)
        return bool(silent_ranks(self.run, self.count))

    def _record(self, outcome: Outcome) -> None:
        """Write `outcome.json`, the last file of an attempt."""
        self.over.set()
        own = asdict(surroundings())
        times = {"started_at": self.started_at, "finished_at": now()}
        self.run.conclude(dataclasses.replace(outcome, **(own | times)))


def _become_follower() -> None:
    """Leave signals to the first process, which knows what they mean, and die with it."""
    for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    os.environ.pop("WEIR_CRASH_AT", None)
    die_with_parent()


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
