"""Apply grid files, each in one transaction, rolled back if a statement or row is wrong."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from schema.catalog import transaction
from schema.checks import measurement_rows, standing
from schema.checks.parts import PartError
from schema.checks.rows import CHECKS
from schema.imports.rows import FORMATS

SHOWN_CHARACTERS = 100


class GridError(ValueError):
    """A grid file was refused; none of it is in the catalog."""


@dataclass(frozen=True)
class Count:
    """The numbers of a table's rows that a grid file added, and that existed before."""

    table: str
    new: int
    there: int


def apply(connection: duckdb.DuckDBPyConnection, text: str, name: str) -> list[Count]:
    """Run the statements of a grid in one transaction.

    Returns a count for each table that changed or is named in an INSERT of the grid.

    Raises:
        GridError: names the file, the statement and the reason. The catalog is unchanged.
    """
    statements = _statements(connection, text, name)
    before = _counts(connection)
    rows_before = {
        table: _rows(connection, table) for table in (*CHECKS, "rule", "stream", "measurement")
    }
    last_wish = measurement_rows.last_wish(connection)
    with transaction(connection):
        for number, statement in enumerate(statements, 1):
            try:
                connection.execute(statement)
            except duckdb.Error as error:
                reason = _reason(connection, statements[:number], error)
                place = f"{name}, statement {number} of {len(statements)}"
                raise GridError(f"{place}: {_shortened(statement)}\n{reason}") from error
        # Within the transaction, so that a row with a wrong part rolls back the whole file
        _check_parts(connection, rows_before, name)
        _check_standing(connection, rows_before, name)
        _check_measurements(connection, rows_before, last_wish, name)
        after = _counts(connection)
    counts = []
    for table, rows in after.items():
        if rows != before[table] or f"into {table}" in text.lower():
            counts.append(Count(table, rows - before[table], before[table]))
    return counts


def read(path: str, stdin: str | None = None) -> str:
    """Return the text of a grid file, or that of standard input for `-`.

    Raises:
        GridError: the file does not exist, is not text, or is a table of results.
    """
    if path == "-":
        return stdin or ""
    if Path(path).suffix in FORMATS:
        raise GridError(
            f"{path} is a table, and a grid is SQL. Results made elsewhere are taken in with "
            f"python -m schema --import {path}; give --import once for each file"
        )
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise GridError(f"{path}: cannot be read ({error})") from error


def _statements(connection: duckdb.DuckDBPyConnection, text: str, name: str) -> list[str]:
    """Split a grid into statements; refuse those that would end its transaction."""
    try:
        parsed = connection.extract_statements(text)
    except duckdb.Error as error:
        raise GridError(f"{name}: not SQL that DuckDB can read.\n{error}") from error
    refused = (
        duckdb.StatementType.TRANSACTION,
        duckdb.StatementType.ATTACH,
        duckdb.StatementType.DETACH,
    )
    for statement in parsed:
        if statement.type in refused:
            raise GridError(
                f"{name}: {_shortened(statement.query)}\n"
                "A grid file is one transaction on the catalog: "
                "leave out BEGIN, COMMIT, ROLLBACK, ATTACH and DETACH."
            )
    return [statement.query for statement in parsed]


def _reason(
    connection: duckdb.DuckDBPyConnection, statements: list[str], error: duckdb.Error
) -> str:
    """Explain why the last of the statements raised an error.

    A failed transaction cannot be queried, so the statements before are run in a new one, which is
    left open for the caller's rollback.
    """
    # Imported here: it needs SQLAlchemy, which takes longer to import than most grids to insert
    from schema.checks.refusals import explain

    connection.execute("ROLLBACK")
    connection.execute("BEGIN")
    for statement in statements[:-1]:
        connection.execute(statement)
    return explain(error, connection, statements[-1])


def _check_parts(
    connection: duckdb.DuckDBPyConnection,
    rows_before: dict[str, set[tuple[Any, ...]]],
    name: str,
) -> None:
    """Refuse new rows with unknown parts or keys."""
    for table, check in CHECKS.items():
        columns = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
        for row in sorted(_rows(connection, table) - rows_before[table], key=str):
            try:
                check(dict(zip(columns, row, strict=True)))
            except PartError as error:
                raise GridError(f"{name}: {error}") from error


def _check_standing(
    connection: duckdb.DuckDBPyConnection,
    rows_before: dict[str, set[tuple[Any, ...]]],
    name: str,
) -> None:
    """Refuse new rules that cannot be run, and new streams whose validation stream is unknown."""
    try:
        streams = _rows(connection, "stream") - rows_before["stream"]
        standing.check_validation(connection, sorted(stream for stream, *_ in streams))
        new = _rows(connection, "rule") - rows_before["rule"]
        for rule, query, most_trials, *_ in sorted(new, key=str):
            standing.check_rule(
                connection, standing.Rule(name=rule, query=query, remaining=most_trials)
            )
    except standing.RuleError as error:
        raise GridError(f"{name}: {error}") from error


def _check_measurements(
    connection: duckdb.DuckDBPyConnection,
    rows_before: dict[str, set[tuple[Any, ...]]],
    last_wish: int,
    name: str,
) -> None:
    """Refuse new measurements that are impossible, and new requests that can never be fulfilled."""
    try:
        new = _rows(connection, "measurement") - rows_before["measurement"]
        measurement_rows.check_measurements(connection, new)
        measurement_rows.check_wishes(connection, last_wish)
        measurement_rows.check_retrains(connection, last_wish)
    except measurement_rows.MeasurementError as error:
        raise GridError(f"{name}: {error}") from error


def _rows(connection: duckdb.DuckDBPyConnection, table: str) -> set[tuple[Any, ...]]:
    """Return the rows of a table."""
    return set(connection.execute(f"FROM {table}").fetchall())


def _counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return the number of rows of each table, in the order of the tables' creation."""
    tables = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE NOT temporary ORDER BY table_oid"
    ).fetchall()
    every = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM \"{name}\"" for (name,) in tables)
    return {name: int(count) for name, count in connection.execute(every).fetchall()}


def _shortened(statement: str) -> str:
    """Return a statement in one line of at most `SHOWN_CHARACTERS`."""
    line = " ".join(statement.split())
    if len(line) <= SHOWN_CHARACTERS:
        return line
    return line[: SHOWN_CHARACTERS - 3] + "..."
