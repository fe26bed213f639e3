"""`python -m runner.sync --watch`: passes of sync until nothing is pending or running, with live progress.

Ctrl-C ends the watching, not the trials: workers live on, and the next sync finds them.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from runner.folder import RunFolder
from runner.forecast import duration
from runner.report import Report

FAILURES_SHOWN = 5


def watch(current: Path, pause_s: float, sync: Callable[[], Report]) -> int:
    """Repeat `sync` every `pause_s` seconds until quiet, showing what the snapshot `current` says.

    Exit code 0; 1 when trials failed or files could not be trusted; 130 after Ctrl-C.
    """
    console = Console()
    report, state = Report(), Snapshot()
    try:
        with Live(console=console, auto_refresh=False, transient=False) as live:
            while True:
                report = sync()
                state = read(current)
                if console.is_terminal:
                    live.update(picture(state, report), refresh=True)
                elif report.changed:
                    print(line(state, report), flush=True)
                if not (report.running or report.pending or report.submitted):
                    break
                time.sleep(pause_s)
    except KeyboardInterrupt:
        print("\nstopped watching; what runs goes on. Look again with: python -m runner.sync --watch", file=sys.stderr)
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


class Snapshot:
    """What the published catalog says about trials."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.running: list[tuple[int, str, str, int, Path]] = []  # trial, method, mixture, seed, folder
        self.failed: list[tuple[int, str, str]] = []  # trial, state, reason


def read(current: Path) -> Snapshot:
    """Counts, running attempts and failures, from the snapshot."""
    state = Snapshot()
    with duckdb.connect(str(current.resolve()), read_only=True) as connection:
        state.counts = dict(connection.execute("SELECT state, count(*) FROM trial_state GROUP BY state").fetchall())
        state.running = [
            (trial, method, mixture, seed, Path(folder))
            for trial, method, mixture, seed, folder in connection.execute(
                "SELECT t.id, t.method, t.mixture, t.seed, s.folder FROM submission s JOIN trial t ON t.id = s.trial "
                "ANTI JOIN outcome o USING (trial, attempt) ORDER BY t.id"
            ).fetchall()
        ]
        state.failed = connection.execute(
            "SELECT trial, state, coalesce(reason, '') FROM trial_state WHERE state IN ('failed', 'refused') ORDER BY trial"
        ).fetchall()
    return state


def line(state: Snapshot, report: Report) -> str:
    """One line for a log."""
    counts = ", ".join(f"{number} {word}" for word, number in state.counts.items())
    return (
        f"{time.strftime('%H:%M:%S')} {counts}; {report.submitted} submitted, {report.ended} ended, {report.rows} rows ingested"
    )


def picture(state: Snapshot, report: Report) -> RenderableType:
    """The whole screen: counts, a bar per running trial, the newest failures."""
    head = Text("   ").join(Text(f"{number} {word}", style="bold") for word, number in state.counts.items())
    table = Table.grid(padding=(0, 2))
    for trial, method, mixture, seed, folder in state.running:
        table.add_row(*row(trial, f"{method} / {mixture} / seed {seed}", RunFolder(folder).progress()))
    failures = [Text(f"trial {trial} {word}: {reason}", style="red") for trial, word, reason in state.failed[-FAILURES_SHOWN:]]
    degraded = [Text(f"degraded: {subject}: {message}", style="yellow") for subject, message in report.problems]
    return Group(head, table, *failures, *degraded)


def row(trial: int, words: str, said: dict[str, Any] | None) -> list[RenderableType]:
    """One running trial: where it is, how fast, how long still."""
    if said is None:
        return [f"trial {trial}", words, "starting", "", "", ""]
    total, done = said["tasks"] * said["steps"], (said["task"] - 1) * said["steps"] + said["step"]
    pairs_per_step = said["batch_pairs"]
    left_s = (total - done) * pairs_per_step / said["pairs_per_s"] if said["pairs_per_s"] else None
    where = f"task {said['task']}/{said['tasks']} step {said['step']}/{said['steps']}"
    rate = f"{said['pairs_per_s']:,.0f} pairs/s"
    return [
        f"trial {trial}",
        words,
        ProgressBar(total=total, completed=done, width=24),
        where,
        rate,
        f"{duration(left_s)} left",
    ]
