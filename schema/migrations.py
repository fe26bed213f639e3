"""Create a catalog, or migrate an older one to the present schema.

A migration builds a new file beside the old one and moves it into place. DuckDB's ALTER cannot add
checks, drop keys or change tables that others refer to, and a new file makes the migration atomic.
Each change of version is an entry of `MIGRATIONS`, which says how rows are converted where the
names of columns do not determine it.
"""

import contextlib
import glob
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import duckdb

from schema import views
from schema.catalog import Catalog, transaction
from schema.catalog_file import connect
from schema.files import fsync


class MigrationError(RuntimeError):
    """The catalog cannot be migrated to the present schema; it is unchanged."""


@dataclass(frozen=True)
class Step:
    """A change of the schema, from version n - 1 to n.

    `copies` holds, for a table, the SELECT from `old.<tables>` that returns its rows, where copying
    the common columns is not enough.
    """

    version: int
    name: str
    copies: dict[str, str] = field(default_factory=dict)


# The order of requests and attempts before they had serial numbers
BY_TIME = "SELECT *, epoch_us(created_at) AS serial FROM old."
# Before streams had a column for their validation stream, names expressed it
VALIDATED = (
    "SELECT stream.*, other.name AS validation FROM old.stream AS stream "
    "LEFT JOIN old.stream AS other ON other.name = stream.name || '_validation'"
)
# How the vocabulary's backbones were pretrained, by the tag of their weights
PRETRAINED = (
    "SELECT *, CASE WHEN pretrained = 'openai' OR pretrained LIKE 'laion2b%' "
    """THEN '{"optimizer": "adamw", "loss": "softmax"}' ELSE '{}' END AS pretrained_with """
    "FROM old.backbone"
)
# Before a comparison had a provenance of its own, the vocabulary's rows of one were called seen
COMPARED = (
    "SELECT * REPLACE (CASE WHEN starts_with(source, 'CoDyRA, ') AND provenance = 'seen' "
    "AND NOT contains(setting, '\"CoDyRA\"') THEN 'compared' ELSE provenance END AS provenance) "
    "FROM old.reference_result"
)
# Before others could say the shares of segments, a column listed them; catalogs before had none
LISTED = (
    "SELECT COLUMNS(lambda name: name NOT IN ('segments', 'listed')), "
    "CASE WHEN json_type(listed) = 'ARRAY' THEN 'listed' END AS mixing, "
    "CASE WHEN json_type(listed) = 'ARRAY' THEN json_object('segments', listed) ELSE '{}' END "
    "AS mixing_params "
    "FROM (SELECT mixture.*, json_extract(to_json(mixture), '$.segments') AS listed "
    "FROM old.mixture AS mixture)"
)
MIGRATIONS = [
    Step(1, "first schema"),
    Step(2, "policy and problems"),
    Step(
        3, "an order without clocks", {table: BY_TIME + table for table in ("request", "attempt")}
    ),
    Step(
        4,
        "what a buffer keeps, what an order came from, suites on parts of test sets, "
        "profiles by mixture, energy",
        {"profile": "SELECT *, '' AS mixture FROM old.profile"},
    ),
    Step(5, "how a step is computed, what trials share"),
    Step(
        6,
        "definitions of attempts compressed; what phases cost is kept, too, and with it everything "
        "that is kept is made anew",
        {
            "kept_summary": "SELECT 0 AS trial WHERE false",
            "kept_until": "SELECT '' AS fact WHERE false",
        },
    ),
    Step(
        7,
        "how a backbone's images are prepared; a full disk is a kind of failure of its own; what "
        "takes how much of the disk",
    ),
    Step(
        8,
        "rules, what studies expect, on which stream the choices for another are made, budgets of "
        "published costs",
        {"stream": VALIDATED},
    ),
    Step(
        9,
        "how a backbone was pretrained, ensembles as a deploy rule, what trials deployed is "
        "measured later, tags and remarks of people, suites that keep their items, results of runs "
        "made elsewhere, shares of a mixture segment by segment",
        {"backbone": PRETRAINED},
    ),
    Step(
        10,
        "published numbers that were read in a comparison, or in texts about a paper, are told "
        "from those that their authors state; who says the shares of a mixture segment by segment, "
        "pairs that are held out, buffers of distilled pairs",
        {"reference_result": COMPARED, "mixture": LISTED},
    ),
]


