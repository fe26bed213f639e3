"""The Parquet files that a task brings, and their columns.

The worker writes them, and `runner.scheduler.ingest` insists on them.
"""

from typing import Any

import polars as pl

from runner.run_files import TableEntry
from runner.run_folder import RunFolder, sha256, whole

COLUMNS: dict[str, dict[str, type[pl.DataType]]] = {
    "result": {
        "task": pl.Int32, "step": pl.Int32, "dataset": pl.String, "metric": pl.String,
        "label_space": pl.String, "weights": pl.String, "value": pl.Float64, "examples": pl.Int64,
        "fraction": pl.Float64,
    },
    "cost": {
        "task": pl.Int32, "phase": pl.String, "flops": pl.Float64, "peak_bytes": pl.Int64,
        "seconds": pl.Float64, "steps": pl.Int64, "pairs": pl.Int64, "energy_j": pl.Float64,
        "shared": pl.Boolean,
    },
    "progress": {
        "task": pl.Int32, "step": pl.Int32, "loss": pl.Float64, "lr": pl.Float64,
        "pairs_per_s": pl.Float64, "written_at": pl.String,
    },
    "statistic": {"task": pl.Int32, "name": pl.String, "part": pl.String, "value": pl.Float64},
    "profile": {
        "task": pl.Int32, "backbone": pl.String, "mixture": pl.String, "method": pl.String,
        "recipe": pl.String, "phase": pl.String, "flops": pl.Float64, "peak_bytes": pl.Int64,
    },
}  # fmt: skip

# Columns that files of older code lack, and what stands there instead
ADDED: dict[str, dict[str, Any]] = {
    "cost": {"energy_j": None, "shared": False},
    "profile": {"mixture": ""},
}
# Columns in which a number may be missing
NULLABLE = {"peak_bytes", "energy_j"}
# Tables with a row per combination, whichever trial measured it
KEYED = {"profile": ["backbone", "mixture", "method", "recipe", "phase"]}


def write_tables(
    run: RunFolder, task: int, tables: dict[str, list[dict[str, Any]]]
) -> dict[str, TableEntry]:
    """Write one file per table; return the receipt's entries, by table."""
    written = {}
    for table, rows in tables.items():
        frame = pl.DataFrame(rows, schema=COLUMNS[table])
        path = run.path / f"task-{task:04d}.{table}.parquet"
        with whole(path) as aside:
            frame.write_parquet(aside)
        written[table] = TableEntry(file=path.name, sha256=sha256(path), rows=len(frame))
    return written
