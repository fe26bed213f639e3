"""Catalogs of grids that were really run, for the answers that the documentation shows.

The Parquet files in each folder are the results of its grid on two cores of an AMD EPYC: its
trials, the base trials they start from, and the facts about them, without logs, stored definitions,
hosts and curves. The vocabulary and the questions are those of this tree. Some trials of `methods`
ran later than the rest, on other such machines, whose base had bit-identical results; the import
checks that. After another run of a grid, or of some of its trials: `python -m docpages.kept NAME
lab/catalog.duckdb`.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from schema import ddl, grid, summaries, views
from schema.__main__ import ROWS

HERE = Path(__file__).parent
GRIDS = HERE.parents[1] / "grids"
SENTENCE = ("backbone", "stream", "mixture", "method", "recipe", "budget", "seed")
# The trials of a catalog that are taken in, each with the id that it has here: that of the same
# sentence where there is one.
TAKEN = f"""
INSERT INTO taken
SELECT ran.id AS trial,
       coalesce(kept.id, (SELECT coalesce(max(id), 0) FROM kept_trial)
                         + row_number() OVER (PARTITION BY kept.id ORDER BY ran.id)) AS id
FROM ran.trial AS ran
LEFT JOIN kept_trial AS kept ON ({", ".join(f"kept.{word}" for word in SENTENCE)})
    = ({", ".join(f"ran.{word}" for word in SENTENCE)})
WHERE (ran.study = $base OR ran.study LIKE $study)
  AND ran.id IN (
      -- whose newest attempt ended, and not so that there is to be another one
      SELECT trial FROM ran.main.attempt LEFT JOIN ran.main.outcome USING (trial, attempt)
      GROUP BY trial HAVING coalesce(arg_max(coalesce(outcome.state, 'runs'), attempt), 'runs')
                            NOT IN ('runs', 'lost')
  )
  AND (ran.study <> $base OR kept.id IS NULL)