def version_of(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the schema version of an open catalog; 0 for a file without Weir's tables.

    Not within a transaction, which ends where there are none.
    """
    try:
        newest = connection.execute("SELECT max(version) FROM migration").fetchone()
    except duckdb.CatalogException:
        return 0
    return int(newest[0]) if newest and newest[0] is not None else 0


def prepare(
    catalog: Catalog, steps: list[Step] | None = None, first_trial: int = 1, first_event: int = 1
) -> str:
    """Create the catalog, or migrate it to the last of `steps`, and refresh its views.

    A new catalog numbers trials and events from `first_trial` and `first_event`. Returns a
    description of the change, "" if nothing was to do.

    Raises:
        MigrationError: the file is newer than this code, or has rows that the present schema
        refuses.
    """
    steps = steps or MIGRATIONS
    newest = steps[-1].version
    with catalog.open(create=True) as connection:
        version = version_of(connection)
        if version == newest and not views.outdated(connection):
            return ""
        if version > newest:
            raise MigrationError(
                f"{catalog.path} has schema version {version}, this code knows up to {newest}; "
                "use newer code"
            )
    if version == newest:
        catalog.rewrite(views.refresh)
        return "views renewed"
    if version == 0:
        # Not through the log: DuckDB cannot read comments on tables with checks of JSON from it
        catalog.rewrite(partial(_create_once, steps=steps, first=(first_trial, first_event)))
        return "created"
    # The file is replaced below, and the new one must not be given the log of the old one
    catalog.rewrite()
    with catalog.lock.held():
        with contextlib.closing(catalog.file.connect()) as connection:
            unchanged = version_of(connection) == version and not catalog.file.log_bytes()
        if unchanged:
            _rebuild(catalog.file.path, version, steps)
    if not unchanged:
        # Somebody wrote into it, or migrated it, before the lock was held
        return prepare(catalog, steps, first_trial, first_event)
    return f"migrated from version {version} to {newest}"


@contextlib.contextmanager
def prepared(catalog: Catalog, unchanged: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the catalog, migrated to the present schema and with the present views.

    `unchanged`: nobody has written into it since its views were looked at last.

    Raises:
        MigrationError: as `prepare`.
    """
    with catalog.open() as connection:
        current = version_of(connection) == MIGRATIONS[-1].version and (
            (unchanged and views.are_current(connection)) or not views.outdated(connection)
        )
        if current:
            yield connection
    if not current:
        # What brings it up to date replaces the file, so it must not be open
        prepare(catalog)
        with catalog.open() as connection:
            yield connection


def _create_once(
    connection: duckdb.DuckDBPyConnection, steps: list[Step], first: tuple[int, int]
) -> None:
    """Create what `_create` does, unless another process has done so before the lock was held."""
    if version_of(connection) == 0:
        _create(connection, steps, *first)


def _create(
    connection: duckdb.DuckDBPyConnection,
    steps: list[Step],
    first_trial: int = 1,
    first_event: int = 1,
) -> None:
    """Create the tables, the record of the steps, and the views."""
    # Imported here and below: it needs SQLAlchemy, which takes longer to import than a pass of sync
    from schema import ddl

    for statement in ddl.statements(first_trial, first_event):
        connection.execute(statement)
    for step in steps:
        connection.execute(
            "INSERT INTO migration (version, name) VALUES (?, ?)", [step.version, step.name]
        )
    views.refresh(connection)


def _rebuild(path: Path, version: int, steps: list[Step]) -> None:
    """Copy every row of `path`, which has `version`, into a new file, and move that into place."""
    aside = path.with_name(f".{path.name}-{os.getpid()}")
    # This process holds the lock, so a file there was left by a killed migration
    for left in path.parent.glob(f".{glob.escape(path.name)}-*"):
        left.unlink(missing_ok=True)
    missing_steps = [step for step in steps if step.version > version]
    copies: dict[str, str] = {}
    for step in missing_steps:
        copies |= step.copies
    try:
        with contextlib.closing(connect(aside)) as connection:
            quoted = str(path).replace("'", "''")
            connection.execute(f"ATTACH '{quoted}' AS old (READ_ONLY)")
            first_trial = _after(connection, "id", ["trial"], {})
            first_event = _after(connection, "serial", ["request", "attempt"], copies)
            _create(connection, missing_steps, first_trial, first_event)
            with transaction(connection):
                _copy_all(connection, copies)
            connection.execute("DETACH old")
            connection.execute("CHECKPOINT")
    except duckdb.Error as error:
        aside.unlink(missing_ok=True)
        raise MigrationError(
            f"{path} stays at version {version}: a row does not fit the present schema. "
            f"DuckDB says: {error}"
        ) from error
    # Atomic: the old file is replaced only when the new one is on the disk
    fsync(aside)
    aside.replace(path)
    fsync(path.parent)


def _copy_all(connection: duckdb.DuckDBPyConnection, copies: Mapping[str, str]) -> None:
    """Copy the rows of every table, and the tables and views that users added."""
    from schema import ddl

    # Settings of the old catalog are copied; missing ones get their defaults
    connection.execute("DELETE FROM policy")
    for table in ddl.catalog_tables():
        _copy(connection, table.name, copies.get(table.name))
    connection.execute(ddl.policy())
    _copy_persons_own(connection)


def _after(
    connection: duckdb.DuckDBPyConnection,
    column: str,
    tables: list[str],
    copies: Mapping[str, str],
) -> int:
    """Return the next number of a sequence that numbers a column of these tables."""
    selects = []
    for table in tables:
        rows = copies.get(table, f"FROM old.{table}")
        selects.append(f"SELECT max({column}) AS n FROM ({rows})")
    row = connection.execute(
        f"SELECT coalesce(max(n), 0) + 1 FROM ({' UNION ALL '.join(selects)})"
    ).fetchone()
    assert row is not None
    return int(row[0])


def _copy_persons_own(connection: duckdb.DuckDBPyConnection) -> None:
    """Copy tables and views that users added; a view that no longer works stops the migration."""
    from schema import ddl

    ours = {table.name for table in ddl.catalog_tables()}
    tables = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'old'"
    ).fetchall()
    for (name,) in tables:
        if name not in ours:
            connection.execute(f'CREATE TABLE "{name}" AS FROM old."{name}"')
    # Weir's own views are known by their comments, and have been created already
    own_views = connection.execute(
        "SELECT sql FROM duckdb_views() WHERE database_name = 'old' AND NOT internal "
        "AND coalesce(comment, '') NOT LIKE '%(one row per %)'"
    ).fetchall()
    for (statement,) in own_views:
        connection.execute(statement)


def _copy(connection: duckdb.DuckDBPyConnection, table: str, select: str | None) -> None:
    """Copy the rows of a table, by the step's SELECT or the columns that both have."""
    if select is None:
        shared = connection.execute(
            "SELECT n.column_name FROM duckdb_columns() n "
            "JOIN duckdb_columns() o USING (table_name, column_name) "
            "WHERE table_name = ? AND o.database_name = 'old' AND n.database_name <> 'old' "
            "ORDER BY n.column_index",
            [table],
        ).fetchall()
        # The older version did not have this table
        if not shared:
            return
        columns = ", ".join(f'"{name}"' for (name,) in shared)
        select = f"SELECT {columns} FROM old.{table}"
    connection.execute(f"INSERT INTO {table} BY NAME {select}")
