"""A connection for untrusted SELECTs: it can read one catalog file and nothing else."""

from pathlib import Path

import duckdb

THREADS = 2
MEMORY = "1GB"


def locked(path: Path) -> duckdb.DuckDBPyConnection:
    """Return a connection that can read a catalog file, and reach no other file and no network.

    It is an empty database in memory with the catalog attached as `snapshot`; after that nothing
    more can be attached, and no setting changed.

    Raises:
        duckdb.IOException: another process has the file open for writing.
    """
    connection = duckdb.connect(":memory:", config={"threads": THREADS, "memory_limit": MEMORY})
    connection.execute("SET temp_directory = ''")
    quoted = str(path).replace("'", "''")
    connection.execute(f"ATTACH '{quoted}' AS snapshot (READ_ONLY)")
    connection.execute("USE snapshot")
    # After this, statements cannot change these settings back
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection
