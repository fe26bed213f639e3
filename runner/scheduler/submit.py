"""Decide and act: `SELECT * FROM todo`, then attempt rows, folders and manifest, the backend, and
what it answered, in order.

A sync killed between any two of these leaves what the next one needs to go on: an attempt row
without a submission is looked up at the backend by its batch's name, and only if it never got there
another attempt is made. A batch that the backend refuses keeps its attempts, and is offered again
by the next pass; so is one that it was never asked about.
"""

import logging
import uuid
from typing import Any

import duckdb

from runner import code_snapshot
from runner.backends import (
    Backend,
    BackendError,
    SubmissionRefusedError,
    SubmissionUnknownError,
    UnreachableError,
)
from runner.run_files import Assignment
from runner.run_folder import RunFolder, attempt_folder, crash_point, now
from runner.scheduler.attempts import Live, jobs, unreadable
from runner.scheduler.choose import Chosen, Wanted, choose
from runner.scheduler.fact_rows import insert, submission
from runner.scheduler.report import Report
from runner.submission import Submission, packed, submission_folder
from schema.catalog import Catalog
from schema.site import Needs, Site

LOG = logging.getLogger("runner.sync")


def act(
    site: Site,
    catalog: Catalog,
    place: Backend,
    report: Report,
    limit: int | None,
    live: list[Live],
) -> None:
    """Offer what was not taken before, then start what `todo` names, beside the attempts that
    `live` on.
    """
    report.running = len(live)
    refused = _offer_all(catalog, place, _waiting(site, place, report, live), report)
    room = place.room(jobs(live))
    if refused is None or not room or limit == 0:
        return
    with catalog.open() as connection:
        chosen = choose(site, connection, room, limit, refused)
    report.pending = chosen.pending
    if chosen.without_room:
        report.problem(
            "disk",
            f"{site.runs} has no room for two checkpoints of trials {chosen.without_room[:5]}, which "
            "met a full disk; they are tried again when there is",
        )
    if not chosen.attempts and not chosen.refused:
        return
    try:
        batches = plan(site, place, chosen)
    except UnreachableError as error:
        report.problem(place.name, f"nothing was submitted: {error}")
        return
    # Attempts without it mean that its disk is not there
    site.runs.mkdir(parents=True, exist_ok=True)
    with catalog.transaction() as connection:
        _record(connection, chosen, batches)
    report.refused += len(chosen.refused)
    report.running += chosen.attempts
    report.pending -= chosen.attempts + len(chosen.refused)
    crash_point("attempt_row")
    for batch, wanted in batches:
        _make_folders(site, batch, wanted, report)
    crash_point("folder")
    _offer_all(catalog, place, [batch for batch, _ in batches], report)
    crash_point("submission_row")


def _waiting(site: Site, place: Backend, report: Report, live: list[Live]) -> list[Submission]:
    """Return the submissions to offer again: those that were refused, or never offered.

    One that site.toml no longer asks for, or whose files are not what they must be, is given up,
    and its trials are planned anew.
    """
    current = []
    for name in dict.fromkeys(each.batch for each in live if each.waits):
        mine = [each for each in live if each.batch == name]
        folder = submission_folder(site.runs, name)
        manifest = None
        with report.one(folder, "its attempts are made anew"):
            manifest = Submission.read(folder)
        if manifest is not None and _is_offerable(site, place, report, manifest, mine):
            current.append(manifest)
            continue
        for each in mine:
            # A folder that is gone needs no claim: no worker can begin in it
            if each.place.folder.is_dir():
                with report.one(each.place.folder, "it is not offered again"):
                    each.run.revoke()
    return current


def _is_offerable(
    site: Site, place: Backend, report: Report, manifest: Submission, lives: list[Live]
) -> bool:
    """Whether a submission is what site.toml asks for today, and its files are whole."""
    asked = []
    for needs in (site.needs, *site.by_backbone.values()):
        spread = needs.spread(manifest.needs.ranks)
        # Trials that ran out of memory are given more of it than site.toml says first
        asked += [spread.raised(times) for times in range(spread.raises + 1)]
    if manifest.backend != place.name or manifest.needs not in asked:
        return False
    if not manifest.code.is_dir():
        report.problem(manifest.name, f"{manifest.code} is gone; its attempts are made anew")
        return False
    why = unreadable(lives)
    if why is not None:
        report.problem(manifest.name, f"{why}; its attempts are made anew")
    return why is None


def _offer_all(
    catalog: Catalog, place: Backend, batches: list[Submission], report: Report
) -> set[Needs] | None:
    """Give batches to the backend, one after another; the needs that it refuses (what it said to
    one batch it would say to all that need the same), or None when it does not answer and should be
    left alone in this pass.
    """
    refused, rows = set[Needs](), list[dict[str, Any]]()
    try:
        for batch in batches:
            if batch.needs not in refused:
                taken = _offer(place, batch, report, refused)
                if taken is None:
                    return None
                rows += taken
    finally:
        # At once: each opening of the catalog writes all of it that is new, and until then the
        # answers are on disk
        if rows:
            with catalog.transaction() as connection:
                insert(connection, "submission", rows)
            report.submitted += len(rows)
    return refused


