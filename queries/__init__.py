"""What is asked: one .sql file here is one question, answered from the published copy of the catalog.

    from queries import ask, questions
    ask("retention_at_budget", budget="small")      # a polars table

The live catalog is never opened: sync writes to it, and a reader would keep sync out. A snapshot is a file of its own
behind the link `current.duckdb`; it is opened read-only, read, and closed again.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import polars as pl

from queries.first import WORDS, parts
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
    "fingerprint",
    "install",
    "named",
    "opened",
    "questions",
]

AXES = WORDS
LISTED = {
    axis: f"SELECT name FROM {axis}" for axis in (*AXES, "dataset")
}  # parameter -> where its values are listed
LISTED |= {f"{axis}_{side}": LISTED[axis] for axis in AXES for side in "ab"} | dict.fromkeys(
    "ab", LISTED["method"]
)
LISTED |= {part: f"SELECT {part} AS name FROM method" for part in ("tuning", "merging")}
LISTED["objective"] = "SELECT unnest(string_split(objective, '+')) AS name FROM method"
LISTED["study"] = "SELECT study AS name FROM trial WHERE study IS NOT NULL"


class AskError(ValueError):
    """A question was asked that cannot be answered: its message says what can."""


class SnapshotError(AskError):
    """There is no snapshot, or it is older than the question."""


def ask(name: str, catalog: Path | None = None, **parameters: object) -> pl.DataFrame:
    """The answer to a question, from `catalog` (default: the snapshot that the site publishes).

    Raises:
        AskError: unknown question, parameter or value; the message names what is allowed and the nearest.
        SnapshotError: nothing published yet, or before this question existed.
    """
    question = named(name)
    with opened(catalog or Site.load().current) as connection:
        return answer(connection, question, parameters)


def named(name: str) -> Question:
    """The question of that name.

    Raises:
        AskError: there is none; the message lists all and the nearest.
    """
    known = {question.name: question for question in questions()}
    if name not in known:
        raise AskError(
            f"unknown question {name!r}. Questions: {', '.join(sorted(known))}.{nearest(name, list(known))}"
        )
    return known[name]


@contextlib.contextmanager
def opened(catalog: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to what `catalog` links to, closed at the end of the block.

    A snapshot may be replaced and deleted between reading the link and opening the file, so this tries twice.

    Raises:
        SnapshotError: no file there.
    """
    connection = _connect(catalog) or _connect(catalog)
    if connection is None:
        raise SnapshotError(
            f"no snapshot at {catalog}. Publish one with: python -m schema (or python -m runner.sync)"
        )
    with contextlib.closing(connection):
        yield connection


def _connect(catalog: Path) -> duckdb.DuckDBPyConnection | None:
    """None when the file is not there (any more)."""
    path = catalog.resolve()
    try:
        return duckdb.connect(str(path), read_only=True) if path.exists() else None
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
    """The answer on an open connection, at most `rows` rows of it; parameters left out, or None, take their defaults.

    where: columns and the value that they must have; None leaves a column free.
    Errors as in `ask`.
    """
    given = {key: value for key, value in parameters.items() if value is not None}
    for key, value in given.items():
        _check(connection, question, key, value)
    arguments = ", ".join(f"{key} := CAST(? AS {question.parameters[key].type})" for key in given)
    sql = (
        f"FROM {question.name}({arguments})"
        if question.kind == "macro"
        else f"FROM {question.name}"
    )
    kept = {key: value for key, value in (where or {}).items() if value is not None}
    sql += " WHERE " + " AND ".join(f'"{key}" = ?' for key in kept) if kept else ""
    values = [*given.values(), *kept.values()]
    try:
        if rows is None:
            frame: pl.DataFrame = connection.sql(sql, params=values).pl()
        else:
            frame = _first(connection, question, sql, values, given | kept, rows)
    except duckdb.ConversionException as error:
        types = ", ".join(
            f"{key} is {parameter.type}" for key, parameter in question.parameters.items()
        )
        raise AskError(
            f"{question.name}: a value has the wrong type; {types}. DuckDB says: {error}"
        ) from error
    except (
        duckdb.InvalidInputException
    ) as error:  # what error() in a question's SQL says of a value that it cannot take
        raise AskError(
            f"{question.name}: {str(error).removeprefix('Invalid Input Error: ')}"
        ) from error
    except duckdb.CatalogException as error:
        raise SnapshotError(
            f"the snapshot does not know {question.name}: it was published before {question.file}. "
            "Publish again with: python -m schema"
        ) from error
    return frame


def _first(
    connection: duckdb.DuckDBPyConnection,
    question: Question,
    sql: str,
    values: list[object],
    chosen: Mapping[str, object],
    rows: int,
) -> pl.DataFrame:
    """The first rows of an answer: of a part of it, where that has as many."""
    columns = connection.sql(f"FROM ({sql}) LIMIT 0", params=values).columns
    for condition, bounds in (
        *parts(connection, question.sql, columns, chosen, rows),
        ("true", []),
    ):
        # MATERIALIZED: pushed into a view, a limit can take minutes where the whole takes a second
        asked = f"WITH answer AS MATERIALIZED (SELECT * FROM ({sql}) WHERE {condition}) FROM answer LIMIT {rows:d}"
        frame: pl.DataFrame = connection.sql(asked, params=[*values, *bounds]).pl()
        if len(frame) == rows:
            break
    return frame


def choices(connection: duckdb.DuckDBPyConnection, parameter: str) -> list[str] | None:
    """The values that a parameter can take whose name says of what it is one; None for any other parameter."""
    listed = LISTED.get(parameter)
    if listed is None:
        return None
    return [
        name
        for (name,) in connection.execute(
            f"SELECT DISTINCT name FROM ({listed}) ORDER BY name"
        ).fetchall()
    ]


def _check(
    connection: duckdb.DuckDBPyConnection, question: Question, key: str, value: object
) -> None:
    """Refuse a parameter the question does not have, and a name that is not among those it can be."""
    if key not in question.parameters:
        allowed = ", ".join(question.parameters) or "none"
        raise AskError(
            f"{question.name} has no parameter {key!r}. Allowed: {allowed}.{nearest(key, list(question.parameters))}"
        )
    known = choices(connection, key)
    if known is not None and value not in known and value != question.parameters[key].default:
        listed = (
            ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
            or "none yet"
        )
        raise AskError(
            f"unknown {key} {str(value)!r}. Known: {listed}.{nearest(str(value), known)}"
        )
