"""Files become rows: receipts and the Parquet files that they vouch for.

They go into `result`, `cost`, `progress`, `statistic` and `profile`. A receipt is taken once (its
path is the key of `ingested`, in the same transaction as its rows) and only whole: if one of its
files is missing, torn, of the wrong attempt or holds a value outside [0, 1], none of it enters the
catalog and the reason is noted. The file of `items` is looked at as the others are, and stays where
it lies.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from runner.records import DamagedFileError, parsed, read_bytes
from runner.result_files import ADDED, COLUMNS, KEYED, NULLABLE
from runner.run_files import ITEMS, FileEntry, Receipt
from runner.scheduler import receipts


class ReceiptError(ValueError):
    """A receipt whose files cannot be trusted."""


@dataclass(frozen=True, kw_only=True)
class Vouched:
    """A receipt that was read, and whose files have the digests that it names."""

    name: str
    sha256: str
    trial: int
    attempt: int
    task: int
    # Table -> file, rows
    files: dict[str, tuple[Path, int]]

    @property
    def rows(self) -> int:
        """The rows in all of its files."""
        return sum(rows for _, rows in self.files.values())


@dataclass
class Harvest:
    """The receipts that a pass found in run folders, and their rows, not yet in the catalog."""

    receipts: list[Vouched] = field(default_factory=list)
    frames: dict[str, pl.DataFrame] = field(default_factory=dict)
    # The name of a receipt, and why it was not taken
    problems: list[tuple[str, str]] = field(default_factory=list)

    def gather(self, path: Path, trial: int, attempt: int, spec_id: str) -> None:
        """Take a receipt of an attempt; a bad one is a problem, and the others go on."""
        try:
            self.receipts.append(read_receipt(path, trial, attempt, spec_id))
        except ReceiptError as error:
            self.problems.append((receipts.name(path), str(error)))

    def read(self) -> None:
        """Read the files that the gathered receipts vouch for, all files of a table at once.

        Nothing of a receipt stays when one of its files is bad.
        """
        bad: dict[int, str] = {}
        for table in COLUMNS:
            named = {}
            for number, receipt in enumerate(self.receipts):
                if table in receipt.files:
                    named[number] = receipt
            if named:
                self.frames[table], wrong = _read_table(table, named)
                bad |= wrong
        self.problems += [(self.receipts[number].name, why) for number, why in bad.items()]
        for table, frame in self.frames.items():
            self.frames[table] = frame.filter(~pl.col("receipt").is_in(list(bad))).drop("receipt")
        good = [number for number in range(len(self.receipts)) if number not in bad]
        self.receipts = [self.receipts[number] for number in good]

    def store(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Insert everything that was read, inside the caller's transaction; return its rows."""
        if not self.receipts:
            return 0
        taken = [(receipt.name, receipt.sha256, receipt.rows) for receipt in self.receipts]
        ingested = pl.DataFrame(taken, schema=["receipt", "sha256", "rows"], orient="row")
        for table, frame in {"ingested": ingested, **self.frames}.items():
            _insert(connection, table, frame)
        return sum(receipt.rows for receipt in self.receipts)


