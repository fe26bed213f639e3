"""Making a catalog, and bringing an older one to the present schema.

A migration builds a new file beside the old one and moves it into place: DuckDB's ALTER is too narrow (no new checks, no
dropped keys, nothing on tables that others refer to), and this cannot half-happen. What changed between two versions is one
entry of `MIGRATIONS`: how rows of the older tables become rows of the newer ones, where names alone do not say it.
"""

import contextlib
import glob
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from schema import views
from schema.catalog import Catalog, connect, transaction
from schema.files import fsync


class MigrationError(RuntimeError):
    """The catalog cannot be brought to the present schema; it is as it was."""


@dataclass(frozen=True)
class Step:
    """From version n - 1 to n. `copies`: table -> SELECT over `old.<tables>` that yields its rows, where the names that
    both versions share are not enough."""

    version: int
    name: str
    copies: dict[str, str] = field(default_factory=dict)


BY_TIME = "SELECT *, epoch_us(created_at) AS serial FROM old."  # the order of wishes and attempts, as it was known before
MIGRATIONS = [
    Step(1, "first schema"),
    Step(2, "policy and problems"),
    Step(
        3, "an order without clocks", {table: BY_TIME + table for table in ("request", "attempt")}
    ),
    Step(
        4,
        "what a buffer keeps, what an order came from, suites on parts of test sets, profiles by mixture, energy",
        {"profile": "SELECT *, '' AS mixture FROM old.profile"},
    ),
    Step(5, "how a step is computed, what trials share"),
    Step(
        6,
        "definitions of attempts compressed; what phases cost is kept, too, and with it everything that is kept is made anew",
        {
            "kept_summary": "SELECT 0 AS trial WHERE false",
            "kept_until": "SELECT '' AS fact WHERE false",
        },
    ),
    Step(7, "a disk that is full is a kind of failure of its own"),
]


def version_of(connection: duckdb.DuckDBPyConnection) -> int:
    """The schema version of an open catalog; 0 for a file without our tables."""
    known = connection.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'migration'"
    ).fetchone()
    if not known or not known[0]:
        return 0
    found = connection.execute("SELECT max(version) FROM migration").fetchone()
    return int(found[0]) if found and found[0] is not None else 0


def prepare(
    catalog: Catalog, steps: list[Step] | None = None, first_trial: int = 1, first_event: int = 1
) -> str:
    """Create the catalog or bring it to the last of `steps`, with the present views; return what was done, "" if nothing.

    Raises:
        MigrationError: the file is newer than this code, or holds rows that the present schema refuses.
    """
    steps = steps or MIGRATIONS
    with catalog.open(create=True) as connection:
        version = version_of(connection)
        if version == steps[-1].version:
            with transaction(connection):
                return "views renewed" if views.refresh(connection) else ""
        if version > steps[-1].version:
            raise MigrationError(
                f"{catalog.path} has schema version {version}, this code knows up to {steps[-1].version}; use newer code"
            )
        if version == 0:
            with transaction(connection):
                _create(connection, steps, first_trial, first_event)
            return "created"
        connection.execute("CHECKPOINT")
    with catalog.lock.held():
        _rebuild(catalog.path, version, steps)
    return f"migrated from version {version} to {steps[-1].version}"


@contextlib.contextmanager
def prepared(catalog: Catalog) -> Iterator[duckdb.DuckDBPyConnection]:
    """The catalog, opened, brought to the present schema and with the present views.

    Raises:
        MigrationError: as `prepare`.
    """
    with catalog.open() as connection:
        current = version_of(connection) == MIGRATIONS[-1].version
        if current:
            with transaction(connection):
                views.refresh(connection)
            yield connection
    if not current:
        prepare(catalog)
        with catalog.open() as connection:
            yield connection


