"""Observe: what run folders and the backend say about attempts becomes rows.

The order of evidence is fixed: the outcome file, then a claim with a live job, then the backend, then nothing. Unsure is a state,
and nothing follows from it. An attempt is given up only by creating its claim, which no worker can then take.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from runner import folder as files
from runner.backend import Backend, State
from runner.folder import RunFolder, attempt_folder, crash_point
from runner.ingest import Harvest
from runner.report import Report
from schema.catalog import Catalog
from schema.facts import OUTCOME_KINDS, STATES
from schema.site import Site


@dataclass(frozen=True)
class Live:
    """An attempt without an outcome, or one given up whose late results still count."""

    trial: int
    attempt: int
    spec_id: str
    job_id: str | None
    lost: bool
    tasks: int


def observe(site: Site, catalog: Catalog, place: Backend, report: Report) -> None:
    """Files and jobs become rows, each attempt in the light of the best evidence there is."""
    with catalog.open() as connection:
        attempts = _live(connection)
        known = {name for (name,) in connection.execute("SELECT receipt FROM ingested").fetchall()} if attempts else set()
        withdrawn = {
            trial
            for (trial,) in connection.execute(
                "SELECT trial FROM request GROUP BY trial HAVING arg_max(wish, created_at) = 'withdraw'"
            ).fetchall()
        }
    adopted = _adopt(site, place, [live for live in attempts if live.job_id is None and not live.lost])
    jobs = {(live.trial, live.attempt): live.job_id or adopted.get((live.trial, live.attempt)) for live in attempts}
    states = place.states([job for live in attempts if not live.lost and (job := jobs[live.trial, live.attempt])])
    harvest = Harvest()
    ends = []
    for live in attempts:
        job = jobs[live.trial, live.attempt]
        state = states.get(job, State.UNSURE) if job else State.GONE
        end = _end_of(site, live, state)
        if end is not None and end["kind"] == "preempted" and live.trial in withdrawn:
            end |= {"state": "cancelled", "kind": None}
        harvest.gather(site.runs, live.trial, live.attempt, live.spec_id, known)
        if end is not None:
            ends.append((live, end))
        elif state is State.RUNNING and live.trial in withdrawn and job:
            place.cancel([job])
    crash_point("ingest_read")
    report.problems += harvest.problems
    with catalog.transaction() as connection:
        for (trial, attempt), job in adopted.items():
            record_submission(connection, site, trial, attempt, job)
        report.rows += harvest.store(connection)
        crash_point("ingest_stored")
        for live, end in ends:
            report.ended += _record_outcome(connection, live, end, _missing(connection, live, end))


def _live(connection: duckdb.DuckDBPyConnection) -> list[Live]:
    found = connection.execute(
        """
        SELECT a.trial, a.attempt, a.spec_id, s.job_id, o.state IS NOT NULL, (a.spec->'stream'->>'tasks')::INTEGER
        FROM attempt a LEFT JOIN submission s USING (trial, attempt) LEFT JOIN outcome o USING (trial, attempt)
        WHERE o.state IS NULL
           OR (o.state = 'lost' AND a.trial NOT IN (SELECT trial FROM outcome WHERE state = 'done'))
        ORDER BY a.trial, a.attempt
        """
    ).fetchall()
    return [Live(*row) for row in found]


def _adopt(site: Site, place: Backend, unrecorded: list[Live]) -> dict[tuple[int, int], str]:
    """Attempts that a killed sync submitted but could not record: found by what the backend has of them."""
    folders = {attempt_folder(site.runs, live.trial, live.attempt): (live.trial, live.attempt) for live in unrecorded}
    return {folders[path]: job for path, job in place.find(list(folders)).items()}


def _end_of(site: Site, live: Live, state: State) -> dict[str, Any] | None:
    """How an attempt ended, by the precedence of evidence: outcome file, claim with a live job, the backend. None: not ended."""
    run = RunFolder(attempt_folder(site.runs, live.trial, live.attempt))
    said = run.outcome()
    if said is not None:
        return _understood(said) | {"log_tail": run.log_tail()}
    if live.lost or state is not State.GONE:
        return None
    if run.path.exists() and not run.revoke():  # a worker had it; it may have written its outcome a moment ago
        return run.outcome() or {
            "state": "lost",
            "kind": "killed",
            "message": "the worker died without saying why; the next attempt goes on from its last checkpoint",
            "log_tail": run.log_tail(),
            "finished_at": files.now(),
        }
    return {"state": "lost", "kind": "submit", "message": "never started", "finished_at": files.now()}


def _understood(said: dict[str, Any]) -> dict[str, Any]:
    """An outcome with words that the catalog knows; whoever wrote others must not stop the rest of the grid."""
    if said.get("state") in STATES and said.get("kind") in (None, *OUTCOME_KINDS):
        return {"kind": None} | said
    message = f"outcome.json says state {said.get('state')!r}, kind {said.get('kind')!r}; known are {', '.join(STATES)}"
    return {"state": "failed", "kind": "error", "message": message, "finished_at": files.now()}


def _missing(connection: duckdb.DuckDBPyConnection, live: Live, end: dict[str, Any]) -> list[int]:
    """Tasks of an attempt said to be done that neither it nor an earlier one has a receipt of in the catalog."""
    if end["state"] != "done":
        return []
    receipts = connection.execute("SELECT receipt FROM ingested WHERE starts_with(receipt, ?)", [f"{live.trial:06d}/"]).fetchall()
    paths = [Path(name) for (name,) in receipts]
    found = {int(path.stem.partition("-")[2]) for path in paths if int(path.parent.name) <= live.attempt}
    return sorted(set(range(live.tasks + 1)) - found)


def _record_outcome(connection: duckdb.DuckDBPyConnection, live: Live, end: dict[str, Any], missing: list[int]) -> bool:
    """Insert how an attempt ended; False when that is known already."""
    if missing:
        end = end | {
            "state": "lost",
            "kind": "no_result",
            "message": f"said done, but no trustworthy results of tasks {missing}",
        }
    if live.lost:  # a late end of an attempt that had been given up: evidence wins
        if end["state"] == "lost":
            return False
        connection.execute("DELETE FROM outcome WHERE trial = ? AND attempt = ?", [live.trial, live.attempt])
    columns = [
        "state",
        "kind",
        "message",
        "log_tail",
        "host",
        "device",
        "versions",
        "commit",
        "started_at",
        "finished_at",
    ]
    values = [end.get(name) for name in columns]
    connection.execute(
        f"INSERT INTO outcome (trial, attempt, {', '.join(columns)}) VALUES ({', '.join('?' * (len(columns) + 2))})",
        [live.trial, live.attempt, *values],
    )
    return True


def record_submission(connection: duckdb.DuckDBPyConnection, site: Site, trial: int, attempt: int, job_id: str) -> None:
    connection.execute(
        "INSERT INTO submission (trial, attempt, backend, job_id, folder) VALUES (?, ?, ?, ?, ?)",
        [trial, attempt, site.backend, job_id, str(attempt_folder(site.runs, trial, attempt))],
    )
