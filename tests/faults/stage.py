"""A lab whose jobs are run by hand: sync is real and so are its files and commands; what workers do
is written in milliseconds.

The results that a worker "measures" are a function of seed and task, so whatever goes wrong on the
way, what the catalog holds in the end can be compared with what it must hold.
"""

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runner.result_files import write_tables
from runner.run_files import Outcome, Receipt
from runner.run_folder import RunFolder, attempt_folder, now, write_json
from runner.scheduler.report import Report
from runner.submission import Submission
from runner.sync import main
from schema.site import Site
from tests.fake_slurm import FakeSlurm
from tests.journey import SLURM, Rows, ask, done_once, one_pass, tell
from tests.processes import SPAWN

SITE = SLURM.replace("patience_s = 2", "patience_s = 0.05")
PATIENCE_S = 0.06
# Of the toy stream: the untouched backbone and two
TASKS = range(3)
MEASURED = "toy_blobs"


def value(seed: int, task: int) -> float:
    """What is "measured" after a task."""
    return (1 + seed + 10 * task) / 1000


def expected(seeds: Iterable[int], budget: str = "toy") -> Rows:
    """The results of these trials, in the form of `journey.STANDING`."""
    return sorted(
        (budget, seed, task, 4 * task, MEASURED, "top1", value(seed, task))
        for seed in seeds
        for task in TASKS
    )


def write_task(run: RunFolder, task: int, /, **said: Any) -> Path:
    """What a worker leaves of a task: its tables and the receipt, which may say something else than
    it should.
    """
    job, spec = run.assignment(), run.spec()
    row = {
        "task": task, "step": 4 * task, "dataset": MEASURED, "metric": "top1", "label_space": "all", "weights": "deployed",
        "value": value(spec.seed, task), "examples": 16, "fraction": 1.0,
    }  # fmt: skip
    files = write_tables(run, task, {"result": [row], "cost": [], "progress": [], "statistic": []})
    path = run.path / f"task-{task:04d}.json"
    receipt = Receipt(
        trial=job.trial, attempt=job.attempt, spec_id=spec.id, task=task, files=files, weights={}
    )
    write_json(path, asdict(receipt) | said)
    return path


def write_outcome(
    run: RunFolder,
    state: str = "done",
    kind: str | None = None,
    message: str | None = None,
    **said: Any,
) -> None:
    """A worker's last word."""
    about = {
        "host": "fake1",
        "device": "cpu",
        "versions": {},
        "commit": None,
        "started_at": now(),
        "finished_at": now(),
    }
    run.conclude(Outcome(state=state, kind=kind, message=message, **(about | said)))


def write_all(run: RunFolder, **said: Any) -> None:
    """What a worker leaves that got to its end."""
    for task in TASKS:
        write_task(run, task)
    write_outcome(run, **said)


