"""Observe: what run folders and backends say about attempts becomes rows."""

from dataclasses import replace
from pathlib import Path

import duckdb

from runner.backends import Backend, Look, Place, Sighting, State, backend
from runner.run_folder import crash_point
from runner.scheduler import receipts
from runner.scheduler.attempts import Live
from runner.scheduler.fact_rows import insert, submission
from runner.scheduler.report import Report
from runner.scheduler.verdict import End, end_of, kept, open_question
from runner.submission import Batch, batch_folder, sweep
from schema.catalog import Catalog
from schema.site import Site

STOP_S = 600  # how long a withdrawn attempt may take to its checkpoint before its job is ended from outside
COLUMNS = (
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
)


def observe(
    site: Site, catalog: Catalog, place: Backend, report: Report, attempts: list[Live]
) -> list[Live]:
    """Files and jobs of the `attempts` become rows, each in the light of the best evidence there is; those that live on."""
    if attempts and not site.runs.exists():
        report.problem(
            "runs",
            f"{site.runs} is not there, and nothing is decided without it. Mount its disk, or make the folder",
        )
        report.silent.add(place.name)
        return [live for live in attempts if not live.lost]
    said = {live.place: live.run.outcome() for live in attempts}
    look, places = _look(
        site,
        place,
        [live for live in attempts if not live.lost and open_question(said[live.place])],
        report,
    )
    ends = list[tuple[Live, End]]()
    for live in attempts:
        seen = look.sightings.get(live.place, Sighting(State.UNSURE))
        if seen.stuck:
            array = str(seen.job_id).partition("_")[0]  # one line for all of an array
            report.problem(
                live.batch, f"job {array} waits and will not start by itself: {seen.reason}"
            )
        if seen.state is State.PENDING:
            report.queue[seen.reason or "pending"] += 1
        end = end_of(
            live,
            said[live.place],
            seen,
            places[live.backend].patience_s if live.backend in places else 0.0,
        )
        if end is not None:
            ends.append((live, end))
    over = {live.place: end for live, end in ends}
    _cancel(places, attempts, look, over)
    crash_point("cancelled")
    found = [
        (live, path) for live in attempts for path in receipts.of(live.place.folder)
    ]  # after their outcomes were read
    adopted = [
        submission(batch, "/".join(live.place.folder.parts[-2:]), seen.job_id)
        for live, seen in _unrecorded(attempts, look)
        if seen.job_id and (batch := Batch.read(batch_folder(site.runs, live.batch)))
    ]
    if found or adopted or ends:
        _store(site, catalog, report, found, adopted, ends)
    return [live for live in attempts if not live.lost and live.place not in over]


def _store(
    site: Site,
    catalog: Catalog,
    report: Report,
    found: list[tuple[Live, Path]],
    adopted: list[dict[str, object]],
    ends: list[tuple[Live, End]],
) -> None:
    with catalog.open() as connection:
        known = receipts.known(connection, [path for _, path in found])
    new = [(live, path) for live, path in found if receipts.name(path) not in known]
    if not (new or adopted or ends):
        return
    from runner.scheduler.ingest import (
        Harvest,  # a pass that brings nothing home does not pay for importing polars
    )

    harvest = Harvest()
    for live, path in new:
        harvest.gather(path, live.trial, live.attempt, live.spec_id)
    harvest.read()
    crash_point("ingest_read")
    for subject, message in harvest.problems:
        report.problem(subject, message)
    if not (harvest.receipts or adopted or ends):
        return
    with catalog.transaction() as connection:
        insert(connection, "submission", adopted)
        report.rows += harvest.store(connection)
        crash_point("ingest_stored")
        report.ended += _record(connection, ends)
        over = _over(connection, {live.batch for live, _ in ends})
    for name in over:
        sweep(site.runs, name)


def _look(
    site: Site, place: Backend, attempts: list[Live], report: Report
) -> tuple[Look, dict[str | None, Backend]]:
    """Ask each backend once about its attempts. What no backend was asked about is certainly not there."""
    places: dict[str | None, Backend] = {place.name: place}
    whole = Look({live.place: Sighting(State.ABSENT) for live in attempts if live.backend is None})
    for name in {live.backend for live in attempts} - {None}:
        places[name] = places.get(name) or backend(str(name), site)
        look = places[name].look([live.place for live in attempts if live.backend == name])
        whole.sightings |= look.sightings
        report.silent |= set() if look.answered else {str(name)}
        for subject, message in look.problems:
            report.problem(subject, message)
    return whole, places


