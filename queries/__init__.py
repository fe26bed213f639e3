"""Answer the questions in this folder: each .sql file is a question about the published catalog.

    from queries import ask, questions
    ask("retention_at_budget", budget="small")      # a polars table

and draw the answer, in a notebook:

    from queries import ask, figure
    figure("ranked", ask("ranked"))                 # an Altair chart

The live catalog is never opened: sync writes to it, and a reader would keep sync out. A snapshot
is a file of its own behind the link `current.duckdb`; it is opened read-only, read, and closed
again.
"""

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from queries.closed import check_list, check_word
from queries.first import WORDS, parts
from queries.kept_items import ItemsError, at_hand
from queries.suites import LISTED as LISTED_SUITES
from queries.suites import SUITE, about, read_by, takes_suite
from schema import summaries
from schema.questions import Parameter, Question, QuestionError, by_topic, fingerprint
from schema.questions import all_questions as questions
from schema.site import Site
from schema.views import install
from schema.words import nearest

__all__ = ["AXES", "AskError", "Parameter", "Question", "QuestionError", "SnapshotError"]
__all__ += [
    "answer",
    "ask",
    "by_topic",
    "choices",
    "figure",
    "fingerprint",
    "install",
    "named",
    "opened",
    "questions",
]

AXES = WORDS
# The most names that a message lists
LISTED_AT_MOST = 20


def _listings() -> dict[str, str]:
    """Return the query that lists the allowed names, for each parameter that takes a name."""
    listings = {axis: f"SELECT name FROM {axis}" for axis in (*AXES, "dataset")}
    # Questions that compare two combinations take each word twice, as recipe_a and recipe_b.
    for axis in AXES:
        listings[f"{axis}_a"] = listings[f"{axis}_b"] = listings[axis]
    listings["a"] = listings["b"] = listings["method"]
    # The recipe that a sweep starts from
    listings["base"] = listings["recipe"]
    for part in ("tuning", "merging"):
        listings[part] = f"SELECT {part} AS name FROM method"
    listings["objective"] = "SELECT unnest(string_split(objective, '+')) AS name FROM method"
    listings[SUITE] = LISTED_SUITES
    listings["study"] = "SELECT study AS name FROM trial WHERE study IS NOT NULL"
    return listings


# Parameter -> the query that lists its values
LISTED = _listings()


class AskError(ValueError):
    """A question, parameter or value is invalid; the message says what is allowed."""


class SnapshotError(AskError):
    """There is no snapshot, or it is older than the question."""


def ask(name: str, catalog: Path | None = None, **parameters: object) -> pl.DataFrame:
    """Answer a question from `catalog` (default: the snapshot that the site publishes).

    Raises:
        AskError: unknown question, parameter or value; the message names what is allowed and the
            nearest.
        SnapshotError: nothing has been published yet, or the snapshot is older than the question.
    """
    question = named(name)
    with opened(catalog or Site.load().current) as connection:
        return answer(connection, question, parameters)


def figure(name: str, frame: pl.DataFrame, **options: Any) -> Any:
    """Return the figure of an answer, an Altair chart (`queries.figures.figure`).

    Raises:
        FigureError: the question has no figure, or these rows do not make one.
    """
    # Imported here, as Altair takes a second to import and only figures need it.
    from queries.figures import figure as drawn

    return drawn(name, frame, **options)


def named(name: str) -> Question:
    """Return the question of that name.

    Raises:
        AskError: there is none; the message lists all and the nearest.
    """
    known = {question.name: question for question in questions()}
    if name not in known:
        listed = ", ".join(sorted(known))
        raise AskError(
            f"unknown question {name!r}. Questions: {listed}.{nearest(name, list(known))}"
        )
    return known[name]


