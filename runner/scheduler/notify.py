"""Word to the outside, as `[notify]` of site.toml asks for it: a URL or a command.

It is told of a study that is finished, a trial that failed or is held, a lab that is degraded in
two passes running, and a disk that is nearly full. Telling happens in a process of its own, after
the locks are free: a listener that is slow, down or says no holds up no pass, and is told to a log.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from runner.run_folder import now, read_json, write_json
from runner.scheduler import tell
from runner.scheduler.report import Report
from schema.site import Site

SHOWN = 20
# The share of a disk that is still free when it is nearly full
NEARLY_FULL = 0.05


@dataclass(frozen=True, kw_only=True)
class News:
    """One thing that somebody wants to know: `event` is one of the five words of the page."""

    event: str
    subject: str
    message: str


STUDIES = """
SELECT coalesce(t.study, '(none)') AS study, count(*) AS trials,
       count(*) FILTER (WHERE g.state = 'done') AS done,
       count(*) FILTER (WHERE g.state IN ('pending', 'running', 'submitting', 'waiting')) AS open,
       count(*) FILTER (WHERE g.state = 'waiting') AS held,
       count(*) FILTER (WHERE g.state IN ('failed', 'refused')) AS failed
FROM trial t JOIN stage g ON g.trial = t.id GROUP BY ALL ORDER BY ALL
"""
FAILED = """
SELECT trial, state, coalesce(reason, '') FROM trial_state
WHERE state IN ('failed', 'refused') OR (state = 'waiting' AND starts_with(reason, 'held'))
ORDER BY trial
"""


def news(site: Site, connection: duckdb.DuckDBPyConnection, report: Report) -> list[News]:
    """Return what is new since the last pass that looked; nothing where nobody listens."""
    if not site.notify:
        return []
    path = site.catalog.with_name("notified.json")
    before = read_json(path)
    known = before if isinstance(before, dict) else {}
    state = _state(site, connection, report)
    state["told"] = [each for each in state["degraded"] if each in known.get("degraded", [])]
    if state == known:
        return []
    write_json(path, state)
    return _new(state, known)


def _state(site: Site, connection: duckdb.DuckDBPyConnection, report: Report) -> dict[str, Any]:
    """Return what the lab is like, as far as anybody is told of it."""
    finished = {}
    for study, trials, trials_done, unfinished, _, failed in connection.execute(STUDIES).fetchall():
        if not unfinished:
            finished[study] = f"{trials_done} of {trials} trials done, {failed} failed"
    failures = {}
    for trial, word, reason in connection.execute(FAILED).fetchall():
        failures[str(trial)] = f"{'held' if word == 'waiting' else word}: {reason}"[:500]
    problems = [f"{subject}: {message}" for subject, message in report.problems]
    disk = shutil.disk_usage(site.runs if site.runs.is_dir() else site.catalog.parent)
    if disk.free < NEARLY_FULL * disk.total:
        problems.append(f"disk: {site.runs} is nearly full")
    return {"finished": finished, "failed": failures, "degraded": sorted(problems)}


def _new(state: dict[str, Any], known: dict[str, Any]) -> list[News]:
    news_items = []
    for study, message in state["finished"].items():
        if study not in known.get("finished", {}):
            news_items.append(News(event="study finished", subject=study, message=message))
    for trial, message in state["failed"].items():
        if trial not in known.get("failed", {}):
            event = "trial held" if message.startswith("held") else "trial failed"
            news_items.append(News(event=event, subject=f"trial {trial}", message=message))
    # What comes and goes within a pass wakes nobody
    for problem in state["told"]:
        if problem not in known.get("told", []):
            news_items.append(News(event="degraded", subject="lab", message=problem))
    return news_items


def send(site: Site, news_items: list[News]) -> None:
    """Start the telling of what is new, and do not wait for it."""
    if not news_items:
        return
    message = {
        "lab": str(site.folder),
        "at": now(),
        "news": [asdict(each) for each in news_items[:SHOWN]],
    }
    handle, name = tempfile.mkstemp(prefix="weir-news-", suffix=".json")
    with os.fdopen(handle, "w") as file:
        json.dump(message, file)
    teller = [sys.executable, tell.__file__, json.dumps(dict(site.notify)), name]
    with site.catalog.with_name("notify.log").open("ab") as log:
        # The shell leaves the teller behind: init reaps it, however long a listener takes
        subprocess.run(
            ["/bin/sh", "-c", '"$@" &', "sh", *teller],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
