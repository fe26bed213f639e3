"""Write a report for a colleague: a folder that opens from the disk, without server or network.

    python -m queries report DIR [study=... measure=... console=true]

DIR/index.html has the answer for every backbone, stream and budget, with its figures and tables;
how it was run; every trial that failed or was stopped; and the SQL of each number. DIR/data has
each answer as Parquet, and the facts behind all of them. The page loads nothing from the network.
With `console=true`, DIR/console has a SQL console over these tables (report_console.py).
"""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl

from queries import AskError, answer, choices, named
from queries.asking import statement
from queries.sentences import MEASURES
from schema.words import nearest

# The keys of a report's `key=value` words
KEYS = ("study", "measure", "console")
YES_OR_NO = ("true", "false")
WITHIN = ("backbone", "stream", "budget")
# The words of a trial that determine its definition
AXES = ("backbone", "stream", "mixture", "method", "recipe", "budget")
# States of trials that did not finish
STOPPED = ("failed", "refused", "cancelled", "withdrawn")
# Tables of facts that are copied to DIR/data for the report's trials
FACTS = ("trial", "outcome", "result", "cost", "progress", "statistic")


@dataclass(frozen=True, kw_only=True)
class Item:
    """An answer of a report, with its question and parameters."""

    name: str
    frame: pl.DataFrame
    parameters: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)

    @property
    def sql(self) -> str:
        """Return the SQL that gives these numbers, and the question's definition."""
        words = [f"{key}={value}" for key, value in {**self.parameters, **self.where}.items()]
        return statement(named(self.name), words)


@dataclass(frozen=True, kw_only=True)
class Part:
    """The answers within one backbone, stream and budget."""

    setting: Mapping[str, str]
    ranked: Item
    course: Item
    comparison: Item
    lost: Item
    phases: Item
    # How many of its trials belong to other studies than the report's
    others: int = 0

    @property
    def items(self) -> tuple[Item, ...]:
        """Return all answers, in the order of the page."""
        return (self.ranked, self.course, self.comparison, self.lost, self.phases)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that a report shows."""

    title: str
    measure: str
    # When the snapshot was published
    published_at: datetime
    # The rows of the words that its trials use, by table
    words: Mapping[str, pl.DataFrame]
    parts: tuple[Part, ...]
    # How it was run: hours, operations, energy, by device; versions of packages; commits
    machines: pl.DataFrame
    versions: Mapping[str, tuple[str, ...]]
    stopped: Item
    studies: pl.DataFrame
    remarks: pl.DataFrame
    # All methods of the catalog, oldest first
    methods: tuple[str, ...]


def asked_for(words: list[str]) -> dict[str, str]:
    """Return the `key=value` words of a report.

    Raises:
        AskError: a word of another form, or an unknown key.
    """
    values: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in KEYS:
            near = nearest(key, list(KEYS))
            raise AskError(
                f"a report takes {', '.join(f'{k}=...' for k in KEYS)}; not {word}.{near}"
            )
        values[key] = value
    measure = values.get("measure", "gm")
    if measure not in MEASURES:
        near = nearest(measure, list(MEASURES))
        raise AskError(f"measure is one of {', '.join(MEASURES)}; not {measure}.{near}")
    console = values.get("console", "false")
    if console not in YES_OR_NO:
        raise AskError(f"console is one of {', '.join(YES_OR_NO)}; not {console}.")
    return values


def gather(
    connection: duckdb.DuckDBPyConnection, values: Mapping[str, str], published_at: datetime
) -> Report:
    """Ask all questions of a report.

    Raises:
        AskError: the study has no trials, or the catalog has none.
    """
    study, measure = values.get("study"), values.get("measure", "gm")
    trials = _trials(connection, study)
    if study is not None and trials.is_empty():
        known = choices(connection, "study") or []
        listed = ", ".join(known) or "none yet"
        raise AskError(f"no trial is of study {study!r}. Studies: {listed}.{nearest(study, known)}")
    if trials.is_empty():
        raise AskError("the catalog has no trials to report on; declare some: python -m schema")
    # DuckDB finds this frame by the name of the local variable.
    connection.register("of_report", trials.select("trial").to_arrow())
    settings = trials.select(WITHIN).unique(maintain_order=True).rows(named=True)
    parts = tuple(_part(connection, setting, trials, study, measure) for setting in settings)
    return Report(
        title=study or "All studies",
        measure=measure,
        published_at=published_at,
        words=_words(connection, trials),
        parts=parts,
        machines=connection.sql(MACHINES).pl(),
        versions=_versions(connection),
        stopped=_stopped(connection, trials),
        studies=connection.sql(STUDIES).pl(),
        remarks=connection.sql(REMARKS).pl(),
        methods=tuple(name for (name,) in connection.execute(METHODS).fetchall()),
    )


METHODS = "SELECT method FROM trial GROUP BY method ORDER BY min(id)"
MACHINES = """
SELECT coalesce(outcome.device, 'not known') AS device,
       count(DISTINCT attempt.trial) AS trials, count(*) AS attempts,
       round(sum(epoch(outcome.finished_at - outcome.started_at)) / 3600, 3) AS hours,
       round(sum(spent.flops) / 1e12, 3) AS tflops, round(sum(spent.energy_j) / 3.6e6, 4) AS kwh
