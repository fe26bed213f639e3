"""Keeping what answers begin with: one row per task of a trial, and one per phase, so that they need not read every fact again.

`kept_summary` is a copy of what the view `summary` says, `kept_cost` of `costs`, and `kept_until` says which facts they were made
from. What is newer is found by the view `unkept` and made from the facts, whoever asks; here it is put with the rest, before a
snapshot is published.
"""

import duckdb

from schema.catalog import transaction

EDITED = """SELECT k.trial FROM kept_summary k LEFT JOIN trial t ON t.id = k.trial LEFT JOIN stream_seen s ON s.stream = t.stream
            WHERE k.seen IS DISTINCT FROM s.seen"""  # trials that somebody gave another stream, or deleted
SLICE = 100_000  # trials that are made anew at a time, which bounds the memory that it takes
TABLES = {
    "kept_summary": ("reckoned", "task"),
    "kept_cost": ("reckoned_costs", "phase"),
}  # made by which macro, sorted by
MARKS = (
    *(
        f"""INSERT INTO kept_until SELECT '{table}', coalesce(max(rowid) + 1, 0), count(*),
            (SELECT hash(r)::VARCHAR FROM {table} r WHERE rowid = (SELECT max(rowid) FROM {table})) FROM {table}"""
        for table in ("result", "cost")
    ),
    "INSERT INTO kept_until SELECT 'stream', 0, count(*), bit_xor(seen)::VARCHAR FROM stream_seen",
)


def renew(connection: duckdb.DuckDBPyConnection) -> int:
    """Bring what is kept up to the facts that are committed; how many trials were made anew."""
    connection.execute("CHECKPOINT")
    with transaction(connection):
        return keep(connection)


def keep(connection: duckdb.DuckDBPyConnection) -> int:
    """Bring what is kept up to the facts, inside the caller's transaction; how many trials were made anew.

    Rows are told from newer ones by their place in the table, which they have once they are committed: so not in the transaction
    that inserts them, and after a checkpoint, which moves rows where others have gone.
    """
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE newer AS SELECT trial, (row_number() OVER (ORDER BY trial) - 1) // {SLICE} AS slice "
        f"FROM (SELECT trial FROM unkept UNION {EDITED})"
    )
    for (number,) in connection.execute(
        "SELECT DISTINCT slice FROM newer ORDER BY slice"
    ).fetchall():
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE batch AS SELECT trial FROM newer WHERE slice = {number}"
        )
        for table, (macro, second) in TABLES.items():
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE anew AS FROM {macro}(trials := 'batch')"
            )
            connection.execute(f"DELETE FROM {table} WHERE trial IN (SELECT trial FROM batch)")
            connection.execute(f"INSERT INTO {table} BY NAME FROM anew ORDER BY trial, {second}")
    connection.execute("DELETE FROM kept_until")
    for mark in MARKS:
        connection.execute(mark)
    found = connection.execute("SELECT count(*) FROM newer").fetchone()
    for table in ("newer", "batch", "anew"):
        connection.execute(f"DROP TABLE IF EXISTS temp.{table}")
    return int(found[0]) if found else 0
