"""Observe attempts: read run folders, query backends, and store the results as rows.

Errors are confined to one attempt: a problem with its files is recorded, and the pass continues.
"""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from runner.backends import Backend, Look, Place, Sighting, State, backend
from runner.run_files import Outcome
from runner.run_folder import crash_point
from runner.scheduler import receipts
from runner.scheduler.attempts import Live
from runner.scheduler.doubt import stop
from runner.scheduler.fact_rows import insert, submission
from runner.scheduler.memory import advice
from runner.scheduler.report import Report, below
from runner.scheduler.verdict import Evidence, end_of, kept, open_question, outcome_of
from runner.submission import Submission, submission_folder, sweep
from schema.catalog import Catalog
from schema.site import Site

LOG = logging.getLogger("runner.sync")
# Seconds that a withdrawn attempt has to write its checkpoint before its job is cancelled
STOP_S = 600
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


@dataclass
class Findings:
    """New receipts, jobs and outcomes that a pass found and that are not yet in the catalog."""

    receipts: list[tuple[Live, Path]] = field(default_factory=list)
    # Rows of submissions that a killed sync made but did not record
    adopted: list[dict[str, object]] = field(default_factory=list)
    ends: dict[Place, tuple[Live, Outcome]] = field(default_factory=dict)

    @property
    def anything(self) -> bool:
        """Return whether there is something to store."""
        return bool(self.receipts or self.adopted or self.ends)


@dataclass(frozen=True)
class Answers:
    """The backends of a pass's attempts, with their answers."""

    look: Look
    places: dict[str | None, Backend]

    def sighting(self, live: Live) -> Sighting:
        """Return the backend's answer about an attempt's job."""
        return self.look.sightings.get(live.place, Sighting(State.UNSURE))

    def patience_s(self, live: Live) -> float:
        """Return how many seconds to wait for an unknown job of the attempt's backend."""
        known = self.places.get(live.backend)
        return known.patience_s if known is not None else 0.0


def observe(
    site: Site, catalog: Catalog, place: Backend, report: Report, attempts: list[Live]
) -> list[Live]:
    """Store the files and the ends of `attempts` as rows; return the attempts that live on."""
    if attempts and not site.runs.is_dir():
        # If the disk is not mounted, nothing can be concluded about any attempt
        report.problem(
            "runs",
            f"{site.runs} is not there, and nothing is decided without it. Mount its disk, or make "
            "the folder",
        )
        report.silent.add(place.name)
        return [live for live in attempts if not live.lost]
    outcomes = {live.place: outcome_of(live, report) for live in attempts}
    questions = []
    for live in attempts:
        if not live.lost and open_question(outcomes[live.place]):
            questions.append(live)
    answers = _ask(site, place, questions, report)
    findings = Findings()
    for live in attempts:
        _note_queue(live, answers.sighting(live), report)
        evidence = Evidence(
            live=live,
            outcome=outcomes[live.place],
            sighting=answers.sighting(live),
            patience_s=answers.patience_s(live),
        )
        with report.one(live.place.folder, "the attempt is left as it is"):
            end = end_of(evidence, report)
            if end is not None:
                findings.ends[live.place] = (live, end)
    _cancel(answers, attempts, findings, report)
    crash_point("cancelled")
    # Receipts are read after the outcomes: a worker with an outcome writes no more of them
    for live in attempts:
        with report.one(live.place.folder, "what it brought is not taken, until it can be read"):
            findings.receipts += [(live, path) for path in receipts.of(live.place.folder)]
    findings.adopted = _adopted(site, attempts, answers.look, report)
    if findings.anything:
        _store(site, catalog, report, findings)
    return [live for live in attempts if not live.lost and live.place not in findings.ends]


def _note_queue(live: Live, seen: Sighting, report: Report) -> None:
    """Record why a job waits, and a problem if it will not start without intervention."""
    if seen.stuck:
        # One line for all jobs of an array
        array = str(seen.job_id).partition("_")[0]
        report.problem(live.batch, f"job {array} waits and will not start by itself: {seen.reason}")
    if seen.state is State.PENDING:
        report.queue[seen.reason or "pending"] += 1


def _adopted(
    site: Site, attempts: list[Live], look: Look, report: Report
) -> list[dict[str, object]]:
    """Return rows for jobs that a killed sync submitted but did not record.

    They are found by their names in the backend.
    """
    rows = []
    for live in attempts:
        seen = look.sightings.get(live.place)
        if live.place.job_id is not None or live.lost or seen is None or not seen.job_id:
            continue
        folder = submission_folder(site.runs, live.batch)
        with report.one(folder, "its jobs are known to the backend alone"):
            manifest = Submission.read(folder)
            if manifest is not None:
                rows.append(submission(manifest, below(live.place.folder), seen.job_id))
    return rows


def _store(site: Site, catalog: Catalog, report: Report, findings: Findings) -> None:
    with catalog.open() as connection:
        known = receipts.known(connection, [path for _, path in findings.receipts])
    new = [(live, path) for live, path in findings.receipts if receipts.name(path) not in known]
    if not (new or findings.adopted or findings.ends):
        return
    # Imported here, so that a pass without new results need not import polars
    from runner.scheduler.ingest import Harvest

    harvest = Harvest()
    for live, path in new:
        harvest.gather(path, live.trial, live.attempt, live.spec_id)
    harvest.read()
    crash_point("ingest_read")
    for subject, message in harvest.problems:
        report.problem(subject, message)
    ends = list(findings.ends.values())
    if not (harvest.receipts or findings.adopted or ends):
        return
    # Results and outcomes are stored in one transaction, so that a done trial has its results
    with catalog.transaction() as connection:
        insert(connection, "submission", findings.adopted)
        report.rows += harvest.store(connection)
        crash_point("ingest_stored")
        recorded = _record(site, connection, ends)
        report.ended += len(recorded)
        report.over |= {live.trial for live, _ in ends}
        over = _over(connection, {live.batch for live, _ in ends})
    for live, end in recorded:
        words = ": ".join(word for word in (end.state, end.kind, end.message) if word)
        LOG.info("trial %d attempt %d ended: %s", live.trial, live.attempt, words)
    for name in over:
        with report.one(submission_folder(site.runs, name), "its scripts stay"):
            sweep(site.runs, name)


def _ask(site: Site, place: Backend, attempts: list[Live], report: Report) -> Answers:
    """Query each backend once about its attempts.

    An attempt that was never handed to a backend is certainly absent.
    """
    places: dict[str | None, Backend] = {place.name: place}
    whole = Look()
    for live in attempts:
        if live.backend is None:
            whole.sightings[live.place] = Sighting(State.ABSENT)
    for name in sorted({live.backend for live in attempts if live.backend is not None}):
        places[name] = places.get(name) or backend(name, site)
        look = places[name].look([live.place for live in attempts if live.backend == name])
        whole.sightings |= look.sightings
        if not look.answered:
            report.silent.add(name)
        for subject, message in look.problems:
            report.problem(subject, message)
    return Answers(whole, places)


def _cancel(answers: Answers, attempts: list[Live], findings: Findings, report: Report) -> None:
    """Cancel jobs that are no longer useful.

    Those are jobs that wait or run although all their attempts are over (withdrawn, or the step
    that ran them is dead), and jobs that still run long after a withdrawn attempt was told to end.
    """
    ended = findings.ends
    useless: dict[str | None, list[Place]] = {}
    needed = set()
    for live in attempts:
        if live.place not in ended and not live.withdrawn:
            needed.add((live.batch, live.place.position))
    for live in attempts:
        with report.one(live.place.folder, "its job is not asked to end"):
            seen = answers.look.sightings.get(live.place)
            if seen is None or live.lost or not _is_useless(live, seen, live.place in ended):
                continue
            if (live.batch, live.place.position) in needed:
                continue
            if live.place in ended:
                # Recorded before the backend reports it as cancelled, so that after a crash the
                # next sync does not take it for a person's decision
                kept(live, ended[live.place][1])
            job_id = live.place.job_id or seen.job_id
            useless.setdefault(live.backend, []).append(replace(live.place, job_id=job_id))
    for name, where in useless.items():
        answers.places[name].cancel(where)