FROM attempt
SEMI JOIN of_report ON of_report.trial = attempt.trial
LEFT JOIN outcome ON outcome.trial = attempt.trial AND outcome.attempt = attempt.attempt
LEFT JOIN (
    SELECT trial, attempt, sum(flops) AS flops, sum(energy_j) AS energy_j FROM cost
    WHERE NOT shared GROUP BY trial, attempt
) AS spent ON spent.trial = attempt.trial AND spent.attempt = attempt.attempt
GROUP BY ALL ORDER BY trials DESC, device
"""
STUDIES = """
SELECT status.study, status.trials, status.done, status.failed, study.hypothesis
FROM status LEFT JOIN study ON study.name = status.study
WHERE status.study IN (SELECT study FROM trial SEMI JOIN of_report ON of_report.trial = trial.id)
ORDER BY status.study
"""
REMARKS = """
SELECT labelled.trial, labelled.tags, labelled.remarks FROM labelled
SEMI JOIN of_report ON of_report.trial = labelled.trial
WHERE labelled.tags IS NOT NULL OR labelled.remarks IS NOT NULL ORDER BY labelled.trial
"""


def _trials(connection: duckdb.DuckDBPyConnection, study: str | None) -> pl.DataFrame:
    where = {} if study is None else {"study": study}
    return answer(connection, named("seeds"), {}, where=where)


def _part(
    connection: duckdb.DuckDBPyConnection,
    setting: Mapping[str, str],
    trials: pl.DataFrame,
    study: str | None,
    measure: str,
) -> Part:
    """Return the answers within one backbone, stream and budget."""
    parameters = {"measure": measure, **setting}
    if study is not None:
        parameters["study"] = study
    here = trials.join(pl.DataFrame([dict(setting)]), on=list(WITHIN), how="semi")
    # Answers about settings use all trials of a setting; a study only selects the settings.
    settings = here.select("mixture", "method", "recipe").unique()
    everywhere = answer(connection, named("seeds"), {}, where=setting)
    everywhere = everywhere.join(settings, on=settings.columns, how="semi")

    def item(
        name: str,
        parameters: Mapping[str, str] | None = None,
        where: Mapping[str, str] | None = None,
    ) -> Item:
        asked, columns = parameters or {}, where or {}
        frame = answer(connection, named(name), asked, where=columns)
        if name != "ranked":
            frame = frame.join(settings, on=settings.columns, how="semi", maintain_order="left")
        return Item(name=name, frame=frame, parameters=asked, where=columns)

    return Part(
        setting=setting,
        ranked=item("ranked", parameters),
        course=item("course", where=setting),
        comparison=item("comparison", where=setting),
        lost=item(
            "lost",
            {"stream": setting["stream"], "backbone": setting["backbone"]},
            {"budget": setting["budget"]},
        ),
        phases=item("phases", where=setting),
        others=len(everywhere) - len(here),
    )


def _words(connection: duckdb.DuckDBPyConnection, trials: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the rows of the words that the trials use, by table."""
    rows = {}
    for axis in AXES:
        names = trials[axis].unique().sort().to_list()
        marks = ", ".join("?" * len(names))
        rows[axis] = connection.sql(
            f"FROM {axis} WHERE name IN ({marks}) ORDER BY name", params=names
        ).pl()
    return rows