"""
# For each table, the query for the rows that are stored of the imported trials.
KEPT = {
    "trial": "SELECT trial.* REPLACE (taken.id AS id) "
    "FROM ran.trial JOIN taken ON taken.trial = trial.id",
    "attempt": "SELECT taken.id AS trial, attempt, '{}' AS spec, '' AS spec_id, batch, position, "
    "created_at FROM ran.attempt JOIN taken USING (trial)",
    "submission": "SELECT taken.id AS trial, attempt, backend, 'pid-' || taken.id AS job_id, "
    "format('runs/{:06d}/{:02d}', taken.id, attempt) AS folder, submitted_at "
    "FROM ran.submission JOIN taken USING (trial)",
    "outcome": "SELECT taken.id AS trial, attempt, state, kind, message, device, started_at, "
    "finished_at FROM ran.outcome JOIN taken USING (trial)",
    "result": "SELECT result.* REPLACE (taken.id AS trial) "
    "FROM ran.result JOIN taken USING (trial)",
    "cost": "SELECT cost.* REPLACE (taken.id AS trial) FROM ran.cost JOIN taken USING (trial)",
    "statistic": "SELECT statistic.* REPLACE (taken.id AS trial) "
    "FROM ran.statistic JOIN taken USING (trial)",
    "profile": "SELECT * FROM ran.profile",
}
# The rows of data sets, without their classes and files
DATASETS = """
SELECT * REPLACE ('{{}}' AS params, '[]' AS classes, '[]' AS templates)
FROM ran.dataset WHERE name LIKE '{pattern}' ORDER BY name
"""


@dataclass(frozen=True)
class Example:
    """A study of a grid file of `grids/`, and the grid files that make its rows.

    Its trials are those of the studies that are like `studies`, or of `study` where that is None.
    `base` is the study of the trial that the others begin from. `datasets` is a pattern of the
    names of data sets that no grid file declares: their rows are kept, too, without what they hold.
    """

    study: str
    grids: tuple[str, ...]
    base: str = "base"
    datasets: str | None = None
    studies: str | None = None

    @property
    def folder(self) -> Path:
        """Return the folder of the study's Parquet files."""
        return HERE / self.study

    def catalog(self) -> duckdb.DuckDBPyConnection:
        """Return the catalog in memory, with one thread and in UTC for reproducible answers."""
        connection = duckdb.connect(":memory:", config={"threads": 1})
        connection.execute("SET TimeZone = 'UTC'")
        for statement in ddl.statements():
            connection.execute(statement)
        views.refresh(connection)
        for path in sorted(ROWS.glob("*.sql")):
            grid.apply(connection, path.read_text(), path.name)
        if self.datasets is not None:
            self._read(connection, "dataset")
        for name in self.grids:
            # Executed and not applied: the checks of a grid run all of its rules
            connection.execute((GRIDS / f"{name}.sql").read_text())
        # Those that ran take their place, with the ids that the facts name.
        connection.execute("DELETE FROM trial")
        for table in KEPT:
            self._read(connection, table)
        # As a pass does that brings them home, so that answers are quick
        summaries.renew(connection)
        return connection

    def _read(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        """Insert the kept rows of a table."""
        connection.execute(
            f"INSERT INTO {table} BY NAME FROM read_parquet(?)",
            [str(self.folder / f"{table}.parquet")],
        )

    def export(self, catalog: Path, folder: Path | None = None) -> None:
        """Import the finished trials of this study and of its base from a catalog.

        They replace stored trials of the same sentences; the others are kept.

        Raises:
            ValueError: the catalog's base has other results than the stored one, so trials that
                started from it are not comparable with the rest.
        """
        target = folder or self.folder
        target.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(":memory:") as connection:
            quoted = str(catalog).replace("'", "''")
            connection.execute(f"ATTACH '{quoted}' AS ran (READ_ONLY)")
            connection.execute("CREATE TABLE taken (trial BIGINT, id BIGINT)")
            for table, taken in KEPT.items():
                path = target / f"{table}.parquet"
                connection.execute(f"CREATE TABLE kept_{table} AS {taken} LIMIT 0")
                if path.exists():
                    # Columns that the file is too old to have are NULL
                    connection.execute(f"INSERT INTO kept_{table} BY NAME FROM '{path}'")
            connection.execute(TAKEN, {"base": self.base, "study": self.studies or self.study})
            if not self._same_base(connection):
                raise ValueError(
                    f"the base in {catalog} has other results than the one in {target}, so trials "
                    "of the two cannot stand side by side; run the whole grid and remove that "
                    "folder first"
                )
            for table, taken in KEPT.items():
                _replace(connection, table, taken)
                _write(connection, f"FROM kept_{table} ORDER BY ALL", target / f"{table}.parquet")
            if self.datasets is not None:
                rows = DATASETS.format(pattern=self.datasets)
                _write(connection, rows, target / "dataset.parquet")

    def _same_base(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Return whether the stored base, if any, has the same results as the catalog's."""
        values = "list((task, dataset, metric, value) ORDER BY task, dataset, metric)"
        row = connection.execute(
            f"""
            WITH here AS (SELECT {values} AS base FROM kept_result
                          WHERE trial IN (SELECT id FROM kept_trial WHERE study = $base)),
            there AS (SELECT {values} AS base FROM ran.result
                      WHERE trial IN (SELECT id FROM ran.trial WHERE study = $base))
            SELECT here.base IS NULL OR here.base IS NOT DISTINCT FROM there.base FROM here, there
            """,
            {"base": self.base},
        ).fetchone()
        return bool(row and row[0])


def _write(connection: duckdb.DuckDBPyConnection, rows: str, path: Path) -> None:
    """Write the rows of a query as a Parquet file."""
    target = str(path).replace("'", "''")
    connection.execute(f"COPY ({rows}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")


def _replace(connection: duckdb.DuckDBPyConnection, table: str, taken: str) -> None:
    """Replace the rows of the imported trials in a stored table by those of the query."""
    if table == "profile":
        key = "(backbone, mixture, method, recipe, phase)"
        connection.execute(
            f"DELETE FROM kept_profile WHERE {key} IN (SELECT {key} FROM ran.profile)"
        )
    else:
        trial = "id" if table == "trial" else "trial"
        connection.execute(f"DELETE FROM kept_{table} WHERE {trial} IN (SELECT id FROM taken)")
    connection.execute(f"INSERT INTO kept_{table} BY NAME {taken}")


DEMO = Example("demo", ("demo",))
METHODS = Example("methods", ("demo", "methods"))
EMOJI = Example("emoji", ("emoji/emoji",), base="emoji_base", datasets="emoji%")
GUIDE = Example("guide", ("guide_orders", "guide"), studies="guide%")
CONNECTED = Example("connected", ("demo", "connected"))
EXAMPLES = {example.study: example for example in (DEMO, METHODS, EMOJI, GUIDE, CONNECTED)}
