"""The catalog of a real run of the demo, for the example answers of docs/questions.md.

The Parquet files beside this one are what `make demo` left on two cores of an AMD EPYC: its 19 trials and the facts about them,
without logs, stored definitions, hosts and curves. The vocabulary and the questions are those of this tree. After another run:
`python -m docs.example lab/catalog.duckdb`.
"""

from pathlib import Path

import duckdb

from schema import ddl, grid, views
from schema.__main__ import ROWS

FOLDER = Path(__file__).parent
GRID = FOLDER.parents[1] / "grids" / "demo.sql"
DEMO = "(SELECT id FROM trial WHERE study IN ('base', 'demo'))"
KEPT = {  # table -> what is kept of it
    "trial": f"SELECT * FROM trial WHERE id IN {DEMO}",
    "attempt": "SELECT trial, attempt, '{}' AS spec, '' AS spec_id, batch, position, created_at "
    f"FROM attempt WHERE trial IN {DEMO}",
    "submission": "SELECT trial, attempt, backend, 'pid-' || trial AS job_id, "
    f"format('runs/{{:06d}}/{{:02d}}', trial, attempt) AS folder, submitted_at FROM submission WHERE trial IN {DEMO}",
    "outcome": f"SELECT trial, attempt, state, kind, message, device, started_at, finished_at FROM outcome WHERE trial IN {DEMO}",
    "result": f"SELECT * FROM result WHERE trial IN {DEMO}",
    "cost": f"SELECT * FROM cost WHERE trial IN {DEMO}",
    "statistic": f"SELECT * FROM statistic WHERE trial IN {DEMO}",
}


def demo() -> duckdb.DuckDBPyConnection:
    """The catalog in memory, with one thread and in UTC so that it answers alike everywhere."""
    connection = duckdb.connect(":memory:", config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    for statement in ddl.statements():
        connection.execute(statement)
    views.refresh(connection)
    for path in (*sorted(ROWS.glob("*.sql")), GRID):
        grid.apply(connection, path.read_text(), path.name)
    connection.execute("DELETE FROM trial")  # those that ran take their place, with the ids that the facts name
    for table in KEPT:
        connection.execute(f"INSERT INTO {table} BY NAME FROM read_parquet(?)", [str(FOLDER / f"{table}.parquet")])
    return connection


def export(catalog: Path, folder: Path = FOLDER) -> None:
    """Write the files anew, from the catalog of a finished demo."""
    with duckdb.connect(str(catalog), read_only=True) as connection:
        for table, kept in KEPT.items():
            target = str(folder / f"{table}.parquet").replace("'", "''")
            connection.execute(f"COPY ({kept} ORDER BY ALL) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