def _is_useless(live: Live, seen: Sighting, over: bool) -> bool:
    """Return whether an attempt's waiting or running job is useless.

    It tells the worker of a withdrawn attempt to end.
    """

    asked_s = 0.0
    if live.withdrawn and not over and live.run.claimed:
        asked_s = stop(live.run)
    return seen.state in (State.PENDING, State.RUNNING) and (over or asked_s > STOP_S)


def _record(
    site: Site, connection: duckdb.DuckDBPyConnection, ends: list[tuple[Live, Outcome]]
) -> list[tuple[Live, Outcome]]:
    """Insert the outcomes of attempts; return the new ones, as inserted."""
    lives = [live for live, end in ends if end.state == "done"]
    missing = _missing(connection, lives)
    recorded: list[tuple[Live, Outcome]] = []
    rows, corrected = [], []
    for live, end in ends:
        lacking = missing.get((live.trial, live.attempt))
        if end.state == "done" and lacking:
            message = f"said done, but no trustworthy results of tasks {lacking}"
            end = replace(end, state="lost", kind="no_result", message=message)
        if end.kind == "oom_gpu" and live.measures is None:
            # Only the catalog knows the memory that similar trials were measured to need
            words = f"{end.message or ''}{advice(site, connection, live.trial)}"
            end = replace(end, message=words)
        if live.lost and end.state == "lost":
            continue
        if live.lost:
            # A late outcome of an abandoned attempt replaces the one that sync assumed
            corrected.append((live.trial, live.attempt))
        columns = {name: getattr(end, name) for name in COLUMNS}
        rows.append({"trial": live.trial, "attempt": live.attempt} | columns)
        recorded.append((live, end))
    if corrected:
        connection.executemany("DELETE FROM outcome WHERE trial = ? AND attempt = ?", corrected)
    insert(connection, "outcome", rows)
    return recorded


def _over(connection: duckdb.DuckDBPyConnection, batches: set[str]) -> list[str]:
    """Return the submissions whose attempts have all started and ended."""
    rows = connection.execute(
        "SELECT batch FROM attempt LEFT JOIN outcome USING (trial, attempt) "
        "WHERE batch IN (SELECT unnest(?::VARCHAR[])) "
        "GROUP BY batch HAVING bool_and(state IS NOT NULL AND coalesce(kind, '') <> 'submit')",
        [list(batches)],
    ).fetchall()
    return [name for (name,) in rows]


def _missing(
    connection: duckdb.DuckDBPyConnection, lives: list[Live]
) -> dict[tuple[int, int], list[int]]:
    """Return, by (trial, attempt), the tasks without results of it or an earlier attempt.

    Only the catalog is read: the tasks of an attempt are in its row, its results in `ingested`. So
    later damage of a run folder changes nothing.
    """
    if not lives:
        return {}
    trials = list({live.trial for live in lives})
    had: dict[int, list[tuple[int, int]]] = {}
    taken = connection.execute(
        "SELECT receipt FROM ingested "
        "WHERE split_part(receipt, '/', 1) IN (SELECT unnest(?::VARCHAR[]))",
        [[f"{trial:06d}" for trial in trials]],
    ).fetchall()
    for (name,) in taken:
        path = Path(name)
        task = int(path.stem.partition("-")[2])
        had.setdefault(int(path.parts[0]), []).append((int(path.parts[1]), task))
    # An attempt that measures goes on from those of the very same measurement alone, and one that
    # trains again from those that do so with it
    attempts = connection.execute(
        "SELECT trial, attempt, if(measures IS NULL, coalesce(retrains::VARCHAR, ''), spec_id), "
        "if(measures IS NULL, range((spec->>'$.stream.tasks')::INT + 1), "
        "(spec->'$.measures.tasks')::BIGINT[]) "
        "FROM attempt WHERE trial IN (SELECT unnest(?::BIGINT[]))",
        [trials],
    ).fetchall()
    kinds = {(trial, attempt): kind for trial, attempt, kind, _ in attempts}
    missing = {}
    for trial, attempt, kind, tasks in attempts:
        brought = set()
        for number, task in had.get(trial, ()):
            if number <= attempt and kinds.get((trial, number)) == kind:
                brought.add(task)
        missing[trial, attempt] = sorted(set(tasks or ()) - brought)
    return missing
