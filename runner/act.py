"""Decide and act: `SELECT * FROM todo`, then attempt rows, folders, the backend, and what it answered, in this order.

A sync killed between any two of these leaves what the next one needs to go on: an attempt row without a submission is looked
up at the backend by its folder or its batch name, and only if it never got there another attempt is made.
"""

import uuid
from pathlib import Path

import duckdb

from runner import folder as files
from runner.backend import Backend
from runner.folder import Job, RunFolder, attempt_folder, crash_point
from runner.observe import record_submission
from runner.report import Report
from runner.resolve import RefusedError, resolve
from schema.catalog import Catalog
from schema.site import Site
from schema.spec import Spec

REFUSALS_PER_PASS = 100  # looked at beyond the room there is, so that trials that cannot run do not hide those that can


def act(site: Site, catalog: Catalog, place: Backend, report: Report, limit: int | None) -> None:
    """Start what `todo` names: attempt rows first, then folders, then the backend, then what it answered."""
    room = place.room() if limit is None else min(limit, place.room())
    batch = f"weir-{uuid.uuid4().hex[:12]}"
    started: list[tuple[Path, int, int]] = []
    with catalog.transaction() as connection:
        todo = connection.execute(
            "SELECT trial, attempt, count(*) OVER () FROM todo ORDER BY priority DESC, trial LIMIT ?", [room + REFUSALS_PER_PASS]
        ).fetchall()
        wanted: list[tuple[int, int, Spec, Job]] = []
        for trial, attempt, _ in todo:
            if len(wanted) == room:
                break
            try:
                spec, text = resolve(connection, trial)
                job = _job(site, connection, trial, attempt, batch, len(wanted), spec)
            except RefusedError as error:
                _refuse(connection, trial, attempt, batch, str(error))
                report.refused += 1
                continue
            connection.execute(
                "INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position) VALUES (?, ?, ?, ?, ?, ?)",
                [trial, attempt, text, spec.id, batch, len(wanted)],
            )
            wanted.append((trial, attempt, spec, job))
        report.pending = (todo[0][2] if todo else 0) - len(wanted) - report.refused
    crash_point("attempt_row")
    for trial, attempt, spec, job in wanted:
        path = attempt_folder(site.runs, trial, attempt)
        if attempt == 1 and path.parent.exists():  # of a catalog that is no longer there: its files are not this trial's
            aside = path.parent.rename(path.parent.with_name(f"{path.parent.name}.orphan-{batch}"))
            report.problems.append(f"{path.parent} was there before its first attempt; moved to {aside.name}")
        RunFolder(path).create(spec, job)
        started.append((path, trial, attempt))
    crash_point("folder")
    jobs = place.submit([path for path, _, _ in started]) if started else []
    crash_point("submitted")
    with catalog.transaction() as connection:
        for (_, trial, attempt), job_id in zip(started, jobs, strict=True):
            if job_id:
                record_submission(connection, site, trial, attempt, job_id)
                report.submitted += 1
        running = connection.execute("SELECT count(*) FROM submission ANTI JOIN outcome USING (trial, attempt)").fetchone()
        report.running = int(running[0]) if running else 0
    crash_point("submission_row")


def _job(
    site: Site, connection: duckdb.DuckDBPyConnection, trial: int, attempt: int, batch: str, position: int, spec: Spec
) -> Job:
    pretrained = spec.backbone["pretrained"] or ""
    weights = _deployed(site, int(pretrained[6:])) if pretrained.startswith("trial:") else None
    return Job(trial, attempt, batch, position, str(site.data), site.threads_per_trial, site.checkpoint_minutes, weights)


def _deployed(site: Site, trial: int) -> str:
    """The weights that a finished trial deployed last.

    Raises:
        RefusedError: its run folder is gone.
    """
    trial_folder = site.runs / f"{trial:06d}"
    attempts = sorted((p for p in trial_folder.glob("[0-9]*")), key=lambda p: int(p.name), reverse=True)
    tasks = files.done_tasks([RunFolder(p) for p in attempts])
    if tasks:
        run, receipt = tasks[max(tasks)]
        path = run.path / str(receipt["weights"]["deployed"]["file"])
        if path.exists():
            return str(path)
    raise RefusedError(
        f"the backbone is what trial {trial} deployed, but {trial_folder} holds no weights any more. Put the folder back "
        "and request a retry of this trial, or insert the base with another seed and a backbone that names that trial"
    )


def _refuse(connection: duckdb.DuckDBPyConnection, trial: int, attempt: int, batch: str, message: str) -> None:
    """A trial that cannot run as declared: an attempt that ends before a job exists, with the reason."""
    connection.execute(
        "INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position) "
        "SELECT ?, ?, coalesce((SELECT spec FROM definition WHERE trial = ?), '{}'), '', ?, -1",
        [trial, attempt, trial, batch],
    )
    connection.execute(
        "INSERT INTO outcome (trial, attempt, state, kind, message, finished_at) VALUES (?, ?, 'refused', 'error', ?, now())",
        [trial, attempt, message],
    )
