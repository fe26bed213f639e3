"""Applying grid files: each in one transaction, refused as a whole with a message that names file, statement and reason."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from schema.catalog import transaction
from schema.checks.parts import PartError
from schema.checks.rows import CHECKS


class GridError(ValueError):
    """A grid file was refused; nothing of it is in the catalog."""


@dataclass(frozen=True)
class Count:
    """Rows of one table: new from this file, and there before."""

    table: str
    new: int
    there: int


def apply(connection: duckdb.DuckDBPyConnection, text: str, name: str) -> list[Count]:
    """Run the statements of a grid in one transaction; return the tables whose rows it offered or changed.

    Raises:
        GridError: the first statement that was refused and why. The catalog is as it was.
    """
    statements = _statements(connection, text, name)
    before = _counts(connection)
    rows_before = {table: _rows(connection, table) for table in CHECKS}
    with transaction(connection):
        for number, statement in enumerate(statements, 1):
            try:
                connection.execute(statement)
            except duckdb.Error as error:
                reason = _reason(connection, statements[:number], error)
                raise GridError(
                    f"{name}, statement {number} of {len(statements)}: {_head(statement)}\n{reason}"
                ) from error
        _check_parts(connection, rows_before, name)
        after = _counts(connection)
    named = text.lower()
    return [
        Count(t, after[t] - before[t], before[t])
        for t in after
        if after[t] != before[t] or f"into {t}" in named
    ]


def _statements(connection: duckdb.DuckDBPyConnection, text: str, name: str) -> list[str]:
    try:
        parsed = connection.extract_statements(text)
    except duckdb.Error as error:
        raise GridError(f"{name}: not SQL that DuckDB can read.\n{error}") from error
    for statement in parsed:
        if statement.type in (
            duckdb.StatementType.TRANSACTION,
            duckdb.StatementType.ATTACH,
            duckdb.StatementType.DETACH,
        ):
            raise GridError(
                f"{name}: {_head(statement.query)}\n"
                "A grid file is one transaction on the catalog: leave out BEGIN, COMMIT, ROLLBACK, ATTACH and DETACH."
            )
    return [statement.query for statement in parsed]


def _reason(connection: duckdb.DuckDBPyConnection, run: list[str], error: duckdb.Error) -> str:
    """Bring a fresh transaction to where the last statement of `run` failed, and explain. Leaves it open for the rollback."""
    from schema.checks.refusals import (
        explain,  # needs SQLAlchemy, which takes longer to import than most grids to insert
    )

    connection.execute("ROLLBACK")
    connection.execute("BEGIN")
    for statement in run[:-1]:
        connection.execute(statement)
    return explain(error, connection, run[-1])


def _check_parts(
    connection: duckdb.DuckDBPyConnection, before: dict[str, set[tuple[Any, ...]]], name: str
) -> None:
    """Refuse rows of this grid that name parts or keys which do not exist."""
    for table, check in CHECKS.items():
        columns = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
        for row in sorted(_rows(connection, table) - before[table], key=str):
            try:
                check(dict(zip(columns, row, strict=True)))
            except PartError as error:
                raise GridError(f"{name}: {error}") from error


def _rows(connection: duckdb.DuckDBPyConnection, table: str) -> set[tuple[Any, ...]]:
    return set(connection.execute(f"FROM {table}").fetchall())


def _counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows per table, in the order in which they were made."""
    tables = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE NOT temporary ORDER BY table_oid"
    ).fetchall()
    every = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM \"{name}\"" for (name,) in tables)
    return {name: int(count) for name, count in connection.execute(every).fetchall()}


def _head(statement: str) -> str:
    line = " ".join(statement.split())
    return line if len(line) <= 100 else line[:97] + "..."


def read(path: str, stdin: str | None = None) -> str:
    """The text of a grid file, or of standard input for `-`.

    Raises:
        GridError: no such file, or not text.
    """
    if path == "-":
        return stdin or ""
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise GridError(f"{path}: cannot be read ({error})") from error
