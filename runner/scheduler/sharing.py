"""Trials that train the same: which of them share the store, and when what they left there goes.

What waits for what is decided by SQL (`mates`); here are the files. Imports neither torch nor
safetensors.
"""

import shutil

import duckdb

from runner.run_folder import trunks_folder
from schema.site import Site

# trials that are not over: what is in the store for their stems is still of use
WANTED = """
SELECT k.trial, k.stem FROM trunk k
WHERE k.trial IN (SELECT s.trial FROM startable s UNION SELECT a.trial FROM attempt a ANTI JOIN outcome o USING (trial, attempt))
"""


def shares(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the policy lets trials have work in common."""
    found = connection.execute("SELECT value FROM policy WHERE name = 'share_trunks'").fetchone()
    return found is None or found[0] != 0


def stems(site: Site, connection: duckdb.DuckDBPyConnection, trials: list[int]) -> dict[int, str]:
    """Of these trials those whose work others want, or have left: trial -> the folder of its stem
    in the store.
    """
    if not trials or not shares(connection):
        return {}
    wanted = connection.execute(
        f"WITH wanted AS MATERIALIZED ({WANTED}), counted AS (SELECT stem, count(*) AS trials FROM wanted GROUP BY stem) "
        "SELECT w.trial, w.stem, c.trials FROM wanted w JOIN counted c USING (stem) "
        "WHERE w.trial IN (SELECT unnest(?::BIGINT[]))",
        [trials],
    ).fetchall()
    named = [(trial, _name(stem), count) for trial, stem, count in wanted]
    return {
        trial: name
        for trial, name, count in named
        if count > 1 or (trunks_folder(site.store) / name).exists()
    }


def prune(site: Site, connection: duckdb.DuckDBPyConnection) -> int:
    """Remove what no trial that is not over can take over any more; how many stems lost their
    files.
    """
    folder = trunks_folder(site.store)
    held = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
    if not held:
        return 0
    wanted = {
        _name(stem)
        for (stem,) in connection.execute(f"SELECT DISTINCT stem FROM ({WANTED})").fetchall()
    }
    over = [path for name, path in held.items() if name not in wanted]
    for path in over:
        shutil.rmtree(path, ignore_errors=True)
    return len(over)


def _name(stem: int) -> str:
    """The folder of a stem."""
    return f"{stem:016x}"
