"""Bring what was imported back into a catalog that is made again, from the folders of the imports.

Declared rows and run folders come first. Of a trial that they hold already only what happened to it
is inserted, under the number that it has there.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from schema.imports import kept, take
from schema.spec import Spec

WORDS = ("backbone", "stream", "mixture", "method", "recipe", "budget", "seed")
Axes = Callable[[duckdb.DuckDBPyConnection, Spec], None]


def read(place: Path) -> tuple[list[tuple[Path, kept.Receipt]], list[str]]:
    """Return every import that is as it was written, and what is wrong with the others."""
    receipts, problems = [], []
    for folder in kept.folders(place):
        try:
            receipts.append((folder, kept.read(folder)))
        except kept.KeptError as error:
            problems.append(f"{error}; this import is left out")
    # In the order in which they were imported, so that numbers are drawn as they were
    receipts.sort(key=lambda pair: pair[1].imported_at)
    return receipts, problems


def restore(
    connection: duckdb.DuckDBPyConnection,
    receipts: Sequence[tuple[Path, kept.Receipt]],
    axes: Axes,
) -> dict[str, int]:
    """Insert the trials of the imports with their results; return table -> rows.

    axes: inserts the rows that a definition was resolved from, where they are not there.
    """
    counts = dict.fromkeys(("imported", *kept.TABLES), 0)
    for folder, receipt in receipts:
        numbers, trials = {}, []
        for each in receipt.trials:
            number = _trial(connection, each, axes)
            # Imported twice, by a catalog that was lost before it said so
            if _is_imported(connection, number):
                continue
            numbers[each.trial] = number
            trials.append(kept.KeptTrial(**vars(each) | {"trial": number}))
        take.insert(connection, receipt.file, folder.name, trials)
        counts["imported"] += len(trials)
        for table in kept.TABLES:
            counts[table] += _facts(connection, folder / f"{table}.parquet", table, numbers)
    return counts


def _trial(connection: duckdb.DuckDBPyConnection, each: kept.KeptTrial, axes: Axes) -> int:
    """Return the number of a trial, which is inserted where it is not there."""
    same = " AND ".join(f"{word} = ${word}" for word in WORDS)
    words = {word: each.words[word] for word in WORDS}
    query = f"SELECT id FROM trial WHERE {same}"
    known = connection.execute(query, words).fetchone()
    if known is None:
        axes(connection, Spec.from_row(json.loads(each.spec)))
        values: dict[str, Any] = dict(each.words)
        # Another trial may have the number, where a catalog was lost and one begun anew
        taken = connection.execute("SELECT 1 FROM trial WHERE id = ?", [each.trial]).fetchone()
        if taken is None:
            values["id"] = each.trial
        columns = ", ".join(values)
        places = ", ".join(f"${name}" for name in values)
        connection.execute(f"INSERT INTO trial ({columns}) VALUES ({places})", values)
        known = connection.execute(query, words).fetchone()
    assert known is not None
    return int(known[0])


def _is_imported(connection: duckdb.DuckDBPyConnection, trial: int) -> bool:
    query = "SELECT 1 FROM imported WHERE trial = ?"
    return connection.execute(query, [trial]).fetchone() is not None


def _facts(
    connection: duckdb.DuckDBPyConnection, path: Path, table: str, numbers: dict[int, int]
) -> int:
    """Insert the rows of a file under the numbers that their trials have; return how many."""
    if not numbers:
        return 0
    inserted = connection.execute(
        f"INSERT INTO {table} BY NAME SELECT rows.* REPLACE (numbered.new AS trial) "
        "FROM read_parquet($path) AS rows "
        "JOIN (SELECT unnest($before) AS old, unnest($after) AS new) AS numbered "
        "ON numbered.old = rows.trial",
        {"path": str(path), "before": list(numbers), "after": list(numbers.values())},
    ).fetchone()
    return int(inserted[0]) if inserted else 0
