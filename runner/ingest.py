"""Files become rows: receipts and the Parquet files they vouch for, into `result`, `cost`, `progress` and `statistic`.

A receipt is taken once (its path is the key of `ingested`, in the same transaction as its rows) and only whole: if one of its
files is missing, torn, of the wrong attempt or holds a value outside [0, 1], none of it enters the catalog and the reason is
said.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from runner import receipts
from runner.folder import sha256
from runner.tables import COLUMNS


class ReceiptError(ValueError):
    """A receipt whose files cannot be trusted."""


@dataclass
class Harvest:
    """What a pass found in run folders, not yet in the catalog."""

    frames: dict[str, list[pl.DataFrame]] = field(default_factory=lambda: {table: [] for table in COLUMNS})
    receipts: list[tuple[str, str, int]] = field(default_factory=list)  # path below runs, sha256, rows
    problems: list[tuple[str, str]] = field(default_factory=list)  # receipt, why it was not taken

    def gather(self, path: Path, trial: int, attempt: int, spec_id: str) -> None:
        """Read a receipt of an attempt and the files it vouches for; a bad one is a problem, and the others go on."""
        name = receipts.name(path)
        try:
            frames = read_receipt(path, trial, attempt, spec_id)
        except ReceiptError as error:
            self.problems.append((name, str(error)))
            return
        for table, frame in frames.items():
            self.frames[table].append(frame.with_columns(trial=pl.lit(trial, pl.Int64), attempt=pl.lit(attempt, pl.Int32)))
        self.receipts.append((name, sha256(path), sum(len(frame) for frame in frames.values())))

    def store(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Insert everything gathered, inside the caller's transaction; rows inserted."""
        if not self.receipts:
            return 0
        connection.executemany("INSERT INTO ingested (receipt, sha256, rows) VALUES (?, ?, ?)", self.receipts)
        for table, frames in self.frames.items():
            if frames:
                gathered = pl.concat(frames)
                connection.register("gathered", gathered)
                connection.execute(f"INSERT INTO {table} BY NAME FROM gathered")
                connection.unregister("gathered")
        return sum(rows for _, _, rows in self.receipts)


def read_receipt(path: Path, trial: int, attempt: int, spec_id: str) -> dict[str, pl.DataFrame]:
    """Table -> rows that a receipt vouches for.

    Raises:
        ReceiptError: the receipt or one of its files does not say what it must.
    """
    try:
        said: dict[str, Any] = json.loads(path.read_text())
        task = int(said["task"])
        wanted = {"trial": trial, "attempt": attempt, "spec_id": spec_id, "task": int(path.stem.partition("-")[2])}
        files = {table: (str(entry["file"]), str(entry["sha256"]), int(entry["rows"])) for table, entry in said["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReceiptError(f"the receipt cannot be read ({error!r})") from error
    for key, value in wanted.items():
        if said.get(key) != value:
            raise ReceiptError(f"the receipt is of {key} {said.get(key)!r}, not of {value!r}")
    return {table: _read_table(path.parent, table, task, *entry) for table, entry in files.items()}


def _read_table(folder: Path, table: str, task: int, name: str, digest: str, rows: int) -> pl.DataFrame:
    if table not in COLUMNS:
        raise ReceiptError(f"the receipt names an unknown table {table!r}; known: {', '.join(COLUMNS)}")
    file = folder / name
    if file.parent != folder or not file.is_file():
        raise ReceiptError(f"{name} is missing")
    if sha256(file) != digest:
        raise ReceiptError(f"{file.name} is not the file that was written: its sha256 differs")
    frame = pl.read_parquet(file)
    if dict(frame.schema) != COLUMNS[table] or len(frame) != rows:
        raise ReceiptError(f"{file.name} has other columns or rows than {table} needs: {dict(frame.schema)}")
    if len(frame) and (frame["task"] != task).any():
        raise ReceiptError(f"{file.name} holds rows of another task")
    if table == "result" and not frame["value"].is_between(0, 1).all():
        raise ReceiptError(f"{file.name} holds values outside [0, 1]")
    return frame