def plan(site: Site, place: Backend, chosen: Chosen) -> list[tuple[Submission, list[list[Wanted]]]]:
    """Jobs of equal needs together, cut into batches as long as the backend allows.

    Raises:
        UnreachableError: the backend does not say how long that is.
    """
    if not chosen.jobs:
        return []
    snapshot, longest = code_snapshot.snapshot(site.code), place.positions()
    classes: dict[Needs, list[list[Wanted]]] = {}
    for needs, job in chosen.jobs:
        classes.setdefault(needs, []).append(job)
    batches = []
    for needs, alike in classes.items():
        for piece in packed(alike, longest):
            positions = [[_name(site, wanted) for wanted in job] for job in piece]
            name = f"weir-{uuid.uuid4().hex[:12]}"
            batch = Submission(
                name=name,
                backend=place.name,
                code=snapshot,
                threads=site.threads_per_trial,
                needs=needs,
                positions=positions,
                runs=site.runs,
            )
            batches.append((batch, piece))
    return batches


def _name(site: Site, wanted: Wanted) -> str:
    return str(attempt_folder(site.runs, wanted.trial, wanted.attempt).relative_to(site.runs))


def _record(
    connection: duckdb.DuckDBPyConnection,
    chosen: Chosen,
    batches: list[tuple[Submission, list[list[Wanted]]]],
) -> None:
    """The attempt rows, of those that will run and of those that cannot (which end here)."""
    serials = connection.execute(
        "SELECT nextval('event') FROM range(?)", [chosen.attempts]
    ).fetchall()
    for wanted, (serial,) in zip(
        (each for _, taken in batches for job in taken for each in job), serials, strict=True
    ):
        wanted.serial = serial
    rows = [
        {
            "trial": wanted.trial,
            "attempt": wanted.attempt,
            "spec": wanted.text,
            "spec_id": wanted.spec.id,
            "batch": batch.name,
            "position": position,
            "code": batch.code.name,
            "serial": wanted.serial,
        }
        for batch, jobs in batches
        for position, job in enumerate(jobs)
        for wanted in job
    ]
    insert(connection, "attempt", rows)
    for trial, attempt, message in chosen.refused:
        connection.execute(
            "INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position) "
            "SELECT ?, ?, coalesce((SELECT spec FROM definition WHERE trial = ?), '{}'), '', '', -1",
            [trial, attempt, trial],
        )
        connection.execute(
            "INSERT INTO outcome (trial, attempt, state, kind, message, finished_at) VALUES (?, ?, 'refused', 'error', ?, now())",
            [trial, attempt, message],
        )


def _make_folders(site: Site, batch: Submission, jobs: list[list[Wanted]], report: Report) -> None:
    versions, created_at = code_snapshot.versions(), now()
    for position, job in enumerate(jobs):
        for wanted in job:
            path = attempt_folder(site.runs, wanted.trial, wanted.attempt)
            if wanted.attempt == 1 and path.parent.exists():
                # Of a catalog that is no longer there: not this trial's files
                aside = path.parent.rename(
                    path.parent.with_name(f"{path.parent.name}.orphan-{batch.name}")
                )
                report.problem(
                    f"trial {wanted.trial}",
                    f"{path.parent} was there before its first attempt; moved to {aside.name}",
                )
            RunFolder(path).create(
                wanted.spec,
                Assignment(
                    trial=wanted.trial,
                    attempt=wanted.attempt,
                    batch=batch.name,
                    position=position,
                    data=str(site.data),
                    threads=site.threads_per_trial,
                    workers=site.workers_per_trial,
                    checkpoint_minutes=site.checkpoint_minutes,
                    backbone_weights=wanted.weights,
                    code=batch.code.name,
                    code_folder=str(batch.code),
                    versions=versions,
                    study=wanted.study,
                    priority=wanted.priority,
                    created_at=created_at,
                    serial=wanted.serial,
                    store=wanted.store,
                    stem=wanted.stem,
                    spec_id=wanted.spec.id,
                ),
            )
    batch.write()


def _offer(
    place: Backend, batch: Submission, report: Report, refused: set[Needs]
) -> list[dict[str, Any]] | None:
    """Give a batch to the backend and note what it says: the `submission` rows of what it took (of
    a batch that it refuses none, and its needs join `refused`), or None: no answer.
    """
    batch.ask()
    crash_point("asked")
    try:
        jobs = place.submit(batch)
    except SubmissionRefusedError as error:
        batch.answered(refused=str(error))
        report.problem(batch.name, f"{place.name} refuses it, and will be asked again: {error}")
        refused.add(batch.needs)
        return []
    except SubmissionUnknownError as error:
        report.problem(
            batch.name, f"{place.name} may or may not have taken it, and will be looked at: {error}"
        )
        return None
    except BackendError as error:
        report.problem(place.name, str(error))
        return None
    crash_point("submitted")
    batch.answered(jobs=jobs)
    LOG.info("%s took %s: %d jobs", place.name, batch.name, len(jobs))
    return [
        submission(batch, folder, job_id)
        for job_id, job in zip(jobs, batch.positions, strict=True)
        for folder in job
        if job_id
    ]


def live_jobs(connection: duckdb.DuckDBPyConnection) -> int:
    """How many jobs have attempts without an end."""
    found = connection.execute(
        "SELECT count(DISTINCT (batch, position)) FROM attempt ANTI JOIN outcome USING (trial, attempt)"
    ).fetchone()
    return found[0] if found else 0
