"""Several processes for one trial: how they start, find each other, and end together.

The process that has an attempt forks the others, on its own machine, before anything has touched a device; all of them run the
same trial, and the first alone claims and writes. Where somebody else has started them all (Slurm on several nodes, a task for
each, or `torchrun`), they only find each other, by what submitit's helper or torchrun says; by hand there may be more or fewer
than the recipe says: results are those of the recipe to rounding, and a checkpoint of any number of processes is gone on from.

One that dies takes the others with it: the kernel ends the forked ones with the first, those elsewhere lose their connection, and
the first, if it waits for one that is gone, is told by a thread. How another ended is in its `rank-<n>.json`, said by itself, by
who forked it, or by its job.
"""

import contextlib
import math
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed as dist

from methods.compute import distributed
from runner.run_folder import RunFolder, now, read_json, write_json
from runner.unix import die_with_parent, oom_kills
from runner.worker.outcome import surroundings

PATIENCE_S = 10.0  # how long the first process may take to notice by itself that another is gone
LISTEN_S = 1.0  # how often the first looks for the word of one on another node
JOIN_S = 300.0
MISSED = re.compile(
    r"gloo|nccl|onnection|Broken pipe|[Tt]imed out|Dist\w*Error", re.IGNORECASE
)  # of errors: a process is gone
Said = dict[str, Any]


class RanksError(RuntimeError):
    """The processes of a trial cannot work together here."""


@dataclass(frozen=True)
class Place:
    """Where in the group a process that somebody else started is."""

    rank: int
    count: int
    device: int


