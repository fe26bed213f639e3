"""`python -m schema --adopt DIR`: take in the trials that are done in another lab.

Their run folders are copied under numbers of this lab, once every receipt has been held against its
files; their rows are inserted where this catalog lacks them, and whatever goes by the same name
here and there must be the same. The next pass of sync takes the results from the copies, as it
takes those of its own attempts. What was adopted says so (`attempt.origin`, question `adopted`).
"""

import shutil
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from runner.records import DamagedFileError
from runner.run_files import Assignment
from runner.run_folder import RunFolder, attempt_folder, crash_point
from runner.scheduler import receipts
from runner.scheduler.adopted_files import copy_attempt
from runner.scheduler.adopted_words import conflicts
from runner.scheduler.fact_rows import insert
from runner.scheduler.rebuild import attempt_row, insert_axes, made_at, walk
from runner.scheduler.resolve import WORDS
from schema import migrations
from schema.catalog import Catalog, CatalogBusyError, FileLock, transaction
from schema.files import fsync
from schema.site import Site, SiteError
from schema.spec import Spec

# The words of a sentence by which a trial is known, in the order of the key
KEY = (*WORDS, "seed")


class AdoptError(ValueError):
    """Nothing is adopted; the message says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """An attempt in a run folder of another lab."""

    folder: Path
    spec: Spec
    assignment: Assignment


@dataclass
class Adoption:
    """What was taken in, and what was not."""

    # The number of a trial there -> here
    trials: dict[int, int] = field(default_factory=dict)
    attempts: int = 0
    # Why a trial, an attempt or a file was left out
    left_out: list[str] = field(default_factory=list)


def adopt(site: Site, source: Path) -> Adoption:
    """Take in every trial that is done in the lab at `source`.

    source: the folder of a lab, or its folder of runs. Safe to be repeated, and to be killed: what
    was left half copied is removed by the next call, and what is here already is left out.

    Raises:
        AdoptError: there are no run folders, or a name means something else here.
        CatalogBusyError: sync or somebody's session holds the catalog.
    """
    runs = _runs_of(site, source)
    adoption = Adoption()
    strangers = _strangers(runs, adoption)
    catalog = Catalog(site.catalog, site.lock_wait_s)
    migrations.prepare(catalog)
    site.runs.mkdir(parents=True, exist_ok=True)
    # No pass of sync may come between the rows and their folders
    lock = FileLock(catalog.path.with_name("sync.lock"), site.lock_wait_s)
    with lock.held(), catalog.open() as connection:
        _sweep(site, connection)
        _leave_out_known(connection, strangers, adoption)
        with transaction(connection):
            _insert_words(connection, strangers)
            _take_in(site, connection, strangers, adoption)
    return adoption


def _runs_of(site: Site, source: Path) -> Path:
    """Return the folder of runs of a lab.

    Raises:
        AdoptError: there is none, or it is this lab's own.
    """
    for candidate in (source / "lab" / "runs", source / "runs", source):
        if any(candidate.glob("[0-9]*/[0-9]*/spec.json")):
            if candidate.resolve() == site.runs.resolve():
                raise AdoptError(f"{candidate} is this lab's own; name another lab's folder")
            return candidate.resolve()
    raise AdoptError(
        f"{source} holds no run folders (runs/000001/01/spec.json); name the folder of a lab, or "
        "its `runs`. Where the catalog alone is left, there is nothing to check its rows by"
    )


def _strangers(runs: Path, adoption: Adoption) -> dict[int, list[Stranger]]:
    """Return each trial that is done and whole, by its number there: the attempts that train."""
    folders = walk(runs)
    adoption.left_out += folders.problems
    by_trial: dict[int, list[Stranger]] = defaultdict(list)
    for path, spec, assignment in folders.attempts:
        stranger = Stranger(folder=path, spec=spec, assignment=assignment)
        if spec.measures is None:
            by_trial[assignment.trial].append(stranger)
        else:
            suite = spec.measures["suite"]["name"]
            adoption.left_out.append(
                f"{path} measured suite {suite!r} later; insert the measurement here"
            )
    whole = {}
    for trial, strangers in sorted(by_trial.items()):
        objection = _objection(strangers)
        if objection is None:
            whole[trial] = strangers
        else:
            adoption.left_out.append(f"trial {trial} there: {objection}")
    return whole


def _objection(strangers: Sequence[Stranger]) -> str | None:
    """Return why the attempts of a trial are not adopted; None: they are."""
    spec = strangers[-1].spec
    if str(spec.backbone["pretrained"] or "").startswith("trial:"):
        return (
            f"it begins from {spec.backbone['pretrained']}, a number of that lab. Export that "
            "trial there, and declare a backbone from the folder in both labs"
        )
    tasks: set[int] = set()
    done = False
    for stranger in strangers:
        run = RunFolder(stranger.folder)
        try:
            outcome = run.outcome()
        except DamagedFileError as error:
            return str(error)
        vouched = run.receipts()
        # A receipt whose files are not as it says is not among these
        if len(vouched) != len(receipts.of(stranger.folder)):
            return f"files in {stranger.folder} are not as their receipts say"
        tasks |= set(vouched)
        if stranger.assignment.retrains is None and outcome is not None:
            done = done or outcome.state == "done"
    lacking = sorted(set(range(int(spec.stream["tasks"]) + 1)) - tasks)
    if not done:
        return "it is not done there; adopt it when it is"
    return f"there are no receipts of tasks {lacking}" if lacking else None


def _sweep(site: Site, connection: duckdb.DuckDBPyConnection) -> None:
    """Remove copies that an adoption which was killed has left, and that no row knows."""
    known = {trial for (trial,) in connection.execute("SELECT trial FROM attempt").fetchall()}
    for folder in [*site.runs.glob(".adopting-*"), *site.runs.glob("[0-9]*")]:
        if folder.name.isdecimal() and (int(folder.name) in known or not _is_copy(folder)):
            continue
        shutil.rmtree(folder)


def _is_copy(folder: Path) -> bool:
    """Return whether every attempt in the folder of a trial was adopted from another lab."""
    origins = []
    for path in folder.glob("[0-9]*"):
        try:
            origins.append(RunFolder(path).assignment().origin)
        except DamagedFileError:
            return False
    return bool(origins) and None not in origins


def _leave_out_known(
    connection: duckdb.DuckDBPyConnection,
    strangers: dict[int, list[Stranger]],
    adoption: Adoption,
) -> None:
    """Leave out the trials whose sentence has been tried here already."""
    columns = ", ".join(f"t.{name}" for name in KEY)
    rows = connection.execute(
        f"SELECT t.id, {columns} FROM trial t SEMI JOIN attempt a ON a.trial = t.id"
    ).fetchall()
    tried = {tuple(sentence): trial for trial, *sentence in rows}
    for trial in list(strangers):
        here = tried.get(_sentence(strangers[trial][-1].spec))
        if here is not None:
            del strangers[trial]
            adoption.left_out.append(
                f"trial {trial} there is trial {here} here, of which there are attempts already"
            )


def _sentence(spec: Spec) -> tuple[Any, ...]:
    """Return the names of the words of a definition and its seed."""
    return (*(getattr(spec, word)["name"] for word in WORDS), spec.seed)


def _insert_words(
    connection: duckdb.DuckDBPyConnection, strangers: Mapping[int, Sequence[Stranger]]
) -> None:
    """Insert the rows of all words, and see that every name means the same here and there.

    Raises:
        AdoptError: some do not; the transaction is to be rolled back.
    """
    specs = [stranger.spec for of_trial in strangers.values() for stranger in of_trial]
    for spec in specs:
        insert_axes(connection, spec)
    found = conflicts(connection, specs)
    if found:
        listed = "\n  ".join(found)
        raise AdoptError(
            f"nothing is adopted, since names mean different things:\n  {listed}\nTo answer "
            "together, rows of one name must be equal: insert the other under a new name, in the "
            "lab that has run less"
        )


def _take_in(
    site: Site,
    connection: duckdb.DuckDBPyConnection,
    strangers: Mapping[int, Sequence[Stranger]],
    adoption: Adoption,
) -> None:
    """Copy the folders and insert the rows of trials and attempts, in the caller's transaction."""
    moves = []
    for trial, of_trial in strangers.items():
        here = _trial(connection, of_trial[-1])
        adoption.trials[trial] = here
        aside = site.runs / f".adopting-{here:06d}"
        rows = []
        for stranger in of_trial:
            job = stranger.assignment
            ((serial,),) = connection.execute("SELECT nextval('event')").fetchall()
            job = replace(
                job,
                trial=here,
                serial=serial,
                origin=str(stranger.folder),
                data=str(site.data),
                created_at=made_at(job),
                store="",
                cache="",
            )
            copy_attempt(stranger.folder, aside / f"{job.attempt:02d}", job)
            rows.append(attempt_row(stranger.spec, job))
        insert(connection, "attempt", rows)
        adoption.attempts += len(rows)
        moves.append((aside, attempt_folder(site.runs, here, 1).parent))
    crash_point("adopt_copied")
    for aside, place in moves:
        aside.rename(place)
    fsync(site.runs)
    # Killed here, the copies are removed by the next adoption: no row knows them
    crash_point("adopt_moved")