def _create(
    connection: duckdb.DuckDBPyConnection,
    steps: list[Step],
    first_trial: int = 1,
    first_event: int = 1,
) -> None:
    from schema import (
        ddl,  # here and below: needs SQLAlchemy, which takes longer to import than a pass of sync
    )

    for statement in ddl.statements(first_trial, first_event):
        connection.execute(statement)
    for step in steps:
        connection.execute(
            "INSERT INTO migration (version, name) VALUES (?, ?)", [step.version, step.name]
        )
    views.refresh(connection)


def _rebuild(path: Path, version: int, steps: list[Step]) -> None:
    """Copy every row of `path` into a new file of the present schema and move that into place."""
    from schema import ddl

    aside = path.with_name(f".{path.name}-{os.getpid()}")
    # The lock is ours, so whatever else lies there was left by a migration that was killed
    for left in path.parent.glob(f".{glob.escape(path.name)}-*"):
        left.unlink(missing_ok=True)
    copies = {
        table: select
        for step in steps
        if step.version > version
        for table, select in step.copies.items()
    }
    try:
        with contextlib.closing(connect(aside)) as connection:
            connection.execute(
                f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS old (READ_ONLY)"
            )
            firsts = (
                _after(connection, "id", ["trial"]),
                _after(connection, "serial", ["request", "attempt"], copies),
            )
            _create(connection, [step for step in steps if step.version > version], *firsts)
            with transaction(connection):
                connection.execute(
                    "DELETE FROM policy"
                )  # the old catalog's comes along; knobs that it lacks begin as in a new one
                for table in ddl.catalog_tables():
                    _copy(connection, table.name, copies.get(table.name))
                connection.execute(ddl.policy())
                _copy_persons_own(connection)
            connection.execute("DETACH old")
            connection.execute("CHECKPOINT")
    except duckdb.Error as error:
        aside.unlink(missing_ok=True)
        raise MigrationError(
            f"{path} stays at version {version}: a row does not fit the present schema. DuckDB says: {error}"
        ) from error
    fsync(aside)
    aside.replace(path)
    fsync(path.parent)


def _after(
    connection: duckdb.DuckDBPyConnection,
    column: str,
    tables: list[str],
    copies: Mapping[str, str] | None = None,
) -> int:
    """Where a sequence goes on that has numbered a column of these tables."""
    rows = " UNION ALL ".join(
        f"SELECT max({column}) AS n FROM ({(copies or {}).get(table, f'FROM old.{table}')})"
        for table in tables
    )
    found = connection.execute(f"SELECT coalesce(max(n), 0) + 1 FROM ({rows})").fetchone()
    assert found is not None
    return int(found[0])


def _copy_persons_own(connection: duckdb.DuckDBPyConnection) -> None:
    """Tables and views that people added to the catalog; a view that no longer fits stops the migration."""
    from schema import ddl

    ours = {table.name for table in ddl.catalog_tables()}
    for (name,) in connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'old'"
    ).fetchall():
        if name not in ours:
            connection.execute(f'CREATE TABLE "{name}" AS FROM old."{name}"')
    theirs = "database_name = 'old' AND NOT internal AND coalesce(comment, '') NOT LIKE '%(one row per %)'"
    for (statement,) in connection.execute(
        f"SELECT sql FROM duckdb_views() WHERE {theirs}"
    ).fetchall():
        connection.execute(statement)


def _copy(connection: duckdb.DuckDBPyConnection, table: str, select: str | None) -> None:
    """Rows of one table, by the step's SELECT or by the columns that both versions have."""
    if select is None:
        shared = connection.execute(
            "SELECT n.column_name FROM duckdb_columns() n JOIN duckdb_columns() o USING (table_name, column_name) "
            "WHERE table_name = ? AND o.database_name = 'old' AND n.database_name <> 'old' ORDER BY n.column_index",
            [table],
        ).fetchall()
        if not shared:
            return
        select = (
            f"SELECT {', '.join(chr(34) + name + chr(34) for (name,) in shared)} FROM old.{table}"
        )
    connection.execute(f"INSERT INTO {table} BY NAME {select}")
