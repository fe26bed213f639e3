"""`python -m runner.sync --watch`: passes of sync until nothing is pending or running, with live
progress.

Ctrl-C ends the watching, not the trials: workers live on, and the next sync finds them.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from runner.run_files import Progress
from runner.run_folder import RunFolder
from runner.scheduler.forecast_tables import duration
from runner.scheduler.report import Report

FAILURES_SHOWN = 5
RESTS = 4
# Of the screen, beside the running trials
OTHER_LINES = 16


def watch(current: Path, pause_s: float, sync: Callable[[], Report]) -> int:
    """Repeat `sync` until quiet, showing what the snapshot `current` says.

    `pause_s` is how long to wait between passes; a pass that takes long is followed by a rest RESTS
    times as long, so that watching a grid on a laptop leaves the laptop to the trials. Exit code 0;
    1 when trials failed or files could not be trusted; 130 after Ctrl-C.
    """
    console = Console()
    report, state = Report(), Snapshot()
    try:
        with Live(console=console, auto_refresh=False, transient=False) as live:
            while True:
                began = time.monotonic()
                report = sync()
                state = read(current, state)
                if console.is_terminal:
                    live.update(
                        picture(state, report, console.size.height - OTHER_LINES), refresh=True
                    )
                elif report.changed:
                    print(line(state, report), flush=True)
                if not (report.running or report.pending or report.submitted):
                    break
                time.sleep(max(pause_s, RESTS * (time.monotonic() - began)))
    except KeyboardInterrupt:
        print(
            "\nstopped watching; what runs goes on. Look again with: python -m runner.sync --watch",
            file=sys.stderr,
        )
        return 130
    if not state.counts:
        print("no trials in the catalog; declare some with: python -m schema my_grid.sql")
    elif not console.is_terminal and not report.changed:
        print(line(state, report))
    for trial, word, reason in state.failed[:FAILURES_SHOWN]:
        print(f"trial {trial} {word}: {reason}", file=sys.stderr)
    for subject, message in report.problems:
        print(f"degraded: {subject}: {message}", file=sys.stderr)
    return 1 if state.failed or report.problems else 0


@dataclass
class Snapshot:
    """What the published catalog says about trials."""

    path: Path | None = None
    counts: dict[str, int] = field(default_factory=dict)
    # Trial, method, mixture, seed, folder
    running: list[tuple[int, str, str, int, Path]] = field(default_factory=list)
    # Trial, state, reason
    failed: list[tuple[int, str, str]] = field(default_factory=list)
    done_last_hour: int = 0
    # Of all attempts so far
    hours: float = 0.0
    gpu_hours: float = 0.0
    # Of the pending trials of which alike ones have finished
    left_s: float = 0.0
    # Pending trials of which none alike has
    left_unknown: int = 0
    # Of a job, on average
    gpus: float = 0.0
    # Pending trials that wait to take over what another trains
    after_others: int = 0


def read(current: Path, known: Snapshot | None = None) -> Snapshot:
    """The newest snapshot, or what is `known` of it already."""
    path = current.resolve()
    if known is not None and known.path == path:
        return known
    with duckdb.connect(str(path), read_only=True) as connection:

        def one(sql: str) -> tuple[Any, ...]:
            found = connection.execute(sql).fetchone()
            assert found is not None
            return tuple(found)

        hours, gpu_hours = one(
            "SELECT coalesce(sum(hours), 0), coalesce(sum(gpu_hours), 0) FROM status"
        )
        left_s, left_unknown = one(
            "SELECT coalesce(sum(seconds), 0), count(*) - count(seconds) FROM forecast"
        )
        return Snapshot(
            path,
            dict(
                connection.execute(
                    "SELECT state, count(*) FROM trial_state GROUP BY state ORDER BY min(trial)"
                ).fetchall()
            ),
            [
                (trial, method, mixture, seed, Path(folder))
                for trial, method, mixture, seed, folder in connection.execute(
                    "SELECT t.id, t.method, t.mixture, t.seed, s.folder FROM submission s JOIN trial t ON t.id = s.trial "
                    "ANTI JOIN outcome o USING (trial, attempt) ORDER BY t.id"
                ).fetchall()
            ],
            connection.execute(
                "SELECT trial, state, coalesce(reason, '') FROM trial_state WHERE state IN ('failed', 'refused') ORDER BY trial"
            ).fetchall(),
            one(
                "SELECT count(*) FROM outcome WHERE state = 'done' AND finished_at > now() - INTERVAL 1 HOUR"
            )[0],
            hours,
            gpu_hours,
            left_s,
            left_unknown,
            one("SELECT coalesce(avg(gpus), 0) FROM submission")[0],
            one("SELECT count(after) FROM mates")[0],
        )


def line(state: Snapshot, report: Report) -> str:
    """One line for a log."""
    counts = ", ".join(f"{number} {word}" for word, number in state.counts.items())
    did = f"{report.submitted} submitted, {report.ended} ended, {report.rows} rows ingested"
    others = (
        [f"{state.after_others} wait to take over what others train"] if state.after_others else []
    )
    waiting = [f"waiting: {queue(report)}"] if report.queue else []
    return "; ".join([f"{time.strftime('%H:%M:%S')} {counts}", did, *others, *waiting])


def queue(report: Report) -> str:
    """Why jobs wait, in the scheduler's words."""
    return ", ".join(f"{number} {reason}" for reason, number in report.queue.most_common(4))


