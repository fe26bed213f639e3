"""Read the progress of running trials from the files that their workers write.

The snapshot lists the trials; their current progress is in their run folders (`runner.run_folder`):
`progress.json`, the heartbeat, the log, and the tables of finished tasks. Nothing here opens a
database, and nothing is written.
"""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from runner.run_files import Progress
from runner.run_folder import RunFolder, attempt_folder, tail

# A worker whose heartbeat is older than this is called silent; a job writes one every few seconds.
SILENT_S = 120.0
# The most trials that are looked at; of more, those with the highest numbers
LOOKED_AT = 2_000
# How many bytes of a log are shown
LOG_BYTES = 6_000
# Descriptions of a worker's phases, short, as a phone has room for few columns
PHASES = {
    "train": "trains",
    "fold": "looks back",
    "merge": "merges weights",
    "evaluate": "evaluates",
}
LOSS = re.compile(r"task-(\d+)\.progress\.parquet")


@dataclass(frozen=True, kw_only=True)
class Running:
    """The progress of a trial that runs, or waits in its job, as read from its run folder."""

    trial: int
    attempt: int
    folder: Path
    # queued: no worker has started it yet; running; silent: no heartbeat for SILENT_S
    state: str
    progress: Progress | None
    # Seconds since the worker last reported
    age_s: float | None
    # Seconds until it ends; None: unknown
    left_s: float | None

    @property
    def phase(self) -> str:
        """Return a description of the trial's current phase."""
        if self.progress is None:
            return "starts" if self.state == "running" else self.state
        return PHASES.get(self.progress.phase, self.progress.phase)

    @property
    def done(self) -> float:
        """Return the share of the trial's steps that have been taken, in [0, 1]."""
        if self.progress is None or not self.progress.total_steps:
            return 0.0
        return min(self.progress.done_steps / self.progress.total_steps, 1.0)

    @property
    def end(self) -> datetime | None:
        """Return when the trial is expected to end, by this machine's clock; None if unknown."""
        if self.left_s is None:
            return None
        return datetime.now() + timedelta(seconds=self.left_s)


def running(runs: Path, trials: Iterable[int]) -> list[Running]:
    """Return the trials whose newest attempt has not ended, the lowest number first."""
    numbers = sorted(set(trials), reverse=True)[:LOOKED_AT]
    looked = (look(runs, trial) for trial in reversed(numbers))
    return [one for one in looked if one is not None]


def look(runs: Path, trial: int) -> Running | None:
    """Return how far a trial is; None where it has no attempt, or its newest one has ended."""
    attempts = _numbers(attempt_folder(runs, trial, 1).parent)
    if not attempts:
        return None
    attempt = max(attempts)
    run = RunFolder(attempt_folder(runs, trial, attempt))
    if (run.path / "outcome.json").exists() or (run.path / "verdict.json").exists():
        return None
    beat = _beat(run.path / "alive")
    state = "queued"
    if run.claimed:
        state = "running"
        if beat is None or time.time() - beat > SILENT_S:
            state = "silent"
    # An abandoned folder has no outcome until sync writes one.
    if run.revoked:
        return None
    progress = run.progress()
    return Running(
        trial=trial,
        attempt=attempt,
        folder=run.path,
        state=state,
        progress=progress,
        age_s=_age(progress),
        left_s=_left(run, progress),
    )


def newer(runs: Path, newest: int) -> list[int]:
    """Return the trials that have a folder and are newer than the snapshot's newest."""
    return [number for number in _numbers(runs) if number > newest]


def losses(running: Running) -> pl.DataFrame:
    """Return the loss so far: of finished tasks from their tables, of this one from its report.

    The columns are those of the question `curve` that the files contain.
    """
    frames = []
    step_before = 0
    steps = 0 if running.progress is None else running.progress.steps
    for path in sorted(running.folder.glob("task-*.progress.parquet")):
        match = LOSS.fullmatch(path.name)
        if match is None:
            continue
        step_before = (int(match[1]) - 1) * steps
        rows = pl.read_parquet(path, columns=["task", "step", "loss"])
        frames.append(rows.with_columns(at_step=pl.col("step") + step_before))
    progress = running.progress
    if progress is not None and progress.task:
        step_before = (progress.task - 1) * progress.steps
        points = [*progress.curve]
        if progress.loss is not None and progress.phase == "train":
            points.append([progress.step, progress.loss])
        for step, loss in points:
            row = {"task": progress.task, "step": int(step), "loss": float(loss)}
            frames.append(pl.DataFrame([row | {"at_step": step_before + int(step)}]))
    if not frames:
        return pl.DataFrame()
    columns = [pl.col(name).cast(pl.Int64) for name in ("task", "step", "at_step")]
    shaped = [frame.select(*columns, pl.col("loss").cast(pl.Float64)) for frame in frames]
    curve = pl.concat(shaped).unique(["task", "step"], keep="last", maintain_order=True)
    return curve.with_columns(attempt=pl.lit(running.attempt)).sort("at_step")


def log_tail(running: Running) -> str:
    """Return the end of the worker's log."""
    return tail(running.folder / "log.txt", LOG_BYTES)


def _left(run: RunFolder, progress: Progress | None) -> float | None:
    """Return the estimated seconds until a trial ends; None if unknown.

    They are its remaining steps at the current rate, plus each remaining task's time beside its
    steps (a Fisher pass, merging, evaluation): the mean of the finished tasks, or the time of the
    first evaluation while there is none.
    """
    if progress is None:
        return None
    train_s, other_s = _paces(run)
    if progress.phase == "train" and progress.remaining_s is not None:
        steps_s = progress.remaining_s
    elif train_s is not None:
        left = progress.total_steps - progress.done_steps
        steps_s = left * train_s
    else:
        return None
    tasks_left = progress.tasks - max(progress.task - 1, 0)
    return steps_s + tasks_left * (other_s or 0.0)


def _paces(run: RunFolder) -> tuple[float | None, float | None]:
    """Return the finished tasks' seconds per step, and their other seconds per task."""
    frames = []
    for path in sorted(run.path.parent.glob("*/task-*.cost.parquet")):
        try:
            frames.append(pl.read_parquet(path, columns=["task", "phase", "seconds", "steps"]))
        except (OSError, pl.exceptions.PolarsError):
            # A file that is damaged or just being replaced is skipped.
            continue
    if not frames:
        return None, None
    costs = pl.concat(frames).unique(["task", "phase"], keep="last")
    # Before the first task ends, only the evaluation of the untouched backbone is known.
    ended = costs.filter(pl.col("task") > 0)
    train = ended.filter(pl.col("phase") == "train")
    other = (ended if len(ended) else costs).filter(pl.col("phase") != "train")
    tasks = max(other["task"].n_unique(), 1)
    other_s = float(other["seconds"].sum()) / tasks
    steps = int(train["steps"].sum() or 0)
    return (float(train["seconds"].sum()) / steps if steps else None), other_s


def _age(progress: Progress | None) -> float | None:
    """Return the seconds since a report was written, by the time in it."""
    if progress is None or not progress.at:
        return None
    return max(time.time() - datetime.fromisoformat(progress.at).timestamp(), 0.0)


def _beat(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _numbers(folder: Path) -> list[int]:
    """Return the numbers that name entries of a folder; none where there is no folder."""
    try:
        return [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]
    except OSError:
        return []
