"""`python -m runner.sync --watch`: passes of sync with live progress, until nothing is left to do.

Ctrl-C ends only the watching: workers run on, and the next sync finds them.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from runner.backends import Backend
from runner.run_files import Progress
from runner.run_folder import RunFolder
from runner.scheduler.forecast_tables import duration
from runner.scheduler.report import Report

FAILURES_SHOWN = 5
RESTS = 4
# Lines of the screen that are not rows of running trials
OTHER_LINES = 16
COUNTS = "SELECT state, count(*) FROM trial_state GROUP BY state ORDER BY min(trial)"
RUNNING = """
SELECT t.id, coalesce('measures ' || a.measures || ' of ' || t.method, t.method), t.mixture, t.seed,
       s.folder
FROM submission s
JOIN attempt a USING (trial, attempt)
JOIN trial t ON t.id = s.trial
ANTI JOIN outcome o USING (trial, attempt)
ORDER BY t.id
"""
FAILED = """
SELECT trial, state, coalesce(reason, '') FROM trial_state
WHERE state IN ('failed', 'refused')
UNION ALL
SELECT trial, 'measured on ' || suite || ' ' || state, coalesce(reason, '') FROM measurements
WHERE state IN ('failed', 'refused')
ORDER BY trial
"""
# The columns are in the order of the last fields of Snapshot
NUMBERS = """
SELECT *
FROM (
    SELECT count(*) FROM outcome
    WHERE state = 'done' AND finished_at > now() - INTERVAL 1 HOUR
) recent
CROSS JOIN (SELECT coalesce(sum(hours), 0), coalesce(sum(gpu_hours), 0) FROM status) spent
CROSS JOIN (SELECT coalesce(sum(seconds), 0), count(*) - count(seconds) FROM forecast) ahead
CROSS JOIN (SELECT coalesce(avg(gpus), 0) FROM submission) jobs
CROSS JOIN (SELECT count(after) FROM mates) others
"""


def watch(current: Path, place: Backend, sync: Callable[[], Report]) -> int:
    """Repeat `sync` until nothing is left to do, and show the state from the snapshot `current`.

    Between two passes it waits as long as the backend says. A long pass is followed by a pause
    RESTS times as long, so that the processor is left to the trials. The end of a job ends the
    pause, so that the next trial starts at once. Returns the exit code: 0; 1 when trials failed or
    files were damaged; 130 after Ctrl-C.
    """
    console = Console()
    report, state, known = Report(), Snapshot(), list[tuple[str, str]]()
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
                else:
                    if report.changed:
                        print(line(state, report), flush=True)
                    known = _say_what_is_new(report.problems, known)
                if not (report.running or report.pending or report.submitted):
                    break
                # After a pass without news the pause is complete, as an end that no pass can record
                # must not cause pass after pass
                folders = [each[-1] for each in state.running if report.changed]
                place.wait(folders, max(place.pause_s, RESTS * (time.monotonic() - began)))
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
    _say_what_is_new(report.problems, known)
    return 1 if state.failed or report.problems else 0


def _say_what_is_new(
    problems: list[tuple[str, str]], known: list[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Print the problems of a pass that were not known before, and which of those are over.

    A log of a pass that submits nothing says why, once, and not in every pass. Returns the problems
    that are known from now on.
    """
    for subject, message in problems:
        if (subject, message) not in known:
            print(f"degraded: {subject}: {message}", file=sys.stderr, flush=True)
    for subject, message in known:
        if (subject, message) not in problems:
            print(f"no longer degraded: {subject}: {message}", file=sys.stderr, flush=True)
    return list(problems)


@dataclass
class Snapshot:
    """The published catalog's answers about trials."""

    path: Path | None = None
    counts: dict[str, int] = field(default_factory=dict)
    # Trial, method, mixture, seed, folder
    running: list[tuple[int, str, str, int, Path]] = field(default_factory=list)
    # Trial, state, reason
    failed: list[tuple[int, str, str]] = field(default_factory=list)
    done_last_hour: int = 0
    # The total hours of all attempts so far
    hours: float = 0.0
    gpu_hours: float = 0.0
    # The forecast hours of pending trials, as far as similar trials have finished
    left_s: float = 0.0
    # The number of pending trials without a similar finished one
    left_unknown: int = 0
    # The GPUs of a job, on average
    gpus: float = 0.0
    # The number of pending trials that wait for another to finish common training
    after_others: int = 0


