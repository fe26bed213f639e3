"""Facts become rows, many at once: DuckDB takes a frame of a thousand as quickly as one."""

import json
from collections.abc import Sequence
from typing import Any

import duckdb

from runner.submission import Submission


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
    statement = f"INSERT INTO {table} BY NAME FROM rows_to_insert"
    if again:
        statement += " ON CONFLICT DO NOTHING"
    connection.register("rows_to_insert", pl.DataFrame(plain, infer_schema_length=None).to_arrow())
    connection.execute(statement)
    connection.unregister("rows_to_insert")


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