@dataclass
class Stage:
    """A lab, its Slurm, and the attempts that began to run, in order."""

    folder: Path
    slurm: FakeSlurm
    ran: list[str] = field(default_factory=list)

    @property
    def site(self) -> Site:
        return Site.load(self.folder)

    def run(self, trial: int, attempt: int = 1) -> RunFolder:
        """The files of an attempt."""
        return RunFolder(attempt_folder(self.site.runs, trial, attempt))

    def job(self, trial: int, attempt: int = 1) -> str:
        """The id that Slurm gave to the job of an attempt, whether sync knows it or not."""
        about = self.run(trial, attempt).assignment()
        (found,) = [
            job["id"]
            for job in self.slurm.jobs()
            if job["name"] == about.batch and int(job["index"] or 0) == about.position
        ]
        return str(found)

    # ------------------------------------------------ what happens

    def sync(self) -> Report:
        return one_pass(self.site)

    def sync_patiently(self) -> Report:
        """Two passes, the second when patience is over: what was missed by both is given up."""
        self.sync()
        time.sleep(PATIENCE_S)
        return self.sync()

    def say(self, capsys: pytest.CaptureFixture[str], code: int) -> str:
        """`python -m runner.sync` as a person sees it: the exit code, and what it prints."""
        assert main([]) == code
        captured = capsys.readouterr()
        return captured.out + captured.err

    def declare(self, seed: int) -> None:
        """One more trial of the same study."""
        axes = "backbone, stream, mixture, method, recipe, budget"
        self.tell(
            f"INSERT INTO trial ({axes}, seed, study) SELECT {axes}, {seed}, study FROM trial WHERE seed = 0"
        )

    def begin(self, trial: int, attempt: int = 1) -> RunFolder:
        """The job of an attempt starts, and its worker takes the folder."""
        self.slurm.set_state(self.job(trial, attempt), "RUNNING")
        run = self.run(trial, attempt)
        assert run.claim()
        (run.path / "alive").touch()
        self.ran.append(f"{trial}/{attempt}")
        return run

    def finish(
        self, trial: int, attempt: int = 1, word: str = "COMPLETED", **said: Any
    ) -> RunFolder:
        """A worker gets to its end."""
        run = self.run(trial, attempt)
        if not run.claimed:
            self.begin(trial, attempt)
        write_all(run, **said)
        self.slurm.set_state(self.job(trial, attempt), word)
        return run

    def work(self) -> int:
        """Every job that waits runs to its end, with a worker per attempt that honours claims; how
        many attempts ran.
        """
        began = len(self.ran)
        for job in self.slurm.jobs("PENDING"):
            batch = Submission.read(self.site.runs / "batches" / job["name"])
            assert batch is not None, "a job whose manifest is not on disk"
            for folder in batch.attempts(int(job["index"] or 0)):
                run = RunFolder(folder)
                if run.claim():
                    self.ran.append(f"{run.assignment().trial}/{run.assignment().attempt}")
                    write_all(run)
            self.slurm.set_state(job["id"], "COMPLETED")
        return len(self.ran) - began

    def settle(self, passes: int = 60) -> Report:
        """Sync and let jobs run until nothing is pending or running; then a pass has nothing to do."""
        for _ in range(passes):
            report = self.sync()
            worked = self.work()
            if not (report.running or report.pending or report.submitted or worked):
                # What was said to be wrong is taken back
                changed = self.sync().changed
                # I9
                assert not (changed and self.sync().changed)
                return report
            time.sleep(PATIENCE_S)
        raise AssertionError(f"not quiet after {passes} passes: {self.states()}, {report.problems}")

    # ------------------------------------------------ what is so

    def ask(self, sql: str) -> Rows:
        return ask(self.site, sql)

    def tell(self, sql: str) -> None:
        tell(self.site, sql)

    def states(self) -> Rows:
        return self.ask("SELECT trial, state, reason, attempts FROM trial_state ORDER BY trial")

    def ends(self) -> Rows:
        return self.ask("SELECT trial, attempt, state, kind FROM outcome ORDER BY ALL")

    def attempts(self) -> int:
        ((count,),) = self.ask("SELECT count(*) FROM attempt")
        return int(count)

    def facts(self) -> Rows:
        """All that a pass without news must leave as it is."""
        tables = ("attempt", "submission", "outcome", "result", "ingested", "trial", "request")
        return [(name, *row) for name in tables for row in self.ask(f"FROM {name} ORDER BY ALL")]

    def done_once(self, seeds: int = 2, twice: Iterable[str] = ()) -> None:
        """Every trial is done, its results are those measured, and no trial ran more often than
        needed: `twice` names the attempts that began and came to nothing.
        """
        done_once(self.site, expected(range(seeds)))
        wasted = set(twice)
        assert sorted(name.split("/")[0] for name in self.ran if name not in wasted) == sorted(
            map(str, range(1, seeds + 1))
        )
        assert self.ask("FROM problem") == []

    def sync_dies(self, before: str = "", after: str = "", crash_at: str = "") -> None:
        """A sync in a process of its own that is killed before or after it calls a function, or at
        a crash point.
        """
        process = SPAWN.Process(
            target=_dies, args=(str(self.folder), dict(os.environ), before, after, crash_at)
        )
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL, process.exitcode


def _dies(folder: str, environment: dict[str, str], before: str, after: str, crash_at: str) -> None:
    import importlib

    os.environ |= environment | {"WEIR_CRASH_AT": crash_at}
    os.chdir(folder)
    if before or after:
        module, _, name = (before or after).partition(":")
        *owners, function = name.split(".")
        owner: Any = importlib.import_module(module)
        for part in owners:
            owner = getattr(owner, part)
        real = getattr(owner, function)

        def killed(*arguments: Any, **named: Any) -> None:
            if after:
                real(*arguments, **named)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(owner, function, killed)
    raise SystemExit(main([]))
