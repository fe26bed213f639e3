"""What people declared, kept outside the catalog: one Parquet file per table, from which a lost catalog is made again.

The catalog is one file on one disk. Everything that happened is also in the run folders; what was declared (axes, trials,
requests, knobs) is only in the catalog, so sync writes it here whenever it has changed.
"""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import duckdb

from schema.files import fsync

WORDS = (  # in an order that satisfies the foreign keys
    "backbone", "dataset", "sequence", "sequence_concept", "suite", "suite_member", "stream", "mixture", "method", "recipe",
    "budget",
)  # fmt: skip
TABLES = (*WORDS, "trial", "request", "profile", "reference_result", "policy")


def export(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[str]:
    """Write the tables that have changed since the last time, each whole or not at all; their names.

    What another catalog left here (one that was lost, say, before somebody began a new one) is put aside, never written over.
    """
    index, catalog = folder / "declared.json", _made_at(connection)
    if folder.exists() and not folder.is_dir():
        folder.rename(folder.with_name(f"{folder.name}.in-the-way-{time.time_ns()}"))
    said = _index(folder)
    if said is None and any(folder.glob("*.parquet")):
        # Whose they are cannot be told any more: put aside, as those of another catalog are
        said = {"catalog": f"unknown-{time.time_ns()}"}
    if said is not None and said["catalog"] != catalog:
        folder.rename(folder.with_name(f"{folder.name}.of-{said['catalog']}"))
        said = None
    folder.mkdir(parents=True, exist_ok=True)
    known = said["tables"] if said else {}
    sums = said.get("sha256", {}) if said else {}
    now = {table: _fingerprint(connection, table) for table in TABLES}
    changed = [
        table
        for table in TABLES
        if known.get(table) != now[table] or sums.get(table) != _sum(folder / f"{table}.parquet")
    ]
    for table in changed:
        aside, path = folder / f".{table}.parquet", folder / f"{table}.parquet"
        quoted = str(aside).replace("'", "''")
        connection.execute(f"COPY {table} TO '{quoted}' (FORMAT parquet)")
        fsync(aside)
        aside.replace(path)
    if changed:
        aside = folder / ".declared.json"
        written = {table: _sum(folder / f"{table}.parquet") for table in TABLES}
        whole = {"catalog": catalog, "tables": now, "sha256": written}
        aside.write_text(json.dumps(whole, indent=1))
        aside.replace(index)
        fsync(folder)
    return changed


def edited(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[str]:
    """Tables of words of which rows that were exported are no longer there, or no longer the same. New rows are none of these."""
    said = _index(folder)
    if said is None or said["catalog"] != _made_at(connection):
        return []
    found = []
    for table in WORDS:
        path = folder / f"{table}.parquet"
        # A file that is not as it was exported says nothing of what was declared
        whole = table not in said["sha256"] or said["sha256"][table] == _sum(path)
        edited_since = said["tables"].get(table) != _fingerprint(connection, table)
        if path.exists() and whole and edited_since:
            both = _columns(
                connection, table, path
            )  # an export from before a migration lacks what is new
            gone = f"SELECT 1 FROM (SELECT {both} FROM read_parquet(?) EXCEPT SELECT {both} FROM {table}) LIMIT 1"
            if connection.execute(gone, [str(path)]).fetchone():
                found.append(table)
    return found


def _index(folder: Path) -> dict[str, Any] | None:
    """Return what declared.json says, or None when it is not there or cannot be read."""
    try:
        said = json.loads((folder / "declared.json").read_text())
        named = isinstance(said["catalog"], str) and isinstance(said["tables"], dict)
        said.setdefault("sha256", {})
        return said if named and isinstance(said["sha256"], dict) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _sum(path: Path) -> str:
    """Return the sha256 of a file; "" when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def restore(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, int]:
    """Insert what was exported into a new catalog, by the columns that both have; table -> rows."""
    found = {}
    for table in TABLES:
        path = folder / f"{table}.parquet"
        if not path.exists():
            continue
        listed = _columns(connection, table, path)
        if table == "policy":
            connection.execute("DELETE FROM policy")
        rows = connection.execute(
            f"INSERT INTO {table} ({listed}) SELECT {listed} FROM read_parquet(?)", [str(path)]
        ).fetchone()
        found[table] = int(rows[0]) if rows else 0
    return found


def last(connection: duckdb.DuckDBPyConnection, folder: Path, table: str, column: str) -> int:
    """The largest number in a column of an exported table; 0 when there is none, or no such column yet."""
    path = folder / f"{table}.parquet"
    if (
        not path.exists()
        or column not in duckdb.from_parquet(str(path), connection=connection).columns
    ):
        return 0
    found = connection.execute(
        f"SELECT coalesce(max({column}), 0) FROM read_parquet(?)", [str(path)]
    ).fetchone()
    return int(found[0]) if found else 0


def _made_at(connection: duckdb.DuckDBPyConnection) -> str:
    """When the catalog was made, in microseconds, which tells it from any other; migrations keep it."""
    found = connection.execute("SELECT epoch_us(min(applied_at)) FROM migration").fetchone()
    return str(found[0]) if found else ""


def _columns(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> str:
    """Those that a table and its export both have, in the order of the table, as SQL."""
    said = duckdb.from_parquet(str(path), connection=connection).columns
    return ", ".join(
        f'"{name}"'
        for (name, *_) in connection.execute(f"DESCRIBE {table}").fetchall()
        if name in said
    )


def _fingerprint(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    found = connection.execute(
        f"SELECT count(*) || '-' || coalesce(bit_xor(hash(t)), 0) FROM {table} t"
    ).fetchone()
    return str(found[0]) if found else ""
