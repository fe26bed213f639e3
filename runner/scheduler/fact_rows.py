"""Facts become rows, many at once: DuckDB takes a frame of a thousand as quickly as one."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import duckdb

from runner.submission import Submission

if TYPE_CHECKING:
    import polars as pl


def insert(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    rows: Sequence[dict[str, Any]],
    again: bool = False,
) -> None:
    """Insert rows that have the same keys.

    A dict or list is a JSON value, a text is cast to what the column is. `again`: rows that are
    there already stay as they are.
    """
    if not rows:
        return
    # A pass that writes nothing does not pay for the import
    import polars as pl

    plain = []
    for row in rows:
        packed = dict(row)
        for key, value in row.items():
            if isinstance(value, dict | list):
                packed[key] = json.dumps(value)
        plain.append(packed)
    insert_frame(connection, table, pl.DataFrame(plain, infer_schema_length=None), again)


def insert_frame(
    connection: duckdb.DuckDBPyConnection, table: str, frame: "pl.DataFrame", again: bool = False
) -> None:
    """Insert the rows of a frame, whose columns are called as those of the table.

    `again`: rows that are there already stay as they are.
    """
    statement = f"INSERT INTO {table} BY NAME FROM rows_to_insert"
    if again:
        statement += " ON CONFLICT DO NOTHING"
    connection.register("rows_to_insert", _Stream(frame))
    connection.execute(statement)
    connection.unregister("rows_to_insert")


class _Stream:
    """A frame as a stream of Arrow and no more.

    Of a frame itself DuckDB makes a table of pyarrow, and the import takes longer than many an
    insertion.
    """

    def __init__(self, frame: "pl.DataFrame") -> None:
        import polars as pl

        # DuckDB refuses a column that has no type as it has no value
        self.frame = frame.with_columns(pl.col(pl.Null).cast(pl.String))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the capsule of the stream, which is made anew for each reader."""
        return self.frame.__arrow_c_stream__(requested_schema)


def submission(batch: Submission, folder: str, job_id: str) -> dict[str, Any]:
    """Return the row that says: the backend has the attempt of this folder (`000042/02`)."""
    trial, _, attempt = folder.partition("/")
    return {
        "trial": int(trial),
        "attempt": int(attempt),
        "backend": batch.backend,
        "job_id": job_id,
        "folder": str(batch.runs / folder),
        "gpus": batch.needs.nodes * batch.needs.gpus_per_node,
    }


def named_rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """Return the rows of a query as dicts."""
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
