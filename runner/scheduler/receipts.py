"""Receipts on disk and in the catalog.

`task-0003.json` of an attempt vouches for what the task brought, and is taken once.
"""

import re
from pathlib import Path

import duckdb

RECEIPT = re.compile(r"task-\d+\.json")


def of(folder: Path) -> list[Path]:
    """Return the receipts of an attempt, in the order of tasks; none where its folder is gone."""
    try:
        return sorted(path for path in folder.iterdir() if RECEIPT.fullmatch(path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def name(path: Path) -> str:
    """Return its key in `ingested`: the path below the run folder."""
    return "/".join(path.parts[-3:])


def known(connection: duckdb.DuckDBPyConnection, paths: list[Path]) -> set[str]:
    """Return the names of those receipts that are in the catalog already."""
    if not paths:
        return set()
    # The join is by hash: a thousand names in a list would be compared one by one
    rows = connection.execute(
        "SELECT receipt FROM ingested "
        "SEMI JOIN (SELECT unnest(?::VARCHAR[]) AS receipt) USING (receipt)",
        [list(map(name, paths))],
    ).fetchall()
    return {receipt for (receipt,) in rows}
