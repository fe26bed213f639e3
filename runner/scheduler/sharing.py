"""Trials with common training: which of them use the shared store, and when its files go.

The SQL question `mates` decides which trials wait for which; this module handles the files. It
imports neither torch nor safetensors.
"""

import shutil

import duckdb

from runner.run_folder import trunks_folder
from schema.site import Site

# Selects the trials that are not over, whose stems' files in the store are still needed
WANTED = """
SELECT k.trial, k.stem FROM trunk k
WHERE k.trial IN (
    SELECT s.trial FROM startable s
    UNION
    SELECT a.trial FROM attempt a ANTI JOIN outcome o USING (trial, attempt)
    WHERE a.measures IS NULL AND a.retrains IS NULL
)
"""


def shares(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the policy lets trials share work."""
    row = connection.execute("SELECT value FROM policy WHERE name = 'share_trunks'").fetchone()
    return row is None or row[0] != 0


def stems(site: Site, connection: duckdb.DuckDBPyConnection, trials: list[int]) -> dict[int, str]:
    """Return the folder of each trial's stem in the store, by trial.

    It has only trials whose work other trials need, or have left in the store.
    """
    if not trials or not shares(connection):
        return {}
    rows = connection.execute(
        f"WITH wanted AS MATERIALIZED ({WANTED}), "
        "counted AS (SELECT stem, count(*) AS trials FROM wanted GROUP BY stem) "
        "SELECT w.trial, w.stem, c.trials FROM wanted w JOIN counted c USING (stem) "
        "WHERE w.trial IN (SELECT unnest(?::BIGINT[]))",
        [trials],
    ).fetchall()
    folders = {}
    for trial, stem, count in rows:
        name = _name(stem)
        if count > 1 or (trunks_folder(site.store) / name).exists():
            folders[trial] = name
    return folders


def prune(site: Site, connection: duckdb.DuckDBPyConnection) -> int:
    """Remove files that no unfinished trial can use any more.

    Returns the number of stems whose files were removed.
    """
    folder = trunks_folder(site.store)
    paths = list(folder.iterdir()) if folder.is_dir() else []
    if not paths:
        return 0
    rows = connection.execute(f"SELECT DISTINCT stem FROM ({WANTED})").fetchall()
    useful = {_name(stem) for (stem,) in rows}
    removed = 0
    for path in paths:
        if path.name not in useful:
            shutil.rmtree(path, ignore_errors=True)
            removed += 1
    return removed


def _name(stem: int) -> str:
    """Return the name of a stem's folder."""

    return f"{stem:016x}"
