"""`python -m schema --rebuild`: make a lost catalog again, from what was declared and from the run
folders.

What people declared comes from the Parquet files that sync writes (`schema.declared`); trials that
were attempted come from their folders even without those, since spec.json holds every row of their
words. Attempts and submissions come from job.json and the batches. All the rest (results, costs,
how attempts ended) the next pass of sync takes from the same folders, as it always does. What was
imported comes from the folders of the imports, results and all.
"""

import contextlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from runner.records import DamagedFileError
from runner.run_files import Assignment
from runner.run_folder import RunFolder
from runner.scheduler import rebuild_imports
from runner.scheduler.fact_rows import insert, submission
from runner.scheduler.report import below
from runner.submission import Answer, Submission, answer_of, submission_folder
from schema import declared, migrations
from schema.catalog import Catalog, transaction
from schema.checks.stream_rows import MIXED_IN
from schema.files import fsync
from schema.site import Site, SiteError
from schema.spec import Spec

# Whose definition is their row
AXES = ("backbone", "mixture", "method", "recipe", "budget")
# What a definition has beside the columns of a row: looked up in other rows when it was resolved
LOOKED_UP = ("parent", "published")


class RebuildError(RuntimeError):
    """There is a catalog, or it cannot be made."""


@dataclass
class Folders:
    """The attempts that run folders hold, and what could not be read."""

    # Folder, definition, job.json
    attempts: list[tuple[Path, Spec, Assignment]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def rebuild(site: Site) -> tuple[dict[str, int], list[str]]:
    """Make the catalog; return table -> rows, and what could not be read.

    Raises:
        RebuildError: a catalog is there.
    """
    if site.catalog.exists():
        raise RebuildError(
            f"{site.catalog} is there. To make it again from the run folders, move it away first"
        )
    folders = walk(site.runs)
    imports, problems = rebuild_imports.read(site.imports)
    folders.problems += problems
    imported = [each for _, receipt in imports for each in receipt.trials]
    aside = Catalog(site.catalog.with_name(f".rebuild-{site.catalog.name}"), site.lock_wait_s)
    aside.file.remove()
    with duckdb.connect() as connection:
        trial = max(
            [
                declared.last(connection, site.declared, "trial", "id"),
                *(job.trial for _, _, job in folders.attempts),
                *(each.trial for each in imported),
            ]
        )
        event = max(
            [
                declared.last(connection, site.declared, "request", "serial"),
                *(_serial(job) for _, _, job in folders.attempts),
                *(each.serial for each in imported),
            ]
        )
    migrations.prepare(aside, first_trial=trial + 1, first_event=event + 1)
    with aside.transaction() as connection:
        rows = declared.restore(connection, site.declared)
        for table, count in _from_folders(connection, site, folders).items():
            rows[table] = rows.get(table, 0) + count
        rows |= rebuild_imports.restore(connection, imports, insert_axes)
    with aside.open() as connection, transaction(connection):
        _take_the_catalogs_own_words(connection)
    aside.rewrite()
    _move(aside, site.catalog)
    return rows, folders.problems


def _move(aside: Catalog, path: Path) -> None:
    """Move a finished catalog to its place."""
    # Whoever moved the old one away may have left its log
    Catalog(path).file.set_log_aside()
    aside.path.rename(path)
    fsync(path.parent)
    aside.lock.path.unlink(missing_ok=True)


def walk(runs: Path) -> Folders:
    """Return every attempt's folder, oldest trial first.

    What cannot be read is named, and the others go on.
    """
    folders = Folders()
    for folder in sorted(runs.glob("[0-9]*/[0-9]*")):
        if not (folder.parent.name.isdigit() and folder.name.isdigit()):
            # A folder that was set aside is of an older catalog
            continue
        run = RunFolder(folder)
        try:
            folders.attempts.append((folder, run.spec(), run.assignment()))
        except DamagedFileError as error:
            folders.problems.append(f"{error.path} {error.why}; its attempt is left out")
    return folders


def _from_folders(
    connection: duckdb.DuckDBPyConnection, site: Site, folders: Folders
) -> dict[str, int]:
    known = {trial for (trial,) in connection.execute("SELECT id FROM trial").fetchall()}
    trials: dict[int, dict[str, Any]] = {}
    for _, spec, job in folders.attempts:
        trial = job.trial
        if trial not in known and trial not in trials:
            insert_axes(connection, spec)
            words = {
                word: getattr(spec, word)["name"]
                for word in ("backbone", "stream", "mixture", "method", "recipe", "budget")
            }
            about = {
                "seed": spec.seed,
                "priority": job.priority,
                "study": job.study,
            }
            trials[trial] = {"id": trial} | words | about | {"created_at": made_at(job)}
    insert(connection, "trial", list(trials.values()), again=True)
    for _, spec, job in folders.attempts:
        if spec.measures is not None:
            _measurement(connection, spec.measures, job.trial)
    manifests = {}
    for name in sorted({job.batch for _, _, job in folders.attempts}):
        manifests[name] = _answered(site, name, folders)
    attempts, submissions = [], []
    again = _trained_again(folders)
    for folder, spec, job in folders.attempts:
        attempts.append(attempt_row(spec, job))
        if job.trial not in again:
            attempts[-1]["retrains"] = None
        manifest, answer = manifests[job.batch]
        job_ids = (answer.jobs if answer is not None else None) or []
        if manifest is None or answer is None or not 0 <= job.position < len(job_ids):
            continue
        if job_ids[job.position]:
            row = submission(manifest, below(folder), job_ids[job.position])
            submissions.append(row | {"submitted_at": answer.at})
    insert(connection, "attempt", attempts)
    insert(connection, "submission", submissions)
    return {"trial": len(trials), "attempt": len(attempts), "submission": len(submissions)}


def attempt_row(spec: Spec, job: Assignment) -> dict[str, Any]:
    """Return the row of `attempt` of a run folder."""
    return {
        "trial": job.trial,
        "attempt": job.attempt,
        "spec": spec.to_json(),
        "spec_id": spec.id,
        "batch": job.batch,
        "position": job.position,
        "code": job.code,
        "created_at": made_at(job),
        "serial": _serial(job),
        "measures": job.measures,
        "retrains": job.retrains,
        "origin": job.origin,
    }


def _trained_again(folders: Folders) -> set[int]:
    """Return the trials of which the first training is still in their folders, to its end.

    Where it is gone, the attempts that trained the trial again are all there is of it, and count.
    """
    trials = {job.trial for _, _, job in folders.attempts if job.retrains is not None}
    known = set()
    for folder, spec, job in folders.attempts:
        if job.trial not in trials or job.retrains is not None or spec.measures is not None:
            continue
        with contextlib.suppress(DamagedFileError):
            outcome = RunFolder(folder).outcome()
            if outcome is not None and outcome.state == "done":
                known.add(job.trial)
    return known


def _answered(site: Site, name: str, folders: Folders) -> tuple[Submission | None, Answer | None]:
    """Return the manifest of a submission and what the backend answered; None for what is lost."""
    try:
        return Submission.read(submission_folder(site.runs, name)), answer_of(site.runs, name)
    except DamagedFileError as error:
        folders.problems.append(f"{error.path} {error.why}; where its attempts ran is not known")
        return None, None


def _serial(job: Assignment) -> int:
    """Return its place in the order of wishes and attempts; older folders know only the time."""
    return job.serial or int(datetime.fromisoformat(made_at(job)).timestamp() * 1e6)


def made_at(job: Assignment) -> str:
    """Return when an attempt was made; older folders do not know."""
    return job.created_at or datetime.now(UTC).isoformat()


def insert_axes(connection: duckdb.DuckDBPyConnection, spec: Spec) -> None:
    """Insert the rows that a definition was resolved from, where they are not there.

    What is declared stays as it is.
    """
    stream, mixture = spec.stream, spec.mixture
    sequence, suite = stream["sequence"], stream["suite"]
    beside = {column: mixture.get(column) for column in MIXED_IN}
    others = [row for row in beside.values() if row]
    insert(connection, "dataset", [*stream["datasets"], *others], again=True)
    insert(
        connection,
        "sequence",
        [{key: sequence[key] for key in ("name", "ordering", "seed")}],
        again=True,
    )
    concepts = [
        {"sequence": sequence["name"], "position": n, "dataset": dataset, "concept": concept}
        for n, (dataset, concept) in enumerate(sequence["concepts"], 1)
    ]
    insert(connection, "sequence_concept", concepts, again=True)
    columns = {key: value for key, value in suite.items() if key != "members"}
    insert(connection, "suite", [columns], again=True)
    insert(
        connection,
        "suite_member",
        [{"suite": suite["name"]} | member for member in suite["members"]],
        again=True,
    )
    words = {
        "name": stream["name"],
        "sequence": sequence["name"],
        "tasks": stream["tasks"],
        "suite": suite["name"],
    }
    insert(connection, "stream", [words], again=True)
    for word in AXES:
        row = {key: value for key, value in getattr(spec, word).items() if key not in LOOKED_UP}
        if word == "mixture":
            row |= {column: own and own["name"] for column, own in beside.items()}
        insert(connection, word, [row], again=True)


def _measurement(
    connection: duckdb.DuckDBPyConnection, measures: Mapping[str, Any], trial: int
) -> None:
    """Insert the rows that a measurement was made from, where they are not there.

    Of the tasks only these are known: more than two were every one of the stream.
    """
    suite, tasks = measures["suite"], measures["tasks"]
    insert(connection, "dataset", measures["datasets"], again=True)
    columns = {key: value for key, value in suite.items() if key != "members"}
    insert(connection, "suite", [columns], again=True)
    members = [{"suite": suite["name"]} | member for member in suite["members"]]
    insert(connection, "suite_member", members, again=True)
    known = connection.execute(
        "SELECT tasks FROM measurement WHERE trial = ? AND suite = ?", [trial, suite["name"]]
    ).fetchall()
    if not known:
        word = "all" if len(tasks) > 2 else "last"
        rows = [{"trial": trial, "suite": suite["name"], "tasks": word}]
        insert(connection, "measurement", rows, again=True)


def _take_the_catalogs_own_words(connection: duckdb.DuckDBPyConnection) -> None:
    """Write attempt.spec as `definition` does, where it says the same.

    `definition_drift` compares values, but what differs in writing only costs it much more time.
    """
    connection.execute(
        "CREATE TEMP TABLE drifted AS SELECT trial, attempt FROM definition_drift;"
        "UPDATE attempt SET spec = d.spec FROM definition d WHERE d.trial = attempt.trial "
        "AND attempt.measures IS NULL "
        "AND (d.spec->>'version') = (attempt.spec->>'version') "
        "AND (attempt.trial, attempt.attempt) NOT IN (SELECT (trial, attempt) FROM drifted);"
        "DROP TABLE drifted"
    )


def main() -> int:
    """Exit code 0; 1 when some folders could not be read; 2 when nothing was done."""
    try:
        site = Site.load()
        rows, problems = rebuild(site)
    except (SiteError, RebuildError, migrations.MigrationError, duckdb.Error) as error:
        print(error, file=sys.stderr)
        return 2
    for table, count in rows.items():
        print(f"  {table}: {count} rows")
    for problem in problems:
        print(f"not read: {problem}", file=sys.stderr)
    print(
        f"{site.catalog} is made again; results and ends of attempts come with: "
        "python -m runner.sync"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
