"""`python -m schema --rebuild`: make a lost catalog again, from what was declared and from the run folders.

What people declared comes from the Parquet files that sync writes (`schema.declared`); trials that were attempted come from their
folders even without those, since spec.json holds every row of their words. Attempts and submissions come from job.json and the
batches. All the rest (results, costs, how attempts ended) the next pass of sync takes from the same folders, as it always does.
"""

import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from runner.run_folder import read_json
from runner.scheduler.fact_rows import insert, submission
from runner.scheduler.resolve import Resolver
from runner.submission import Submission, submission_folder
from schema import declared, migrations
from schema.catalog import Catalog, transaction
from schema.files import fsync
from schema.site import Site, SiteError
from schema.spec import Spec, SpecError

AXES = ("backbone", "mixture", "method", "recipe", "budget")  # whose definition is their row


class RebuildError(RuntimeError):
    """There is a catalog, or it cannot be made."""


@dataclass
class Found:
    """What the run folders hold."""

    attempts: list[tuple[Path, Spec, dict[str, Any]]] = field(
        default_factory=list
    )  # folder, definition, job.json
    problems: list[str] = field(default_factory=list)


def rebuild(site: Site) -> tuple[dict[str, int], list[str]]:
    """Make the catalog; rows per table, and what could not be read.

    Raises:
        RebuildError: a catalog is there.
    """
    if site.catalog.exists():
        raise RebuildError(
            f"{site.catalog} is there. To make it again from the run folders, move it away first"
        )
    found = walk(site.runs)
    aside = Catalog(site.catalog.with_name(f".rebuild-{site.catalog.name}"), site.lock_wait_s)
    aside.path.unlink(missing_ok=True)
    with duckdb.connect() as connection:
        trial = max(
            [
                declared.last(connection, site.declared, "trial", "id"),
                *(int(job["trial"]) for _, _, job in found.attempts),
            ]
        )
        event = max(
            [
                declared.last(connection, site.declared, "request", "serial"),
                *(_serial(job) for _, _, job in found.attempts),
            ]
        )
    migrations.prepare(aside, first_trial=trial + 1, first_event=event + 1)
    with aside.transaction() as connection:
        rows = declared.restore(connection, site.declared)
        for table, count in _from_folders(connection, site, found).items():
            rows[table] = rows.get(table, 0) + count
    with aside.open() as connection, transaction(connection):
        _take_the_catalogs_own_words(connection)
        connection.execute("COMMIT; CHECKPOINT; BEGIN")
    fsync(aside.path)
    aside.path.rename(site.catalog)
    fsync(site.catalog.parent)
    aside.lock.path.unlink(missing_ok=True)
    return rows, found.problems


def walk(runs: Path) -> Found:
    """Every attempt's folder, oldest trial first; what cannot be read is named, and the others go on."""
    found = Found()
    for folder in sorted(runs.glob("[0-9]*/[0-9]*")):
        if not (folder.parent.name.isdigit() and folder.name.isdigit()):
            continue  # set aside: of an older catalog
        job = read_json(folder / "job.json")
        try:
            if job is None or (int(job["trial"]), int(job["attempt"])) != (
                int(folder.parent.name),
                int(folder.name),
            ):
                raise ValueError("job.json is missing, torn, or of another attempt")
            found.attempts.append((folder, Spec.read(folder), job))
        except (OSError, ValueError, KeyError, TypeError, SpecError) as error:
            found.problems.append(f"{folder}: {error}")
    return found


def _from_folders(
    connection: duckdb.DuckDBPyConnection, site: Site, found: Found
) -> dict[str, int]:
    known = {trial for (trial,) in connection.execute("SELECT id FROM trial").fetchall()}
    trials: dict[int, dict[str, Any]] = {}
    for _, spec, job in found.attempts:
        trial = int(job["trial"])
        if trial not in known and trial not in trials:
            _axes(connection, spec)
            words = {
                word: getattr(spec, word)["name"]
                for word in ("backbone", "stream", "mixture", "method", "recipe", "budget")
            }
            about = {
                "seed": spec.seed,
                "priority": job.get("priority", 0),
                "study": job.get("study"),
            }
            trials[trial] = {"id": trial} | words | about | {"created_at": _made_at(job)}
    insert(connection, "trial", list(trials.values()), again=True)
    batches = {
        name: Submission.read(submission_folder(site.runs, name))
        for name in {str(job["batch"]) for _, _, job in found.attempts}
    }
    attempts, submissions = [], []
    for folder, spec, job in found.attempts:
        key = {"trial": int(job["trial"]), "attempt": int(job["attempt"])}
        place = {"batch": job["batch"], "position": job["position"], "code": job.get("code", "")}
        attempts.append(key | {"spec": spec.to_json(), "spec_id": spec.id} | place)
        attempts[-1] |= {"created_at": _made_at(job), "serial": _serial(job)}
        batch = batches[str(job["batch"])]
        answer = read_json(submission_folder(site.runs, str(job["batch"])) / "answer.json") or {}
        job_ids = answer.get("jobs") or []
        if batch is not None and job["position"] < len(job_ids) and job_ids[job["position"]]:
            name = f"{folder.parent.name}/{folder.name}"
            submissions.append(
                submission(batch, name, job_ids[job["position"]]) | {"submitted_at": answer["at"]}
            )
    insert(connection, "attempt", attempts)
    insert(connection, "submission", submissions)
    return {"trial": len(trials), "attempt": len(attempts), "submission": len(submissions)}


def _serial(job: dict[str, Any]) -> int:
    """Its place in the order of wishes and attempts; folders of an older version know only the time."""
    return int(job.get("serial") or datetime.fromisoformat(_made_at(job)).timestamp() * 1e6)


def _made_at(job: dict[str, Any]) -> str:
    return str(job.get("created_at") or datetime.now(UTC).isoformat())


def _axes(connection: duckdb.DuckDBPyConnection, spec: Spec) -> None:
    """The rows that a definition was resolved from, where they are not there. What is declared stays as it is."""
    stream, mixture = spec.stream, spec.mixture
    sequence, suite = stream["sequence"], stream["suite"]
    pool = mixture["pretraining_dataset"]
    insert(connection, "dataset", [*stream["datasets"], *([pool] if pool else [])], again=True)
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
    insert(connection, "suite", [{"name": suite["name"]}], again=True)
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
        row = {key: value for key, value in getattr(spec, word).items() if key != "parent"}
        if word == "mixture":
            row["pretraining_dataset"] = pool["name"] if pool else None
        insert(connection, word, [row], again=True)


def _take_the_catalogs_own_words(connection: duckdb.DuckDBPyConnection) -> None:
    """attempt.spec as `definition` writes it, where it is the same definition: `definition_drift` compares text with text."""
    attempts = connection.execute("SELECT trial, attempt, spec_id FROM attempt").fetchall()
    texts = Resolver(connection, sorted({trial for trial, _, _ in attempts})).texts
    ids = {trial: Spec.from_json(text).id for trial, text in texts.items()}
    same = [
        (texts[trial], trial, attempt)
        for trial, attempt, spec_id in attempts
        if ids.get(trial) == spec_id
    ]
    if same:
        connection.executemany("UPDATE attempt SET spec = ? WHERE trial = ? AND attempt = ?", same)


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
        f"{site.catalog} is made again; results and ends of attempts come with: python -m runner.sync"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
