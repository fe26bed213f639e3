"""Decide and act: `SELECT * FROM todo`, attempt rows, folders and manifest, the backend's answer.

That is the order. A sync killed between any two of these leaves what the next one needs to go on:
an attempt row without a row of `submission` is looked up at the backend by its submission's name,
and only if it never got there another attempt is made. A submission that the backend refuses keeps
its attempts, and is offered again by the next pass; so is one that it was never asked about.
"""

import logging
import uuid
from pathlib import Path
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
from runner.scheduler.disk import is_over
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
    """Offer what was not taken before, then start what `todo` names; `live` are the others."""
    report.running = len(live)
    refused = _offer_all(catalog, place, _waiting(site, place, report, live), report)
    room = place.room(jobs(live))
    if refused is None or not room or limit == 0:
        return
    with catalog.open() as connection:
        # What that means is said where the disk is measured, at the end of the pass
        if is_over(site, connection):
            return
        chosen = choose(site, connection, room, limit, refused)
    report.pending = chosen.pending
    _note_without_room(site, chosen, report)
    if not chosen.attempts and not chosen.refused:
        return
    try:
        batches = plan(site, place, chosen)
    except UnreachableError as error:
        report.problem(place.name, f"nothing was submitted: {error}")
        return
    # Attempts without it mean that its disk is not there
    site.runs.mkdir(parents=True, exist_ok=True)
    # Rows before anything else: what a killed sync leaves behind is found by them
    with catalog.transaction() as connection:
        serials = _record(connection, chosen, batches)
    report.refused += len(chosen.refused)
    report.running += chosen.attempts
    report.pending -= chosen.attempts + len(chosen.refused)
    crash_point("attempt_row")
    for batch, jobs_of_batch in batches:
        _make_folders(site, batch, jobs_of_batch, serials, report)
    # Folders and manifest before the backend is asked: a job may begin at once
    crash_point("folder")
    _offer_all(catalog, place, [batch for batch, _ in batches], report)
    crash_point("submission_row")


def _note_without_room(site: Site, chosen: Chosen, report: Report) -> None:
    """Note the trials that met a full disk, and for which there is still no room."""
    if chosen.without_room:
        report.problem(
            "disk",
            f"{site.runs} has no room for two checkpoints of trials {chosen.without_room[:5]}, "
            "which met a full disk; they are tried again when there is",
        )


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
    """Return whether a submission is what site.toml asks for today, with all its files."""
    allowed = []
    for needs in (site.needs, *site.by_backbone.values()):
        spread = needs.spread(manifest.needs.ranks)
        # Trials that ran out of memory are given more of it than site.toml says first
        allowed += [spread.raised(times) for times in range(spread.raises + 1)]
    if manifest.backend != place.name or manifest.needs not in allowed:
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
    """Give submissions to the backend, one after another; return the needs that it refuses.

    What it said to one it would say to all that need the same. None: it does not answer, and is
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
        # All answers at once: each opening of the catalog writes all of it that is new. Until then
        # the answers are on disk
        if rows:
            with catalog.transaction() as connection:
                insert(connection, "submission", rows)
            report.submitted += len(rows)
    return refused


def plan(site: Site, place: Backend, chosen: Chosen) -> list[tuple[Submission, list[list[Wanted]]]]:
    """Return submissions: jobs of equal needs together, as many as the backend allows.

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
            positions = [[_name(site, each) for each in job] for job in piece]
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


def _name(site: Site, attempt: Wanted) -> str:
    return str(attempt_folder(site.runs, attempt.trial, attempt.attempt).relative_to(site.runs))