def _insert(connection: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> None:
    key, again = KEYED.get(table), ""
    if key:
        # Such rows are no trial's own: the first one of a combination stays
        frame = frame.drop("task", "trial", "attempt")
        frame = frame.unique(key, keep="first", maintain_order=True)
        again = " ON CONFLICT DO NOTHING"
    connection.register("gathered", frame)
    connection.execute(f"INSERT INTO {table} BY NAME FROM gathered{again}")
    connection.unregister("gathered")


def read_receipt(path: Path, trial: int, attempt: int, spec_id: str) -> Vouched:
    """Return a receipt, once its words and the digests of its files have been looked at.

    Raises:
        ReceiptError: the receipt or one of its files is not what it must be.
    """
    try:
        content = read_bytes(path)
        if content is None:
            raise DamagedFileError(path, "is gone")
        receipt = Receipt.of(path, parsed(path, content))
    except DamagedFileError as error:
        raise ReceiptError(f"the receipt cannot be read: it {error.why}") from error
    expected = {
        "trial": trial,
        "attempt": attempt,
        "spec_id": spec_id,
        "task": int(path.stem.partition("-")[2]),
    }
    for key, value in expected.items():
        if getattr(receipt, key) != value:
            words = f"the receipt is of {key} {getattr(receipt, key)!r}, not of {value!r}"
            raise ReceiptError(words)
    files = {}
    for table, entry in receipt.files.items():
        # Items stay where they lie. Somebody may have removed them, which harms no result
        if table != ITEMS:
            files[table] = (_vouched(path.parent, table, entry), entry.rows)
        elif (path.parent / entry.file).exists():
            _whole(path.parent, entry)
    return Vouched(
        name=receipts.name(path),
        sha256=hashlib.sha256(content).hexdigest(),
        trial=trial,
        attempt=attempt,
        task=receipt.task,
        files=files,
    )


def _vouched(folder: Path, table: str, entry: FileEntry) -> Path:
    """Return the file that a receipt names for a table, once its digest was looked at."""
    if table not in COLUMNS:
        raise ReceiptError(
            f"the receipt names an unknown table {table!r}; known: {', '.join(COLUMNS)}"
        )
    return _whole(folder, entry)


def _whole(folder: Path, entry: FileEntry) -> Path:
    """Return a file that a receipt names, once its digest was looked at."""
    try:
        content = read_bytes(folder / entry.file)
    except DamagedFileError as error:
        raise ReceiptError(f"{entry.file} {error.why}") from error
    if content is None:
        raise ReceiptError(f"{entry.file} is missing")
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise ReceiptError(f"{entry.file} is not the file that was written: its sha256 differs")
    return folder / entry.file


def _read_table(table: str, named: dict[int, Vouched]) -> tuple[pl.DataFrame, dict[int, str]]:
    """Return the rows of a table with the number of the receipt that vouches for them.

    Also the receipts whose rows are wrong, and why.
    """
    files = {number: receipt.files[table][0] for number, receipt in named.items()}
    frame, bad = _scan(table, files)
    about = _expectations(table, named)
    frame = frame.join(about, on="file", maintain_order="left")
    for row in _judged(table, frame, about).iter_rows(named=True):
        why = _objection(table, row)
        if why is not None:
            number = row["receipt"]
            # A file that could not be read at all has said so already
            bad.setdefault(number, f"{files[number].name} {why}")
    return frame.select(*COLUMNS[table], "trial", "attempt", "receipt"), bad


def _expectations(table: str, named: dict[int, Vouched]) -> pl.DataFrame:
    """Return a row per receipt: the file of the table, whose rows it must hold, and how many."""
    rows = []
    for number, receipt in named.items():
        file, count = receipt.files[table]
        rows.append((number, str(file), receipt.trial, receipt.attempt, receipt.task, count))
    schema = {
        "receipt": pl.Int64,
        "file": pl.String,
        "trial": pl.Int64,
        "attempt": pl.Int32,
        "due": pl.Int32,
        "rows": pl.Int64,
    }
    return pl.DataFrame(rows, schema, orient="row")


def _judged(table: str, frame: pl.DataFrame, about: pl.DataFrame) -> pl.DataFrame:
    """Return a row per receipt: how many rows its file holds, and what is wrong with them."""
    outside = pl.lit(False)
    if table == "result":
        outside = ~pl.col("value").is_between(0, 1).fill_null(False)
    required = [name for name in COLUMNS[table] if name not in NULLABLE]
    counts = frame.group_by("receipt").agg(
        pl.len().alias("count"),
        pl.col("task").ne_missing(pl.col("due")).any().alias("strange"),
        outside.any().alias("outside"),
        pl.any_horizontal(pl.col(name).is_null() for name in required).any().alias("lacking"),
    )
    judged = about.join(counts, on="receipt", how="left")
    return judged.with_columns(pl.col("count").fill_null(0))


def _objection(table: str, row: dict[str, Any]) -> str | None:
    """Return what is wrong with a file of a table; None: nothing."""
    if row["count"] != row["rows"]:
        count, rows = row["count"], row["rows"]
        return f"has other columns or rows than {table} needs: {count} rows, not {rows}"
    if row["strange"]:
        return "holds rows of another task"
    if row["outside"]:
        return "holds values outside [0, 1]"
    if row["lacking"]:
        return f"lacks values that {table} needs"
    return None


def _scan(table: str, files: dict[int, Path]) -> tuple[pl.DataFrame, dict[int, str]]:
    """Return the rows of files, each with its file, and the files that are not what they must be.

    Read together, which takes a fifth of the time; one by one where some file is bad, to find it.
    """
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
    schema = COLUMNS[table] | {"file": pl.String}
    for name, value in ADDED.get(table, {}).items():
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(value, dtype=schema[name]).alias(name))
    if dict(frame.schema) != schema:
        raise ReceiptError(str(dict(frame.schema)))
    return frame.select(*schema)
