"""Observe: what run folders and backends say about attempts becomes rows.

The order of evidence is fixed: the outcome file, then a claim with a live job, then what the scheduler says. Unsure is a state,
and nothing follows from it. An attempt that no worker took is given up by creating its claim, which none can then take; one that
a worker took is given up after its job has been missed twice, with no sign of life between.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from runner import folder as files
from runner.backend import Backend, Look, Place, Sighting, State, backend
from runner.batch import Batch, batch_folder, refused, sweep, was_asked
from runner.folder import RunFolder, attempt_folder, crash_point, write_json
from runner.ingest import Harvest
from runner.report import Report
from runner.rows import insert, submission
from schema.catalog import Catalog
from schema.facts import OUTCOME_KINDS, STATES
from schema.site import Site

STOP_S = 600  # how long a withdrawn attempt may take to its checkpoint before its job is ended from outside
COLUMNS = ("state", "kind", "message", "log_tail", "host", "device", "versions", "commit", "started_at", "finished_at")
WORDS = {  # why an attempt ended that left no word of its own
    "killed": "the worker died without saying why; the next attempt goes on from its last checkpoint",
    "timeout": "the job's time was up; the next attempt goes on from its last checkpoint",
    "preempted": "the job was preempted; the next attempt goes on from its last checkpoint",
    "node_fail": "the node failed; the next attempt goes on from its last checkpoint",
    "oom_host": "out of memory. Raise memory_gb in site.toml, then request a retry",
    "no_result": "the job ended well, but the worker left no outcome",
    "submit": "never started",
}


@dataclass(frozen=True)
class Live:
    """An attempt without an outcome, or one given up whose late results still count."""

    trial: int
    attempt: int
    spec_id: str
    batch: str
    backend: str | None  # that has it, or may have it
    refused: bool  # the backend said no to its batch
    lost: bool
    withdrawn: bool
    tasks: int
    place: Place

    @property
    def run(self) -> RunFolder:
        """Its files."""
        return RunFolder(self.place.folder)


End = dict[str, Any]


def observe(site: Site, catalog: Catalog, place: Backend, report: Report) -> None:
    """Files and jobs become rows, each attempt in the light of the best evidence there is."""
    with catalog.open() as connection:
        attempts = _live(site, connection)
        known = _known(connection, attempts)
    look, places = _look(site, place, [live for live in attempts if not live.lost], report)
    harvest, ends = Harvest(), list[tuple[Live, End]]()
    for live in attempts:
        seen = look.sightings.get(live.place, Sighting(State.UNSURE))
        if seen.stuck:
            report.problem(live.batch, f"job {seen.job_id} waits and will not start by itself: {seen.reason}")
        if seen.state is State.PENDING:
            report.queue[seen.reason or "pending"] += 1
        end = _end_of(live, seen, places[live.backend].patience_s if live.backend in places else 0.0)
        harvest.gather(site.runs, live.trial, live.attempt, live.spec_id, known)
        if end is not None:
            ends.append((live, end))
    _cancel(places, attempts, look, {live.place for live, _ in ends})
    crash_point("ingest_read")
    for subject, message in harvest.problems:
        report.problem(subject, message)
    adopted = [
        submission(batch, "/".join(live.place.folder.parts[-2:]), seen.job_id)
        for live, seen in _unrecorded(attempts, look)
        if seen.job_id and (batch := Batch.read(batch_folder(site.runs, live.batch)))
    ]
    if not (adopted or ends or harvest.receipts):
        return
    with catalog.transaction() as connection:
        insert(connection, "submission", adopted)
        report.rows += harvest.store(connection)
        crash_point("ingest_stored")
        report.ended += _record(connection, ends)
        over = _over(connection, {live.batch for live, _ in ends})
    for name in over:
        sweep(site.runs, name)


def _live(site: Site, connection: duckdb.DuckDBPyConnection) -> list[Live]:
    found = connection.execute(
        """
        WITH wish AS (SELECT trial, arg_max(wish, created_at) AS wish FROM request GROUP BY trial),
        live AS (
            SELECT a.trial, a.attempt, a.spec_id, a.batch, a.position, a.created_at, s.backend, s.job_id,
                   o.state IS NOT NULL AS lost, a.spec
            FROM attempt a
            LEFT JOIN outcome o USING (trial, attempt)
            LEFT JOIN submission s USING (trial, attempt)
            WHERE o.state IS NULL OR o.state = 'lost' OR (o.state = 'cancelled' AND o.kind = 'killed')
        )
        SELECT l.trial, l.attempt, l.spec_id, l.batch, l.backend, l.lost, coalesce(w.wish = 'withdraw', false),
               (l.spec->'stream'->>'tasks')::INTEGER, l.position, l.job_id, l.created_at
        FROM live l
        LEFT JOIN wish w USING (trial)
        WHERE NOT lost OR l.trial NOT IN (SELECT trial FROM outcome WHERE state = 'done' AND trial IN (SELECT trial FROM live))
        ORDER BY l.trial, l.attempt
        """
    ).fetchall()
    sent = {row[3]: _sent(site.runs, row[3]) for row in found if row[4] is None and not row[5]}
    lives = []
    for trial, attempt, spec_id, batch, taken_by, lost, withdrawn, tasks, position, job_id, since in found:
        place = Place(batch, position, attempt_folder(site.runs, trial, attempt), job_id, since)
        asked, was_refused = sent.get(batch, (None, False))
        lives.append(Live(trial, attempt, spec_id, batch, taken_by or asked, was_refused, lost, withdrawn, tasks, place))
    return lives


def _sent(runs: Path, batch: str) -> tuple[str | None, bool]:
    """Which backend may have a batch whose submission is not recorded, and whether it was refused."""
    if refused(runs, batch) is not None:
        return None, True
    manifest = Batch.read(batch_folder(runs, batch)) if was_asked(runs, batch) else None
    return (manifest.backend if manifest else None), False


def _known(connection: duckdb.DuckDBPyConnection, attempts: list[Live]) -> set[str]:
    """The receipts of these attempts that are in the catalog already."""
    if not attempts:
        return set()
    folders = [f"{live.place.folder.parent.name}/{live.place.folder.name}" for live in attempts]
    found = connection.execute(
        "SELECT receipt FROM ingested WHERE regexp_extract(receipt, '^(.*)/', 1) IN (SELECT unnest(?::VARCHAR[]))", [folders]
    ).fetchall()
    return {name for (name,) in found}


def _look(site: Site, place: Backend, attempts: list[Live], report: Report) -> tuple[Look, dict[str | None, Backend]]:
    """Ask each backend once about its attempts. What no backend was asked about is certainly not there."""
    places: dict[str | None, Backend] = {place.name: place}
    whole = Look({live.place: Sighting(State.ABSENT) for live in attempts if live.backend is None})
    for name in {live.backend for live in attempts} - {None}:
        places[name] = places.get(name) or backend(str(name), site)
        look = places[name].look([live.place for live in attempts if live.backend == name])
        whole.sightings |= look.sightings
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


def _end_of(live: Live, seen: Sighting, patience_s: float) -> End | None:
    """How an attempt ended, by the precedence of evidence. None: it has not, or nobody knows."""
    said = live.run.outcome()
    if said is not None:
        return _told(live, said, seen)
    if live.lost:
        return None
    if live.withdrawn and not live.run.claimed and live.place.folder.exists() and live.run.revoke():
        return {"state": "cancelled", "message": "withdrawn before it started", "finished_at": files.now()}
    if seen.state in (State.PENDING, State.RUNNING):
        live.run.trust()
    if seen.state not in (State.ENDED, State.ABSENT) or (live.backend is None and live.refused and not live.run.revoked):
        return None  # a batch that was refused is offered again
    return _judged(live, seen, patience_s)


def _told(live: Live, said: End, seen: Sighting) -> End | None:
    """The worker's own word, completed by what only others know."""
    end = _understood(said) | {"log_tail": _log_tail(live)}
    if end["kind"] != "preempted":
        return end
    if live.withdrawn:
        return end | {"state": "cancelled", "kind": None, "message": f"withdrawn; {end['message']}"}
    if live.lost or seen.state in (State.PENDING, State.RUNNING, State.UNSURE):
        return end if live.lost else None  # who ended it, the scheduler or a person, the scheduler will say
    if seen.kind == "cancelled":
        return end | {"state": "cancelled", "kind": None, "message": f"cancelled by somebody else than sync ({seen.reason})"}
    return end


