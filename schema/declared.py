"""The export of the rows that people declare: one Parquet file per table, outside the catalog.

The catalog is one file on one disk. All facts are also in the run folders, but declared rows (axes,
trials, requests, settings) are only in the catalog. So sync exports them whenever they change, and
a lost catalog can be rebuilt from both.
"""

import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from schema.files import fsync, make_folder, move_into_place

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
WANTED = ("trial", "measurement", "request", "study", "rule", "tag", "remark")
TABLES = (*AXES, *WANTED, "profile", "reference_result", "policy")
INDEX = "declared.json"


def export(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[str]:
    """Write the tables that have changed since the last export, each file atomically.

    An export of another catalog in the folder (of a lost one, for example) is moved aside and not
    overwritten. Returns the names of the tables that were written.
    """
    catalog = _made_at(connection)
    make_folder(folder)
    index = _read_index(folder)
    if index is None and any(folder.glob("*.parquet")):
        # Without an index their catalog is unknown, so they are moved aside like another catalog's
        index = {"catalog": f"unknown-{time.time_ns()}", "tables": {}, "sha256": {}}
    if index is not None and index["catalog"] != catalog:
        folder.rename(folder.with_name(f"{folder.name}.of-{index['catalog']}"))
        index = None
    known = index or {"catalog": catalog, "tables": {}, "sha256": {}}
    make_folder(folder)
    fingerprints, changed = _fingerprints(connection, TABLES), []
    for table in TABLES:
        same = known["tables"].get(table) == fingerprints[table]
        if not same or known["sha256"].get(table) != _sha256(_parquet(folder, table)):
            changed.append(table)
    for table in changed:
        aside = folder / f".{table}.parquet"
        quoted = str(aside).replace("'", "''")
        connection.execute(f"COPY {table} TO '{quoted}' (FORMAT parquet)")
        fsync(aside)
        move_into_place(aside, _parquet(folder, table))
    if changed:
        # Written after the tables, as an earlier index would call an old file up to date
        aside = folder / f".{INDEX}"
        sums = {table: _sha256(_parquet(folder, table)) for table in TABLES}
        written = {"catalog": catalog, "tables": fingerprints, "sha256": sums}
        aside.write_text(json.dumps(written, indent=1))
        move_into_place(aside, folder / INDEX)
        fsync(folder)
    return changed


def edited(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[str]:
    """Return the axes with exported rows that were changed in or removed from the catalog.

    New rows do not count. It is empty for another catalog's export.
    """
    index = _read_index(folder)
    if index is None or index["catalog"] != _made_at(connection):
        return []
    fingerprints, changed = _fingerprints(connection, AXES), []
    for table in AXES:
        path = _parquet(folder, table)
        # A file that was changed since its export is not compared
        whole = index["sha256"].get(table, _sha256(path)) == _sha256(path)
        same = index["tables"].get(table) == fingerprints[table]
        if same or not whole or not path.exists():
            continue
        # An export older than a migration lacks new columns
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
    """Insert the exported rows into a new catalog, with the columns that both have.

    Returns the number of rows inserted, by table.
    """
    counts = {}
    for table in TABLES:
        path = _parquet(folder, table)
        if not path.exists():
            continue
        columns = _columns(connection, table, path)
        # The exported settings replace the defaults of a new catalog
        if table == "policy":
            connection.execute("DELETE FROM policy")
        inserted = connection.execute(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM read_parquet(?)", [str(path)]
        ).fetchone()
        counts[table] = int(inserted[0]) if inserted else 0
        # An export older than the column for validation streams, which names expressed before
        if table == "stream" and "validation" not in columns:
            connection.execute(
                "UPDATE stream SET validation = name || '_validation' "
                "WHERE name || '_validation' IN (SELECT name FROM stream)"
            )
    return counts


def last(connection: duckdb.DuckDBPyConnection, folder: Path, table: str, column: str) -> int:
    """Return the largest number in a column of an exported table.

    It is 0 where the export, a row or the column does not exist.
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


def _read_index(folder: Path) -> dict[str, Any] | None:
    """Return the index of an export folder, or None where there is no readable one.

    It identifies the catalog, and has each table's fingerprint and the sha256 of its file. Indexes
    of older versions have no sha256.
    """
    try:
        index = json.loads((folder / INDEX).read_text())
        index.setdefault("sha256", {})
        tables = isinstance(index["tables"], dict) and isinstance(index["sha256"], dict)
        return index if tables and isinstance(index["catalog"], str) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _sha256(path: Path) -> str:
    """Return the sha256 of a file; "" when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _made_at(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the catalog's creation time, in microseconds, which identifies it.

    Migrations copy it, so a migrated catalog is still the same one.
    """
    row = connection.execute("SELECT epoch_us(min(applied_at)) FROM migration").fetchone()
    return str(row[0]) if row else ""


def _columns(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> str:
    """Return the columns that a table and its export both have, in the table's order, as SQL."""
    exported = duckdb.from_parquet(str(path), connection=connection).columns
    described = connection.execute(f"DESCRIBE {table}").fetchall()
    return ", ".join(f'"{name}"' for name, *_ in described if name in exported)


def _fingerprints(connection: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> dict[str, str]:
    """Return a fingerprint of each table's rows that does not depend on their order.

    In one query, as a small table takes longer to ask about than to read.
    """
    each = [
        f"SELECT '{table}', count(*) || '-' || coalesce(bit_xor(hash(t)), 0) FROM {table} t"
        for table in tables
    ]
    return dict(connection.execute(" UNION ALL ".join(each)).fetchall())