def picture(state: Snapshot, report: Report, rows: int = 40) -> RenderableType:
    """The whole screen: counts, queue and outlook, a bar per running trial (`rows` of them), the
    newest failures.
    """
    head: list[RenderableType] = [
        Text("   ").join(
            Text(f"{number} {word}", style="bold") for word, number in state.counts.items()
        )
    ]
    if report.queue:
        head.append(Text(f"queue: {queue(report)}"))
    table, left_s, started = Table.grid(padding=(0, 2)), state.left_s, 0
    for number, (trial, method, mixture, seed, folder) in enumerate(state.running):
        progress = RunFolder(folder).progress()
        if progress is not None:
            left_s += progress.remaining_s or 0.0
            started += 1
        if number < max(rows, 5):
            table.add_row(*row(trial, f"{method} / {mixture} / seed {seed}", progress))
    head.append(Text(outlook(state, left_s, started)))
    more = len(state.running) - max(rows, 5)
    shown: list[RenderableType] = [
        table,
        *([Text(f"... and {more} more that run or wait in the queue")] if more > 0 else []),
    ]
    failures = [
        Text(f"trial {trial} {word}: {reason}", style="red")
        for trial, word, reason in state.failed[-FAILURES_SHOWN:]
    ]
    degraded = [
        Text(f"degraded: {subject}: {message}", style="yellow")
        for subject, message in report.problems
    ]
    return Group(*head, *shown, *failures, *degraded)


def outlook(state: Snapshot, left_s: float, started: int) -> str:
    """Rate, time spent and left, and when all will be over if as many trials run at once as now."""
    spent = f"{state.gpu_hours:.1f} GPU-hours" if state.gpu_hours else f"{state.hours:.1f} hours"
    left = (
        f"{left_s / 3600 * state.gpus:.1f} GPU-hours"
        if state.gpu_hours
        else f"{left_s / 3600:.1f} hours"
    )
    said = [f"{state.done_last_hour} done in the last hour", f"spent {spent}, left {left}"]
    if state.left_unknown:
        said[-1] += f" and {state.left_unknown} trials like none that has finished"
    elif left_s and started:
        end = datetime.now() + timedelta(seconds=left_s / started)
        said.append(f"expected end {end:%a %H:%M} (in {duration(left_s / started)})")
    if state.after_others:
        said.append(f"{state.after_others} wait to take over what others train")
    return "; ".join(said)


def row(trial: int, words: str, progress: Progress | None) -> list[RenderableType]:
    """Return the cells of one running trial: where it is, how fast, how long still."""
    if progress is None:
        return [f"trial {trial}", words, "not begun", "", "", ""]
    where = f"task {progress.task}/{progress.tasks} step {progress.step}/{progress.steps}"
    bar = ProgressBar(total=progress.total_steps, completed=progress.done_steps, width=24)
    rate = f"{progress.pairs_per_s:,.0f} pairs/s"
    left = f"{duration(progress.remaining_s)} left"
    return [f"trial {trial}", words, bar, where, rate, left]