def _record(
    connection: duckdb.DuckDBPyConnection,
    chosen: Chosen,
    batches: list[tuple[Submission, list[list[Wanted]]]],
) -> dict[tuple[int, int], int]:
    """Insert the rows of attempts: of those that will run and of those that cannot.

    The latter end here. Returns (trial, attempt) -> its serial number.
    """
    numbers = connection.execute("SELECT nextval('event') FROM range(?)", [chosen.attempts])
    unused = iter(numbers.fetchall())
    serials, rows = {}, []
    for batch, jobs_of_batch in batches:
        for position, job in enumerate(jobs_of_batch):
            for attempt in job:
                (serial,) = next(unused)
                serials[attempt.trial, attempt.attempt] = serial
                place = {"batch": batch.name, "position": position, "code": batch.code.name}
                rows.append(attempt.row | place | {"serial": serial})
    insert(connection, "attempt", rows)
    for refused in chosen.refused:
        key = [refused.trial, refused.attempt]
        connection.execute(
            "INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position, measures, "
            "retrains) "
            "SELECT ?, ?, coalesce((SELECT spec FROM definition WHERE trial = ?), '{}'), "
            "'', '', -1, ?, ?",
            [*key, refused.trial, refused.measures, refused.retrains],
        )
        connection.execute(
            "INSERT INTO outcome (trial, attempt, state, kind, message, finished_at) "
            "VALUES (?, ?, 'refused', 'error', ?, now())",
            [*key, refused.message],
        )
    return serials


def _move_strangers(attempt: Wanted, path: Path, batch: Submission, report: Report) -> None:
    """Move a trial's folder away that is there before the trial's first attempt.

    Its files are of a catalog that is no longer there, and not this trial's.
    """
    if attempt.attempt > 1 or not path.exists():
        return
    aside = path.rename(path.with_name(f"{path.name}.orphan-{batch.name}"))
    report.problem(
        f"trial {int(path.name)}",
        f"{path} was there before its first attempt; moved to {aside.name}",
    )


def _make_folders(
    site: Site,
    batch: Submission,
    jobs_of_batch: list[list[Wanted]],
    serials: dict[tuple[int, int], int],
    report: Report,
) -> None:
    """Make the folders of a submission's attempts, and then its manifest."""
    versions, created_at = code_snapshot.versions(), now()
    for position, job in enumerate(jobs_of_batch):
        for attempt in job:
            path = attempt_folder(site.runs, attempt.trial, attempt.attempt)
            _move_strangers(attempt, path.parent, batch, report)
            RunFolder(path).create(
                attempt.spec,
                Assignment(
                    trial=attempt.trial,
                    attempt=attempt.attempt,
                    batch=batch.name,
                    position=position,
                    data=str(site.data),
                    threads=site.threads_per_trial,
                    workers=site.workers_per_trial,
                    checkpoint_minutes=site.checkpoint_minutes,
                    backbone_weights=attempt.weights,
                    given_weights=dict(attempt.given_weights),
                    code=batch.code.name,
                    code_folder=str(batch.code),
                    study=attempt.study,
                    priority=attempt.priority,
                    versions=versions,
                    created_at=created_at,
                    serial=serials[attempt.trial, attempt.attempt],
                    store=attempt.store,
                    decoded_gb=site.decoded_gb,
                    cache=str(site.cache),
                    cache_gb=site.cache_gb,
                    stem=attempt.stem,
                    spec_id=attempt.spec.id,
                    keep_weights=site.keep_weights_of(attempt.study),
                    measures=attempt.measures,
                    retrains=attempt.retrains,
                ),
            )
    batch.write()


def _offer(
    place: Backend, batch: Submission, report: Report, refused: set[Needs]
) -> list[dict[str, Any]] | None:
    """Give a submission to the backend and note on disk what it says.

    Returns the rows of `submission` of what it took; None: no answer. Of a submission that it
    refuses there are none, and its needs join `refused`.
    """
    # From here on the backend may have the jobs, whatever becomes of this process
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
    rows = []
    for job_id, job in zip(jobs, batch.positions, strict=True):
        # A position without an id was not started
        if job_id:
            rows += [submission(batch, folder, job_id) for folder in job]
    return rows