def _judged(live: Live, seen: Sighting, patience_s: float) -> End | None:
    """The end of an attempt that left no word: its job has ended or is not there."""
    run = live.run
    if not live.place.folder.exists():  # sync died before it made the folder
        return {"state": "lost", "kind": "submit", "message": WORDS["submit"], "finished_at": files.now()}
    if not run.claimed:
        if live.backend is not None and seen.state is State.ABSENT and not run.doubted(patience_s):
            return None
        if run.revoke():
            kind = seen.kind if seen.kind in ("cancelled", "node_fail", "preempted") else "submit"
            return _verdict(live, seen, kind, f"never started ({seen.reason})" if seen.reason else WORDS["submit"])
        return None  # a worker took it a moment ago
    if run.revoked:
        return _verdict(live, seen, "submit", WORDS["submit"])
    if not run.doubted(patience_s):
        return None
    said = run.outcome()  # it may have been written a moment ago
    return _told(live, said, seen) if said is not None else _verdict(live, seen, seen.kind or "killed", None)


def _verdict(live: Live, seen: Sighting, kind: str, message: str | None) -> End:
    """Sync's own judgement, kept in the folder too."""
    words = message or WORDS.get(kind, WORDS["killed"])
    end: End = {"state": "lost", "kind": kind, "message": words, "log_tail": _log_tail(live), "finished_at": files.now()}
    if kind == "cancelled":
        end |= {"state": "cancelled", "kind": None if not live.run.claimed or live.run.revoked else "killed"}
        end["message"] = "withdrawn" if live.withdrawn else f"cancelled by somebody else than sync ({seen.reason})"
    elif seen.reason and message is None:
        end["message"] = f"{words} ({seen.reason})"
    write_json(live.place.folder / "verdict.json", end)
    return end


