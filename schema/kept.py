"""Keeping what answers begin with: one row per task of a trial, so that they need not read every result again.

`kept_summary` is a copy of what the view `summary` says, and `kept_until` says which facts it was made from. What is newer is
found by the view `unkept` and made from the facts, whoever asks; here it is put with the rest, before a snapshot is published.
"""

import duckdb

EDITED = """SELECT k.trial FROM kept_summary k LEFT JOIN trial t ON t.id = k.trial LEFT JOIN stream_seen s ON s.stream = t.stream
            WHERE k.seen IS DISTINCT FROM s.seen"""  # trials that somebody gave another stream, or deleted
MARKS = (
    *(
        f"""INSERT INTO kept_until SELECT '{table}', coalesce(max(rowid) + 1, 0), count(*),
            (SELECT hash(r)::VARCHAR FROM {table} r WHERE rowid = (SELECT max(rowid) FROM {table})) FROM {table}"""
        for table in ("result", "cost")
    ),
    "INSERT INTO kept_until SELECT 'stream', 0, count(*), bit_xor(seen)::VARCHAR FROM stream_seen",
)


def keep(connection: duckdb.DuckDBPyConnection) -> int:
    """Bring `kept_summary` up to the facts, inside the caller's transaction; how many trials were made anew.

    Rows are told from newer ones by their place in the table, which they have once they are committed: so not in the transaction
    that inserts them, and after a checkpoint, which moves rows where others have gone.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE newer AS SELECT trial FROM unkept UNION {EDITED}")
    connection.execute("CREATE OR REPLACE TEMP TABLE anew AS FROM reckoned(trials := 'newer')")
    connection.execute("DELETE FROM kept_summary WHERE trial IN (SELECT trial FROM newer)")
    connection.execute("INSERT INTO kept_summary BY NAME FROM anew ORDER BY trial, task")
    connection.execute("DELETE FROM kept_until")
    for mark in MARKS:
        connection.execute(mark)
    found = connection.execute("SELECT count(*) FROM newer").fetchone()
    connection.execute("DROP TABLE newer")
    connection.execute("DROP TABLE anew")
    return int(found[0]) if found else 0
