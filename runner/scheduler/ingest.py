"""Files become rows: receipts and the Parquet files they vouch for, into `result`, `cost`, `progress`, `statistic`, `profile`.

A receipt is taken once (its path is the key of `ingested`, in the same transaction as its rows) and only whole: if one of its
files is missing, torn, of the wrong attempt or holds a value outside [0, 1], none of it enters the catalog and the reason is
said.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from runner.result_files import ADDED, COLUMNS, KEYED, NULLABLE
from runner.scheduler import receipts


class ReceiptError(ValueError):
    """A receipt whose files cannot be trusted."""


@dataclass(frozen=True)
class Receipt:
    """What one says, and whose files have the digests that it names."""

    name: str
    sha256: str
    trial: int
    attempt: int
    task: int
    files: dict[str, tuple[Path, int]]  # table -> file, rows

    @property
    def rows(self) -> int:
        """In all of its files."""
        return sum(rows for _, rows in self.files.values())


@dataclass
class Harvest:
    """What a pass found in run folders, not yet in the catalog."""

    receipts: list[Receipt] = field(default_factory=list)
    frames: dict[str, pl.DataFrame] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)  # receipt, why it was not taken

    def gather(self, path: Path, trial: int, attempt: int, spec_id: str) -> None:
        """Take a receipt of an attempt; a bad one is a problem, and the others go on."""
        try:
            self.receipts.append(read_receipt(path, trial, attempt, spec_id))
        except ReceiptError as error:
            self.problems.append((receipts.name(path), str(error)))

    def read(self) -> None:
        """Read the files that the gathered receipts vouch for, all files of a table at once; none of a bad receipt's stay."""
        bad: dict[int, str] = {}
        for table in COLUMNS:
            named = {
                number: receipt
                for number, receipt in enumerate(self.receipts)
                if table in receipt.files
            }
            if named:
                self.frames[table], wrong = _read_table(table, named)
                bad |= wrong
        self.problems += [(self.receipts[number].name, why) for number, why in bad.items()]
        for table, frame in self.frames.items():
            self.frames[table] = frame.filter(~pl.col("receipt").is_in(list(bad))).drop("receipt")
        self.receipts = [
            receipt for number, receipt in enumerate(self.receipts) if number not in bad
        ]

    def store(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Insert everything that was read, inside the caller's transaction; rows inserted."""
        if not self.receipts:
            return 0
        taken = [(receipt.name, receipt.sha256, receipt.rows) for receipt in self.receipts]
        ingested = pl.DataFrame(taken, schema=["receipt", "sha256", "rows"], orient="row")
        for table, frame in {"ingested": ingested, **self.frames}.items():
            key = KEYED.get(table)
            if key:  # no trial's own: the first row of a combination stays
                frame = frame.drop("task", "trial", "attempt").unique(
                    key, keep="first", maintain_order=True
                )
            connection.register("gathered", frame)
            connection.execute(
                f"INSERT INTO {table} BY NAME FROM gathered{' ON CONFLICT DO NOTHING' if key else ''}"
            )
            connection.unregister("gathered")
        return sum(receipt.rows for receipt in self.receipts)


def read_receipt(path: Path, trial: int, attempt: int, spec_id: str) -> Receipt:
    """A receipt, once its words and the digests of its files have been looked at.

    Raises:
        ReceiptError: the receipt or one of its files is not what it must be.
    """
    try:
        content = path.read_bytes()
        said: dict[str, Any] = json.loads(content)
        task = int(said["task"])
        wanted = {
            "trial": trial,
            "attempt": attempt,
            "spec_id": spec_id,
            "task": int(path.stem.partition("-")[2]),
        }
        files = {
            table: (str(entry["file"]), str(entry["sha256"]), int(entry["rows"]))
            for table, entry in said["files"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReceiptError(f"the receipt cannot be read ({error!r})") from error
    for key, value in wanted.items():
        if said.get(key) != value:
            raise ReceiptError(f"the receipt is of {key} {said.get(key)!r}, not of {value!r}")
    whole = {
        table: (_vouched(path.parent, table, name, digest), rows)
        for table, (name, digest, rows) in files.items()
    }
    return Receipt(
        receipts.name(path), hashlib.sha256(content).hexdigest(), trial, attempt, task, whole
    )


def _vouched(folder: Path, table: str, name: str, digest: str) -> Path:
    """The file that a receipt names."""
    if table not in COLUMNS:
        raise ReceiptError(
            f"the receipt names an unknown table {table!r}; known: {', '.join(COLUMNS)}"
        )
    file = folder / name
    try:
        content = file.read_bytes() if file.parent == folder else None
    except OSError:
        content = None
    if content is None:
        raise ReceiptError(f"{name} is missing")
    if hashlib.sha256(content).hexdigest() != digest:
        raise ReceiptError(f"{name} is not the file that was written: its sha256 differs")
    return file


def _read_table(table: str, named: dict[int, Receipt]) -> tuple[pl.DataFrame, dict[int, str]]:
    """The rows of a table with the number of the receipt that vouches for them; the receipts whose rows are wrong, and why."""
    files = {number: receipt.files[table][0] for number, receipt in named.items()}
    frame, bad = _scan(table, files)
    about = pl.DataFrame(
        [
            (n, str(files[n]), each.trial, each.attempt, each.task, each.files[table][1])
            for n, each in named.items()
        ],
        {
            "receipt": pl.Int64,
            "file": pl.String,
            "trial": pl.Int64,
            "attempt": pl.Int32,
            "due": pl.Int32,
            "rows": pl.Int64,
        },
        orient="row",
    )
    frame = frame.join(about, on="file", maintain_order="left")
    outside = (
        ~pl.col("value").is_between(0, 1).fill_null(False) if table == "result" else pl.lit(False)
    )
    empty = pl.any_horizontal(
        pl.col(name).is_null() for name in COLUMNS[table] if name not in NULLABLE
    )
    found = frame.group_by("receipt").agg(
        pl.len().alias("found"),
        pl.col("task").ne_missing(pl.col("due")).any().alias("strange"),
        outside.any().alias("outside"),
        empty.any().alias("empty"),
    )
    judged = about.join(found, on="receipt", how="left").with_columns(pl.col("found").fill_null(0))
    for number, count, rows, strange, beyond, lacking in judged.select(
        "receipt", "found", "rows", "strange", "outside", "empty"
    ).iter_rows():
        name = files[number].name
        if number not in bad and count != rows:
            bad[number] = (
                f"{name} has other columns or rows than {table} needs: {count} rows, not {rows}"
            )
        elif number not in bad and strange:
            bad[number] = f"{name} holds rows of another task"
        elif number not in bad and beyond:
            bad[number] = f"{name} holds values outside [0, 1]"
        elif number not in bad and lacking:
            bad[number] = f"{name} lacks values that {table} needs"
    return frame.select(*COLUMNS[table], "trial", "attempt", "receipt"), bad


def _scan(table: str, files: dict[int, Path]) -> tuple[pl.DataFrame, dict[int, str]]:
    """The rows of files, each with its file: read together, which takes a fifth of the time, or one by one where some file is
    not what it must be, to find out which."""
    try:
        return _rows(table, list(files.values())), {}
    except (pl.exceptions.PolarsError, OSError, ReceiptError):
        pass
    rows, bad = [pl.DataFrame(schema=COLUMNS[table] | {"file": pl.String})], dict[int, str]()
    for number, file in files.items():
        try:
            rows.append(_rows(table, [file]))
        except (pl.exceptions.PolarsError, OSError, ReceiptError) as error:
            bad[number] = f"{file.name} has other columns or rows than {table} needs: {error}"
    return pl.concat(rows), bad


def _rows(table: str, files: list[Path]) -> pl.DataFrame:
    frame = pl.scan_parquet(files, include_file_paths="file", glob=False).collect()
    wanted = COLUMNS[table] | {"file": pl.String}
    added = {
        name: value for name, value in ADDED.get(table, {}).items() if name not in frame.columns
    }
    frame = frame.with_columns(
        pl.lit(value, dtype=wanted[name]).alias(name) for name, value in added.items()
    )
    if dict(frame.schema) != wanted:
        raise ReceiptError(str(dict(frame.schema)))
    return frame.select(*wanted)