def _trial(connection: duckdb.DuckDBPyConnection, stranger: Stranger) -> int:
    """Return the number here of a trial, which is inserted where nobody has declared it."""
    sentence, job = dict(zip(KEY, _sentence(stranger.spec), strict=True)), stranger.assignment
    row = sentence | {"priority": job.priority, "study": job.study}
    insert(connection, "trial", [row], again=True)
    where = " AND ".join(f"{name} = ?" for name in KEY)
    ((here,),) = connection.execute(
        f"SELECT id FROM trial WHERE {where}", list(sentence.values())
    ).fetchall()
    return int(here)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0; 1 when something was left out; 2 when nothing was adopted for a reason."""
    (source,) = sys.argv[1:] if arguments is None else arguments
    try:
        adoption = adopt(Site.load(), Path(source))
    except (
        AdoptError,
        SiteError,
        CatalogBusyError,
        migrations.MigrationError,
        duckdb.Error,
        OSError,
    ) as error:
        print(error, file=sys.stderr)
        return 2
    for trial, here in adoption.trials.items():
        print(f"  trial {trial} there is trial {here} here")
    for words in adoption.left_out:
        print(f"left out: {words}", file=sys.stderr)
    print(
        f"{len(adoption.trials)} trials adopted, with {adoption.attempts} attempts; their results "
        "come with: python -m runner.sync"
    )
    return 1 if adoption.left_out else 0


if __name__ == "__main__":
    raise SystemExit(main())