def _versions(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, ...]]:
    """Return the versions of each package that attempts ran with, and the commits of the code."""
    found: dict[str, dict[str, None]] = {}
    rows = connection.execute(
        "SELECT DISTINCT outcome.versions, outcome.commit FROM outcome "
        "SEMI JOIN of_report ON of_report.trial = outcome.trial ORDER BY ALL"
    ).fetchall()
    for versions, commit in rows:
        packages = {} if versions is None else json.loads(versions)
        if commit is not None:
            packages = {**packages, "code (commit)": commit}
        for package, version in packages.items():
            found.setdefault(package, {})[str(version)] = None
    return {package: tuple(known) for package, known in sorted(found.items())}


def _stopped(connection: duckdb.DuckDBPyConnection, trials: pl.DataFrame) -> Item:
    """Return every trial that failed or was stopped, with its last reason."""
    frame = answer(connection, named("seeds"), {})
    frame = frame.join(trials.select("trial"), on="trial", how="semi", maintain_order="left")
    frame = frame.filter(pl.col("state").is_in(STOPPED))
    columns = ["trial", *AXES, "seed", "study", "state", "reason"]
    return Item(name="seeds", frame=frame.select(columns))


def write(
    connection: duckdb.DuckDBPyConnection, folder: Path, words: list[str], published_at: datetime
) -> int:
    """Write a report into a folder, and return how many bytes it has.

    Raises:
        AskError: as `asked_for`, `gather` and `report_console.fetched`, or the folder contains
            other files.
    """
    from queries import report_console, report_page

    values = asked_for(words)
    if folder.exists() and not (folder.is_dir() and _is_ours(folder)):
        raise AskError(f"{folder} is there and is no report; name a folder that is new or empty")
    report = gather(connection, values, published_at)
    engine = None
    # What must be fetched is fetched before anything is written.
    if values.get("console") == "true":
        engine = report_console.fetched()
    (folder / "data").mkdir(parents=True, exist_ok=True)
    # A console of an older report would hold other numbers than the page
    shutil.rmtree(folder / report_console.FOLDER, ignore_errors=True)
    tables = {}
    for name, frame in _files(connection, report):
        frame.write_parquet(folder / "data" / name)
        tables[report_console.table_name(name)] = frame
    names: tuple[str, ...] = ()
    if engine is not None:
        report_console.write(folder, engine, tables)
        names = tuple(tables)
    (folder / "index.html").write_text(report_page.page(report, names))
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _is_ours(folder: Path) -> bool:
    """Return whether a folder is empty, or holds a report that may be overwritten."""
    names = {path.name for path in folder.iterdir()}
    return not names or names - {"console"} == {"index.html", "data"}


def _files(
    connection: duckdb.DuckDBPyConnection, report: Report
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the name and content of each data file: every answer, and the facts of all trials."""
    for place, part in enumerate(report.parts, start=1):
        for item in part.items:
            yield data_name(place, item), item.frame
    for table in FACTS:
        column = "id" if table == "trial" else "trial"
        with contextlib.suppress(duckdb.CatalogException):
            rows = connection.sql(
                f"FROM {table} SEMI JOIN of_report ON of_report.trial = {table}.{column}"
            )
            yield f"{table}.parquet", rows.pl()


def data_name(place: int, item: Item) -> str:
    """Return the name of the file of an answer, by the number of its part."""
    return f"{place}-{item.name}.parquet"


def now(catalog: Path) -> datetime:
    """Return when a snapshot was published."""
    return datetime.fromtimestamp(catalog.resolve().stat().st_mtime, UTC)
