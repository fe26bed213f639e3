"""Store summaries of facts that answers read: a row per task of a trial, and a row per phase.

Answers then need not read every fact again. `kept_summary` is a copy of the view `summary`,
`kept_cost` of `costs`, and `kept_until` records the facts that they were computed from. Newer facts
are found by the view `unkept` and summarised in each answer; here their summaries are stored,
before a snapshot is published.
"""

import contextlib
from collections.abc import Iterator

import duckdb

from schema.catalog import transaction

# Trials that were deleted or given another stream since their rows were stored
EDITED = """
SELECT k.trial FROM kept_summary k
LEFT JOIN trial t ON t.id = k.trial
LEFT JOIN stream_seen s ON s.stream = t.stream
WHERE k.seen IS DISTINCT FROM s.seen
"""
# How many trials are computed at a time, which limits the memory
SLICE = 100_000
# Each table with the macro that computes its rows, and the column they are sorted by after trial
TABLES = {"kept_summary": ("reckoned", "task"), "kept_cost": ("reckoned_costs", "phase")}
# The views that are made of stored rows and of newer facts, each with the table of the stored ones
MIXED = {"task_sums": "kept_summary", "costs": "kept_cost"}
# The statements that say how far the stored rows go: the last place of each table of facts, how
# many rows there were and what the last of them was, and what all streams and suites were
MARKS = (
    *(
        f"""
        INSERT INTO kept_until
        SELECT '{table}', coalesce(max(rowid) + 1, 0), count(*),
               (SELECT hash(r)::VARCHAR FROM {table} r
                WHERE rowid = (SELECT max(rowid) FROM {table}))
        FROM {table}
        """
        for table in ("result", "cost")
    ),
    "INSERT INTO kept_until SELECT 'stream', 0, count(*), bit_xor(seen)::VARCHAR FROM stream_seen",
)


def renew(connection: duckdb.DuckDBPyConnection) -> int:
    """Update the stored summaries to the committed facts; return the number of updated trials."""
    with transaction(connection):
        return store(connection)


def missing(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether facts have come, or have moved, since the summaries were stored."""
    row = connection.execute(f"SELECT 1 FROM (FROM unkept UNION ALL {EDITED}) LIMIT 1").fetchone()
    return row is not None


@contextlib.contextmanager
def alone(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Have the views of a connection read stored rows alone in the block, if no facts are newer.

    Each answer would otherwise find out anew which trials have newer facts, and be planned as if
    there were some; of a small catalog planning is most of an answer. Temporary views stand before
    those of the catalog, for this connection only. Nothing may be written in the block.
    """
    newer = connection.execute("SELECT 1 FROM unkept LIMIT 1").fetchone()
    names = connection.execute(
        "SELECT view_name FROM duckdb_views() WHERE temporary AND NOT internal"
    ).fetchall()
    # What a person has put before a view of the catalog stays
    if newer is not None or MIXED.keys() & {name for (name,) in names}:
        yield
        return
    for view, table in MIXED.items():
        connection.execute(f"CREATE TEMP VIEW {view} AS FROM {table}")
    try:
        yield
    finally:
        # An error in the caller's transaction has ended it, and the views end with it
        with contextlib.suppress(duckdb.TransactionException):
            for view in MIXED:
                connection.execute(f"DROP VIEW temp.{view}")


def store(connection: duckdb.DuckDBPyConnection) -> int:
    """Update the stored summaries within the caller's transaction.

    Newer facts are recognised by their position in the table, which is fixed once they are
    committed, so it must not be called in the transaction that inserts them. A checkpoint moves
    rows where others were deleted; then all summaries are computed anew. Returns the number of
    updated trials.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE newer AS "
        f"SELECT trial, (row_number() OVER (ORDER BY trial) - 1) // {SLICE} AS slice "
        f"FROM (SELECT trial FROM unkept UNION {EDITED})"
    )
    slices = connection.execute("SELECT DISTINCT slice FROM newer ORDER BY slice").fetchall()
    for (number,) in slices:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE batch AS SELECT trial FROM newer WHERE slice = {number}"
        )
        for table, (macro, second) in TABLES.items():
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE anew AS FROM {macro}(trials := 'batch')"
            )
            connection.execute(f"DELETE FROM {table} WHERE trial IN (SELECT trial FROM batch)")
            connection.execute(f"INSERT INTO {table} BY NAME FROM anew ORDER BY trial, {second}")
    # Last, and in the same transaction: marks ahead of the summaries would hide facts
    connection.execute("DELETE FROM kept_until")
    for mark in MARKS:
        connection.execute(mark)
    count = connection.execute("SELECT count(*) FROM newer").fetchone()
    for table in ("newer", "batch", "anew"):
        connection.execute(f"DROP TABLE IF EXISTS temp.{table}")
    return int(count[0]) if count else 0
