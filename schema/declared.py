"""What people declared, stored outside the catalog: one Parquet file per table.

The catalog is one file on one disk. Everything that happened is also in the run folders; what was
declared (axes, trials, requests, knobs) is only in the catalog, so sync exports it whenever it has
changed, and a lost catalog is made again from both.
"""

import json
from pathlib import Path
from typing import Any

import duckdb

from schema.files import fsync

# In an order that satisfies the foreign keys
AXES = (
    "backbone",
    "dataset",
    "sequence",
    "sequence_concept",
    "suite",
    "suite_member",
    "stream",
    "mixture",
    "method",
    "recipe",
    "budget",
)
TABLES = (*AXES, "trial", "request", "profile", "reference_result", "policy")
INDEX = "declared.json"


def export(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[str]:
    """Write the tables that have changed since the last export, each whole or not at all.

    What another catalog left in the folder (one that was lost, say, before somebody began a new one)
    is moved aside, never overwritten. Returns the names of the tables that were written.
    """
    catalog = _made_at(connection)
    index = _read_index(folder, catalog)
    if index["catalog"] != catalog:
        folder.rename(folder.with_name(f"{folder.name}.of-{index['catalog']}"))
        index = {"catalog": catalog, "tables": {}}
    folder.mkdir(parents=True, exist_ok=True)
    fingerprints, changed = {}, []
    for table in TABLES:
        fingerprints[table] = _fingerprint(connection, table)
        same = index["tables"].get(table) == fingerprints[table]
        if not same or not _parquet(folder, table).exists():
            changed.append(table)
    for table in changed:
        aside = folder / f".{table}.parquet"
        quoted = str(aside).replace("'", "''")
        connection.execute(f"COPY {table} TO '{quoted}' (FORMAT parquet)")
        fsync(aside)
        aside.replace(_parquet(folder, table))
    if changed:
        # After the tables: an index that ran ahead of them would call an old file up to date
        aside = folder / f".{INDEX}"
        aside.write_text(json.dumps({"catalog": catalog, "tables": fingerprints}, indent=1))
        aside.replace(folder / INDEX)
        fsync(folder)
    return changed


def edited(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[str]:
    """Return the axes of which exported rows are no longer in the catalog, or no longer the same.

    New rows are neither. Of another catalog's export nothing is said.
    """
    catalog = _made_at(connection)
    index = _read_index(folder, "")
    if index["catalog"] != catalog:
        return []
    changed = []
    for table in AXES:
        path = _parquet(folder, table)
        if not path.exists() or index["tables"].get(table) == _fingerprint(connection, table):
            continue
        # An export from before a migration lacks the columns that are new
        columns = _columns(connection, table, path)
        gone = connection.execute(
            f"SELECT 1 FROM (SELECT {columns} FROM read_parquet(?) "
            f"EXCEPT SELECT {columns} FROM {table}) LIMIT 1",
            [str(path)],
        ).fetchone()
        if gone is not None:
            changed.append(table)
    return changed


def restore(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, int]:
    """Insert what was exported into a new catalog, by the columns that both have.

    Returns the number of rows inserted, by table.
    """
    counts = {}
    for table in TABLES:
        path = _parquet(folder, table)
        if not path.exists():
            continue
        columns = _columns(connection, table, path)
        # A new catalog has the default knobs, and the exported ones replace them
        if table == "policy":
            connection.execute("DELETE FROM policy")
        inserted = connection.execute(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM read_parquet(?)", [str(path)]
        ).fetchone()
        counts[table] = int(inserted[0]) if inserted else 0
    return counts


def last(connection: duckdb.DuckDBPyConnection, folder: Path, table: str, column: str) -> int:
    """Return the largest number in a column of an exported table.

    It is 0 where there is no such export, no row, or no such column yet.
    """
    path = _parquet(folder, table)
    if not path.exists():
        return 0
    if column not in duckdb.from_parquet(str(path), connection=connection).columns:
        return 0
    largest = connection.execute(
        f"SELECT coalesce(max({column}), 0) FROM read_parquet(?)", [str(path)]
    ).fetchone()
    return int(largest[0]) if largest else 0


def _parquet(folder: Path, table: str) -> Path:
    """Return the path of a table's export."""
    return folder / f"{table}.parquet"


def _read_index(folder: Path, catalog: str) -> dict[str, Any]:
    """Return the index of a folder: of which catalog it is, and the fingerprint of each table.

    Where there is none yet, it is an empty one of `catalog`.
    """
    path = folder / INDEX
    if not path.exists():
        return {"catalog": catalog, "tables": {}}
    index: dict[str, Any] = json.loads(path.read_text())
    return index


def _made_at(connection: duckdb.DuckDBPyConnection) -> str:
    """Return when the catalog was made, in microseconds, which tells it from any other.

    Migrations copy it, so a migrated catalog is still the same one.
    """
    row = connection.execute("SELECT epoch_us(min(applied_at)) FROM migration").fetchone()
    return str(row[0]) if row else ""


def _columns(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> str:
    """Return the columns that a table and its export both have, in the table's order, as SQL."""
    exported = duckdb.from_parquet(str(path), connection=connection).columns
    described = connection.execute(f"DESCRIBE {table}").fetchall()
    return ", ".join(f'"{name}"' for name, *_ in described if name in exported)


def _fingerprint(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """Return a text that changes with any row of a table, and not with their order."""
    row = connection.execute(
        f"SELECT count(*) || '-' || coalesce(bit_xor(hash(t)), 0) FROM {table} t"
    ).fetchone()
    return str(row[0]) if row else ""