def launched() -> Place | None:
    """What `torchrun` says, or Slurm where a job has several tasks; None: this process is on its own so far."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        if int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) == 1:
            return None
        from submitit.helpers import TorchDistributedEnvironment

        found = TorchDistributedEnvironment()
        os.environ.setdefault(
            "MASTER_ADDR", found.master_addr
        )  # a site may know better by which name its nodes are reached
        os.environ.setdefault("MASTER_PORT", str(found.master_port))
        return Place(found.rank, found.world_size, found.local_rank)
    return Place(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))


def join(place: Place, method: str = "env://") -> None:
    """Find the others: gloo on the CPU, nccl between GPUs.

    Raises:
        RanksError: fewer GPUs than processes on this machine.
    """
    gpus = torch.cuda.device_count()
    if gpus and place.device >= gpus:
        raise RanksError(
            f"process {place.rank} of {place.count} has no GPU: this machine shows {gpus}. Set gpus_per_trial in site.toml to at "
            "least the recipe's ranks, or let the recipe have fewer"
        )
    if gpus:
        torch.cuda.set_device(place.device)
    os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1")
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if gpus else "gloo",
        init_method=method,
        rank=place.rank,
        world_size=place.count,
        timeout=timedelta(seconds=JOIN_S),
    )


def leave() -> None:
    """The reverse of `join`; nothing where nobody joined."""
    if dist.is_initialized():
        dist.destroy_process_group()


class Crew:
    """The processes of one attempt, as each of them knows them: those that the first has forked, or that others have started."""

    def __init__(self, run: RunFolder, started_at: str) -> None:
        self.run, self.started_at = run, started_at
        self.count, self.rank, self.oom_kills = distributed.ranks(), distributed.rank(), oom_kills()
        self.running: set[int] = set()  # ranks of those that the first has forked
        self.over = threading.Event()
        self.failed_at = math.inf
        self.forked = False
        self.meeting: str | None = (
            None  # where they find each other: needed to the end, the slowest may still be on its way
        )

    def gather(self, count: int) -> None:
        """Be `count` processes; where there are several already, only watch over them."""
        if dist.is_initialized():
            if self.rank == 0:
                threading.Thread(target=self._listen, daemon=True).start()
        elif count > 1:
            self._fork(count)

    def _fork(self, count: int) -> None:
        self.count = count
        self.meeting = tempfile.mkdtemp(prefix="weir-ranks-")
        sys.stdout.flush()
        sys.stderr.flush()
        pids = dict[int, int]()
        for rank in range(1, self.count):
            pid = os.fork()
            if pid == 0:
                self.rank, self.forked, pids = rank, True, {}
                for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT):
                    signal.signal(number, signal.SIG_IGN)  # the first knows what they mean
                os.environ.pop("WEIR_CRASH_AT", None)
                die_with_parent()
                break
            pids[rank] = pid
        self.running = set(pids)
        for rank, pid in pids.items():
            threading.Thread(target=self._watch, args=(rank, pid), daemon=True).start()
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # they are all here
        join(Place(self.rank, self.count, self.rank), f"file://{self.meeting}/store")

    def _watch(self, rank: int, pid: int) -> None:
        """Wait for the end of one that was forked, and say how it was killed; then see that the first comes to its own."""
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code < 0:
            oom = oom_kills() > self.oom_kills
            words = f"process {rank} of {self.count} was killed by {signal.Signals(-code).name}, and the others ended with it"
            said = {"state": "lost", "kind": "oom_host" if oom else "killed", "message": words}
            write_json(self.run.words(rank), said | {"at": time.time()})
        self.running.discard(rank)
        if code:
            self._end_with(rank)

    def _listen(self) -> None:
        """Wait for the word of one that was started with this one; its job says how it was killed."""
        while not self.over.wait(LISTEN_S):
            for rank in range(1, self.count):
                if self.run.words(rank).exists():
                    self._end_with(rank)

    def _end_with(self, rank: int) -> None:
        """When the first does not come to its end, because it waits for one that is gone, this is how it ends."""
        if not self.over.wait(PATIENCE_S):
            self.end(
                self.cause(
                    {
                        "state": "failed",
                        "kind": "error",
                        "message": f"process {rank} of {self.count} is gone",
                    }
                )
            )
            os._exit(1)

    def end(self, said: Said) -> None:
        """Write how the attempt ended, or in another process, for the first to read, how that one did."""
        if self.rank and said["state"] != "done":
            write_json(self.run.words(self.rank), said | {"at": self.failed_at})
        elif self.rank == 0:
            self.over.set()
            about = {"started_at": self.started_at, "finished_at": now()}
            self.run.conclude(said | surroundings() | about)

    def leave(self, code: int) -> int:
        """The exit code for the caller, which the forked processes do not have: they end here."""
        if self.rank == 0 and self.meeting is not None:
            shutil.rmtree(self.meeting, ignore_errors=True)
        if self.rank and self.forked:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        return code

    def cause(self, said: Said) -> Said:
        """Why an attempt ended: the first process's own words, unless it failed only because another had. One that was started
        elsewhere, and has nothing to say, is gone if it was missed."""
        if said["kind"] != "error" or self.rank or self.count == 1:
            return said
        deadline, ranks = time.monotonic() + PATIENCE_S / 2, range(1, self.count)
        forked = self.meeting is not None
        while (self.running if forked else self._silent()) and time.monotonic() < deadline:
            time.sleep(0.05)
        heard = [
            theirs for rank in ranks if (theirs := read_json(self.run.words(rank))) is not None
        ]
        heard.sort(key=lambda theirs: (theirs["state"] != "lost", float(theirs["at"])))
        for theirs in heard:
            if theirs["kind"] != "error" or theirs["at"] < self.failed_at:
                return {key: theirs[key] for key in said}
        if not forked and self._silent() and MISSED.search(said["message"]):
            words = f"of {self.count} processes on several nodes no word came from {self._silent()}: {said['message']}"
            return {"state": "lost", "kind": "killed", "message": words[:500]}
        return said

    def _silent(self) -> list[int]:
        """Ranks that have not said how they ended."""
        return [rank for rank in range(1, self.count) if not self.run.words(rank).exists()]


@contextlib.contextmanager
def together(run: RunFolder, started_at: str) -> Iterator[Crew]:
    """The processes of an attempt; how the block ended is to be told to `Crew.end`."""
    crew = Crew(run, started_at)
    try:
        yield crew
    except BaseException:
        crew.failed_at = time.time()
        raise
    finally:
        leave()