def read(current: Path, known: Snapshot | None = None) -> Snapshot:
    """Read the newest snapshot; return `known` if that is the newest."""
    path = current.resolve()
    if known is not None and known.path == path:
        return known
    with duckdb.connect(str(path), read_only=True) as connection:
        counts = connection.execute(COUNTS).fetchall()
        running = []
        for *words, folder in connection.execute(RUNNING).fetchall():
            running.append((*words, Path(folder)))
        failed = connection.execute(FAILED).fetchall()
        numbers = connection.execute(NUMBERS).fetchone()
    assert numbers is not None
    return Snapshot(path, dict(counts), running, failed, *numbers)


def line(state: Snapshot, report: Report) -> str:
    """Return the state as one line for a log."""
    counts = ", ".join(f"{number} {word}" for word, number in state.counts.items())
    did = f"{report.submitted} submitted, {report.ended} ended, {report.rows} rows ingested"
    pieces = [f"{time.strftime('%H:%M:%S')} {counts}", did]
    pieces += report.by_rules
    if state.after_others:
        pieces.append(f"{state.after_others} wait to take over what others train")
    if report.queue:
        pieces.append(f"waiting: {queue(report)}")
    return "; ".join(pieces)


def queue(report: Report) -> str:
    """Return why jobs wait, in the backend's words."""
    return ", ".join(f"{number} {reason}" for reason, number in report.queue.most_common(4))


def picture(state: Snapshot, report: Report, rows: int = 40) -> RenderableType:
    """Return the whole screen.

    It shows counts, queue and outlook, a bar for each of at most `rows` running trials, and the
    newest failures.
    """
    counts = [Text(f"{number} {word}", style="bold") for word, number in state.counts.items()]
    head: list[RenderableType] = [Text("   ").join(counts)]
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
    screen = [*head, table]
    more = len(state.running) - max(rows, 5)
    if more > 0:
        screen.append(Text(f"... and {more} more that run or wait in the queue"))
    for trial, word, reason in state.failed[-FAILURES_SHOWN:]:
        screen.append(Text(f"trial {trial} {word}: {reason}", style="red"))
    for subject, message in report.problems:
        screen.append(Text(f"degraded: {subject}: {message}", style="yellow"))
    return Group(*screen)


def outlook(state: Snapshot, left_s: float, started: int) -> str:
    """Return the rate, the time spent and left, and the expected end, in words.

    The expected end assumes that as many trials run at once as now.
    """
    spent, left = f"{state.hours:.1f} hours", f"{left_s / 3600:.1f} hours"
    if state.gpu_hours:
        spent = f"{state.gpu_hours:.1f} GPU-hours"
        left = f"{left_s / 3600 * state.gpus:.1f} GPU-hours"
    pieces = [f"{state.done_last_hour} done in the last hour", f"spent {spent}, left {left}"]
    if state.left_unknown:
        pieces[-1] += f" and {state.left_unknown} trials like none that has finished"
    elif left_s and started:
        end = datetime.now() + timedelta(seconds=left_s / started)
        pieces.append(f"expected end {end:%a %H:%M} (in {duration(left_s / started)})")
    if state.after_others:
        pieces.append(f"{state.after_others} wait to take over what others train")
    return "; ".join(pieces)


def row(trial: int, words: str, progress: Progress | None) -> list[RenderableType]:
    """Return the cells of a running trial: its progress, its speed and its remaining time."""
    if progress is None:
        return [f"trial {trial}", words, "not begun", "", "", ""]
    where = f"task {progress.task}/{progress.tasks} step {progress.step}/{progress.steps}"
    bar = ProgressBar(total=progress.total_steps, completed=progress.done_steps, width=24)
    rate = f"{progress.pairs_per_s:,.0f} pairs/s"
    left = f"{duration(progress.remaining_s)} left"
    return [f"trial {trial}", words, bar, where, rate, left]