def _cancel(places: dict[str | None, Backend], attempts: list[Live], look: Look, ended: set[Place]) -> None:
    """End the jobs that nobody wants any more: those that wait while all their attempts are over (withdrawn, or requeued by hand
    after their end), and those that run on long after a withdrawn attempt was asked to end at a checkpoint."""
    told: dict[str | None, list[Place]] = {}
    wanted = {(live.batch, live.place.position) for live in attempts if live.place not in ended and not live.withdrawn}
    for live in attempts:
        seen, over = look.sightings.get(live.place), live.place in ended
        if seen is None or live.lost:
            continue
        asked_s = live.run.stop() if live.withdrawn and not over and live.run.claimed else 0.0
        useless = seen.state is State.PENDING if over else seen.state is State.RUNNING and asked_s > STOP_S
        if useless and (live.batch, live.place.position) not in wanted:
            told.setdefault(live.backend, []).append(replace(live.place, job_id=live.place.job_id or seen.job_id))
    for name, where in told.items():
        places[name].cancel(where)


def _log_tail(live: Live) -> str:
    """The end of the worker's log, or of its job's where the worker never wrote one."""
    batch = batch_folder(live.place.folder.parent.parent, live.batch)
    return files.tail(live.place.folder / "log.txt") or files.tail(batch / f"{live.place.position}_log.out")


def _understood(said: End) -> End:
    """An outcome with words that the catalog knows; whoever wrote others must not stop the rest of the grid."""
    if said.get("state") in STATES and said.get("kind") in (None, *OUTCOME_KINDS):
        return {"kind": None, "message": None} | said
    message = f"outcome.json says state {said.get('state')!r}, kind {said.get('kind')!r}; known are {', '.join(STATES)}"
    return {"state": "failed", "kind": "error", "message": message, "finished_at": files.now()}


def _record(connection: duckdb.DuckDBPyConnection, ends: list[tuple[Live, End]]) -> int:
    """Insert how attempts ended; how many of them were not known."""
    had = _tasks(connection, [live.trial for live, end in ends if end["state"] == "done"])
    rows, corrected = [], []
    for live, end in ends:
        if end["state"] == "done":
            found = {task for attempt, task in had.get(live.trial, ()) if attempt <= live.attempt}
            missing = sorted(set(range(live.tasks + 1)) - found)
            if missing:
                message = f"said done, but no trustworthy results of tasks {missing}"
                end = end | {"state": "lost", "kind": "no_result", "message": message}
        if live.lost and end["state"] == "lost":
            continue
        if live.lost:  # a late end of an attempt that had been given up: evidence wins
            corrected.append((live.trial, live.attempt))
        rows.append({"trial": live.trial, "attempt": live.attempt} | {name: end.get(name) for name in COLUMNS})
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


def _tasks(connection: duckdb.DuckDBPyConnection, trials: list[int]) -> dict[int, list[tuple[int, int]]]:
    """Trial -> (attempt, task) of every receipt of it that is in the catalog."""
    if not trials:
        return {}
    found = connection.execute(
        "SELECT receipt FROM ingested WHERE split_part(receipt, '/', 1) IN (SELECT unnest(?::VARCHAR[]))",
        [[f"{trial:06d}" for trial in trials]],
    ).fetchall()
    tasks: dict[int, list[tuple[int, int]]] = {}
    for path in (Path(name) for (name,) in found):
        tasks.setdefault(int(path.parts[0]), []).append((int(path.parts[1]), int(path.stem.partition("-")[2])))
    return tasks
