"""Catalogs of grids that were really run, for the answers that the documentation shows.

The Parquet files in the folder of each are what its grid left on two cores of an AMD EPYC: its
trials, the base they begin from, and the facts about them, without logs, stored definitions, hosts
and curves. The vocabulary and the questions are those of this tree. Twelve trials of `methods` ran
a day later on another such machine, whose base had the same results to the last bit. After another
run: `python -m pages.kept NAME lab/catalog.duckdb`.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from schema import ddl, grid, views
from schema.__main__ import ROWS

HERE = Path(__file__).parent
GRIDS = HERE.parents[1] / "grids"
WANTED = "(SELECT id FROM trial WHERE study IN ('base', '{study}'))"
# A table, and what is kept of it.
KEPT = {
    "trial": "SELECT * FROM trial WHERE id IN {wanted}",
    "attempt": "SELECT trial, attempt, '{{}}' AS spec, '' AS spec_id, batch, position, created_at "
    "FROM attempt WHERE trial IN {wanted}",
    "submission": "SELECT trial, attempt, backend, 'pid-' || trial AS job_id, "
    "format('runs/{{:06d}}/{{:02d}}', trial, attempt) AS folder, submitted_at "
    "FROM submission WHERE trial IN {wanted}",
    "outcome": "SELECT trial, attempt, state, kind, message, device, started_at, finished_at "
    "FROM outcome WHERE trial IN {wanted}",
    "result": "SELECT * FROM result WHERE trial IN {wanted}",
    "cost": "SELECT * FROM cost WHERE trial IN {wanted}",
    "statistic": "SELECT * FROM statistic WHERE trial IN {wanted}",
    "profile": "SELECT * FROM profile",
}


@dataclass(frozen=True)
class Example:
    """A study of a grid file of `grids/`, and the grid files that make its rows."""

    study: str
    grids: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Return the folder of its facts."""
        return HERE / self.study

    def catalog(self) -> duckdb.DuckDBPyConnection:
        """Return the catalog in memory, with one thread and in UTC so that it answers alike."""
        connection = duckdb.connect(":memory:", config={"threads": 1})
        connection.execute("SET TimeZone = 'UTC'")
        for statement in ddl.statements():
            connection.execute(statement)
        views.refresh(connection)
        for path in (*sorted(ROWS.glob("*.sql")), *(GRIDS / f"{name}.sql" for name in self.grids)):
            grid.apply(connection, path.read_text(), path.name)
        # Those that ran take their place, with the ids that the facts name.
        connection.execute("DELETE FROM trial")
        for table in KEPT:
            connection.execute(
                f"INSERT INTO {table} BY NAME FROM read_parquet(?)",
                [str(self.folder / f"{table}.parquet")],
            )
        return connection

    def export(self, catalog: Path, folder: Path | None = None) -> None:
        """Write the files anew, from the catalog in which the grid has finished."""
        target = folder or self.folder
        target.mkdir(parents=True, exist_ok=True)
        trials = WANTED.format(study=self.study)
        with duckdb.connect(str(catalog), read_only=True) as connection:
            for table, query in KEPT.items():
                path = str(target / f"{table}.parquet").replace("'", "''")
                rows = query.format(wanted=trials)
                connection.execute(
                    f"COPY ({rows} ORDER BY ALL) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
                )


DEMO = Example("demo", ("demo",))
METHODS = Example("methods", ("demo", "methods"))
EXAMPLES = {example.study: example for example in (DEMO, METHODS)}