@contextlib.contextmanager
def opened(catalog: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the file that `catalog` links to, read-only, and close it at the end of the block.

    Raises:
        SnapshotError: there is no file.
    """
    # A snapshot may be replaced and deleted between reading the link and opening the file, and the
    # link then leads to the next one.
    connection = _connect(catalog) or _connect(catalog)
    if connection is None:
        raise SnapshotError(
            f"no snapshot at {catalog}. Publish one with: python -m schema "
            "(or python -m runner.sync)"
        )
    with contextlib.closing(connection):
        yield connection


def _connect(catalog: Path) -> duckdb.DuckDBPyConnection | None:
    """Open a catalog read-only; return None when the file does not exist, or was deleted."""
    path = catalog.resolve()
    if not path.exists():
        return None
    try:
        return duckdb.connect(str(path), read_only=True)
    except duckdb.IOException:
        if path.exists():
            raise
        return None


def answer(
    connection: duckdb.DuckDBPyConnection,
    question: Question,
    parameters: Mapping[str, object],
    rows: int | None = None,
    where: Mapping[str, object] | None = None,
) -> pl.DataFrame:
    """Answer a question on an open connection, with at most `rows` rows.

    Parameters that are left out, or None, take their defaults. `where` maps columns to the value
    that each must have; None means any value. A question about results also takes `suite`, to ask
    about another suite than that of the trials' streams, on which they were measured later.

    Raises:
        AskError, SnapshotError: as `ask`.
    """
    arguments = _without_none(parameters)
    suite = arguments.pop(SUITE, None) if takes_suite(question) else None
    known = choices(connection, SUITE) if suite is not None else None
    if known is not None and suite not in known:
        listed = ", ".join(known[:LISTED_AT_MOST]) or "none yet"
        near = nearest(str(suite), known)
        raise AskError(f"{question.name}: unknown suite {suite!r}. Known: {listed}.{near}")
    for key, value in arguments.items():
        _check(connection, question, key, value)
        wrong = check_word(question, key, value)
        wrong = wrong or check_list(connection, question, key, value, arguments)
        if wrong:
            raise AskError(f"{question.name}: {wrong}")
    columns = _without_none(where or {})
    sql = _statement(question, list(arguments), list(columns))
    values = [*arguments.values(), *columns.values()]
    with (
        _explained(question),
        about(connection, suite),
        at_hand(connection, question),
        _stored_alone(connection, question),
    ):
        if rows is not None:
            return _first(connection, question, sql, values, arguments | columns, rows)
        frame: pl.DataFrame = connection.sql(sql, params=values).pl()
        return frame


def _stored_alone(
    connection: duckdb.DuckDBPyConnection, question: Question
) -> contextlib.AbstractContextManager[None]:
    """Have the answer read stored summaries alone, where it reads any and no facts are newer."""
    reads = read_by(question.name) & summaries.MIXED.keys()
    return summaries.alone(connection) if reads else contextlib.nullcontext()


def _without_none(values: Mapping[str, object]) -> dict[str, object]:
    """Return the entries whose value is not None."""
    return {key: value for key, value in values.items() if value is not None}


def _statement(question: Question, arguments: list[str], columns: list[str]) -> str:
    """Return the SQL of the question, with a `?` per argument and per column condition."""
    sql = f"FROM {question.name}"
    if question.kind == "macro":
        # DuckDB selects a macro by the types of its arguments, which a bare ? does not give.
        casts = (f"{key} := CAST(? AS {question.parameters[key].type})" for key in arguments)
        sql += f"({', '.join(casts)})"
    if columns:
        sql += " WHERE " + " AND ".join(f'"{column}" = ?' for column in columns)
    return sql


@contextlib.contextmanager
def _explained(question: Question) -> Iterator[None]:
    """Turn errors of DuckDB about a question into errors that say what to do."""
    try:
        yield
    except duckdb.ConversionException as error:
        types = ", ".join(f"{key} is {one.type}" for key, one in question.parameters.items())
        raise AskError(
            f"{question.name}: a value has the wrong type; {types}. DuckDB says: {error}"
        ) from error
    except duckdb.InvalidInputException as error:
        # The beginning of DuckDB's message where a question's SQL calls error()
        reason = str(error).removeprefix("Invalid Input Error: ")
        raise AskError(f"{question.name}: {reason}") from error
    except ItemsError as error:
        raise AskError(f"{question.name}: {error}") from error
    except duckdb.CatalogException as error:
        raise SnapshotError(
            f"the snapshot does not know {question.name}: it was published before "
            f"{question.file}. Publish again with: python -m schema"
        ) from error


def _first(
    connection: duckdb.DuckDBPyConnection,
    question: Question,
    sql: str,
    values: list[object],
    chosen: Mapping[str, object],
    rows: int,
) -> pl.DataFrame:
    """Return the first rows of an answer, computed from a part of it where that has enough rows."""
    columns = connection.sql(f"FROM ({sql}) LIMIT 0", params=values).columns
    conditions = parts(connection, question.sql, columns, chosen, rows)
    for condition, bounds in itertools.chain(conditions, [("true", [])]):
        # MATERIALIZED, as a limit pushed into a view can take minutes where the whole answer takes
        # a second
        statement = (
            f"WITH answer AS MATERIALIZED (SELECT * FROM ({sql}) WHERE {condition}) "
            f"FROM answer LIMIT {rows:d}"
        )
        frame: pl.DataFrame = connection.sql(statement, params=[*values, *bounds]).pl()
        if len(frame) == rows:
            break
    return frame


def choices(connection: duckdb.DuckDBPyConnection, parameter: str) -> list[str] | None:
    """Return the names that a parameter can take; None for a parameter that is not a name."""
    listing = LISTED.get(parameter)
    if listing is None:
        return None
    names = connection.execute(f"SELECT DISTINCT name FROM ({listing}) ORDER BY name").fetchall()
    return [name for (name,) in names]


def _check(
    connection: duckdb.DuckDBPyConnection, question: Question, key: str, value: object
) -> None:
    """Check that the question has this parameter, and that the value is among its choices.

    Raises:
        AskError: it is not; the message lists what is allowed and the nearest.
    """
    if key not in question.parameters:
        allowed = ", ".join(question.parameters) or "none"
        near = nearest(key, list(question.parameters))
        raise AskError(f"{question.name} has no parameter {key!r}. Allowed: {allowed}.{near}")
    known = choices(connection, key)
    if known is None or value in known or value == question.parameters[key].default:
        return
    listed = ", ".join(known[:LISTED_AT_MOST]) or "none yet"
    if len(known) > LISTED_AT_MOST:
        listed += f" and {len(known) - LISTED_AT_MOST} more"
    raise AskError(f"unknown {key} {str(value)!r}. Known: {listed}.{nearest(str(value), known)}")