def _unrecorded(attempts: list[Live], look: Look) -> list[tuple[Live, Sighting]]:
    """Attempts that a killed sync submitted but could not record, and that their backend knows by name."""
    return [
        (live, look.sightings[live.place])
        for live in attempts
        if live.place.job_id is None and not live.lost and live.place in look.sightings
    ]


def _cancel(
    places: dict[str | None, Backend], attempts: list[Live], look: Look, ended: dict[Place, End]
) -> None:
    """End the jobs that nobody wants any more: those that wait or run on while all their attempts are over (withdrawn; or the
    step that ran them is dead), and those that run on long after a withdrawn attempt was asked to end at a checkpoint."""
    told: dict[str | None, list[Place]] = {}
    wanted = {
        (live.batch, live.place.position)
        for live in attempts
        if live.place not in ended and not live.withdrawn
    }
    for live in attempts:
        seen, over = look.sightings.get(live.place), live.place in ended
        if seen is None or live.lost:
            continue
        asked_s = live.run.stop() if live.withdrawn and not over and live.run.claimed else 0.0
        useless = seen.state in (State.PENDING, State.RUNNING) and (over or asked_s > STOP_S)
        if useless and (live.batch, live.place.position) not in wanted:
            if over:  # before the scheduler can call it cancelled: a sync that dies now must not take that for a person's will
                kept(live, ended[live.place])
            told.setdefault(live.backend, []).append(
                replace(live.place, job_id=live.place.job_id or seen.job_id)
            )
    for name, where in told.items():
        places[name].cancel(where)


def _record(connection: duckdb.DuckDBPyConnection, ends: list[tuple[Live, End]]) -> int:
    """Insert how attempts ended; how many of them were not known."""
    had = _tasks(connection, [live.trial for live, end in ends if end["state"] == "done"])
    rows, corrected = [], []
    for live, end in ends:
        if end["state"] == "done":
            found = {task for attempt, task in had.get(live.trial, ()) if attempt <= live.attempt}
            missing = sorted(set(range(live.run.spec().stream["tasks"] + 1)) - found)
            if missing:
                message = f"said done, but no trustworthy results of tasks {missing}"
                end = end | {"state": "lost", "kind": "no_result", "message": message}
        if live.lost and end["state"] == "lost":
            continue
        if live.lost:  # a late end of an attempt that had been given up: evidence wins
            corrected.append((live.trial, live.attempt))
        rows.append(
            {"trial": live.trial, "attempt": live.attempt}
            | {name: end.get(name) for name in COLUMNS}
        )
    if corrected:
        connection.executemany("DELETE FROM outcome WHERE trial = ? AND attempt = ?", corrected)
    insert(connection, "outcome", rows)
    return len(rows)


def _over(connection: duckdb.DuckDBPyConnection, batches: set[str]) -> list[str]:
    """Those of the batches whose attempts have all begun and ended."""
    found = connection.execute(
        "SELECT batch FROM attempt LEFT JOIN outcome USING (trial, attempt) WHERE batch IN (SELECT unnest(?::VARCHAR[])) "
        "GROUP BY batch HAVING bool_and(state IS NOT NULL AND coalesce(kind, '') <> 'submit')",
        [list(batches)],
    ).fetchall()
    return [name for (name,) in found]


def _tasks(
    connection: duckdb.DuckDBPyConnection, trials: list[int]
) -> dict[int, list[tuple[int, int]]]:
    """Trial -> (attempt, task) of every receipt of it that is in the catalog."""
    if not trials:
        return {}
    found = connection.execute(
        "SELECT receipt FROM ingested WHERE split_part(receipt, '/', 1) IN (SELECT unnest(?::VARCHAR[]))",
        [[f"{trial:06d}" for trial in trials]],
    ).fetchall()
    tasks: dict[int, list[tuple[int, int]]] = {}
    for path in (Path(name) for (name,) in found):
        tasks.setdefault(int(path.parts[0]), []).append(
            (int(path.parts[1]), int(path.stem.partition("-")[2]))
        )
    return tasks
