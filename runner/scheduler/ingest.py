"""Files become rows: receipts and the Parquet files that they vouch for.

They go into `result`, `cost`, `progress`, `statistic` and `profile`. A receipt is taken once (its
path is the key of `ingested`, in the same transaction as its rows) and only whole: if one of its
files is missing, torn, of the wrong attempt or holds a value outside [0, 1], none of it enters the
catalog and the reason is noted. The file of `items` is looked at as the others are, and stays where
it lies. A file is read once: what is hashed is what is parsed.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from runner.records import DamagedFileError, parsed, read_bytes
from runner.result_files import ADDED, COLUMNS, KEYED, NULLABLE
from runner.run_files import ITEMS, FileEntry, Receipt, TableEntry
from runner.scheduler import receipts
from runner.scheduler.fact_rows import insert_frame

# Receipts whose files are in memory at a time, each of them some 3 kB
AT_ONCE = 2000


class ReceiptError(ValueError):
    """A receipt whose files cannot be trusted."""


@dataclass(frozen=True)
class Content:
    """A file of a table as it was read, and the rows that it must hold."""

    name: str
    content: bytes
    rows: int


@dataclass(frozen=True, kw_only=True)
class Vouched:
    """A receipt that was read, and whose files have the digests that it names."""

    name: str
    sha256: str
    trial: int
    attempt: int
    task: int
    # By table
    files: dict[str, Content]


@dataclass(frozen=True)
class Taken:
    """A row of `ingested`; `rows` are those in all of its files."""

    receipt: str
    sha256: str
    rows: int


@dataclass
class Harvest:
    """The receipts that a pass found in run folders, and their rows, not yet in the catalog."""

    receipts: list[Taken] = field(default_factory=list)
    frames: dict[str, pl.DataFrame] = field(default_factory=dict)
    # The name of a receipt, and why it was not taken
    problems: list[tuple[str, str]] = field(default_factory=list)
    # Receipts whose files have been hashed and not yet parsed
    waiting: list[Vouched] = field(default_factory=list)

    def gather(self, path: Path, trial: int, attempt: int, spec_id: str) -> None:
        """Take a receipt of an attempt; a bad one is a problem, and the others go on."""
        try:
            self.waiting.append(read_receipt(path, trial, attempt, spec_id))
        except ReceiptError as error:
            self.problems.append((receipts.name(path), str(error)))
        if len(self.waiting) == AT_ONCE:
            self.read()

    def read(self) -> None:
        """Parse the files that the gathered receipts vouch for, all files of a table at once.

        Nothing of a receipt stays when one of its files is bad.
        """
        frames: dict[str, pl.DataFrame] = {}
        bad: dict[int, str] = {}
        for table in COLUMNS:
            named = {}
            for number, receipt in enumerate(self.waiting):
                if table in receipt.files:
                    named[number] = receipt
            if named:
                frames[table], wrong = _read_table(table, named)
                bad |= wrong
        self.problems += [(self.waiting[number].name, why) for number, why in bad.items()]
        for table, frame in frames.items():
            good = frame.filter(~pl.col("receipt").is_in(list(bad))).drop("receipt")
            earlier = self.frames.get(table)
            self.frames[table] = good if earlier is None else pl.concat([earlier, good])
        for number, receipt in enumerate(self.waiting):
            if number not in bad:
                rows = sum(file.rows for file in receipt.files.values())
                self.receipts.append(Taken(receipt.name, receipt.sha256, rows))
        self.waiting = []

    def store(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Insert everything that was read, inside the caller's transaction; return its rows."""
        if not self.receipts:
            return 0
        for table, frame in {"ingested": pl.DataFrame(self.receipts), **self.frames}.items():
            _insert(connection, table, frame)
        return sum(receipt.rows for receipt in self.receipts)


def _insert(connection: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> None:
    key = KEYED.get(table)
    if key:
        # Such rows are no trial's own: the first one of a combination stays
        frame = frame.drop("task", "trial", "attempt")
        frame = frame.unique(key, keep="first", maintain_order=True)
    insert_frame(connection, table, frame, again=bool(key))


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
            files[table] = _vouched(path.parent, table, entry)
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


def _vouched(folder: Path, table: str, entry: TableEntry) -> Content:
    """Return the file that a receipt names for a table, once its digest was looked at."""
    if table not in COLUMNS:
        raise ReceiptError(
            f"the receipt names an unknown table {table!r}; known: {', '.join(COLUMNS)}"
        )
    return Content(entry.file, _whole(folder, entry), entry.rows)


def _whole(folder: Path, entry: FileEntry) -> bytes:
    """Return what is in a file that a receipt names, once its digest was looked at."""
    try:
        content = read_bytes(folder / entry.file)
    except DamagedFileError as error:
        raise ReceiptError(f"{entry.file} {error.why}") from error
    if content is None:
        raise ReceiptError(f"{entry.file} is missing")
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise ReceiptError(f"{entry.file} is not the file that was written: its sha256 differs")
    return content


def _read_table(table: str, named: dict[int, Vouched]) -> tuple[pl.DataFrame, dict[int, str]]:
    """Return the rows of a table with the number of the receipt that vouches for them.

    Also the receipts whose rows are wrong, and why.
    """
    files = {number: receipt.files[table] for number, receipt in named.items()}
    frame, bad = _scan(table, files)
    about = _expectations(table, named)
    frame = frame.join(about, on="receipt", maintain_order="left")
    for row in _judged(table, frame, about).iter_rows(named=True):
        why = _objection(table, row)
        if why is not None:
            number = row["receipt"]
            # A file that could not be read at all has said so already
            bad.setdefault(number, f"{files[number].name} {why}")
    return frame.select(*COLUMNS[table], "trial", "attempt", "receipt"), bad


def _expectations(table: str, named: dict[int, Vouched]) -> pl.DataFrame:
    """Return a row per receipt: whose its file of the table is, and how many rows it must hold."""
    rows = []
    for number, receipt in named.items():
        count = receipt.files[table].rows
        rows.append((number, receipt.trial, receipt.attempt, receipt.task, count))
    schema = {
        "receipt": pl.Int64,
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


def _scan(table: str, files: dict[int, Content]) -> tuple[pl.DataFrame, dict[int, str]]:
    """Return the rows of files, each with its receipt, and the files that cannot be read.

    Read together, which takes an eighth of the time; one by one where some file is bad, to find it.
    """
    frames, bad = [], dict[int, str]()
    # Apart, since a file without rows leaves no trace among the others
    for has_rows in (True, False):
        alike = {number: file for number, file in files.items() if (file.rows > 0) is has_rows}
        try:
            frames.append(_together(table, alike))
        except (pl.exceptions.PolarsError, ReceiptError):
            for number, file in alike.items():
                try:
                    frame = _rows(table, [file])
                    frames.append(frame.with_columns(pl.lit(number, pl.Int64).alias("receipt")))
                except (pl.exceptions.PolarsError, ReceiptError) as error:
                    words = f"has other columns or rows than {table} needs: {error}"
                    bad[number] = f"{file.name} {words}"
    return pl.concat(frames or [_together(table, {})]), bad


def _together(table: str, files: dict[int, Content]) -> pl.DataFrame:
    """Return the rows of files, each with its receipt.

    Raises:
        ReceiptError: a file holds more or fewer rows than it must, or is in several parts.
    """
    frame = _rows(table, list(files.values()))
    due = [file.rows for file in files.values()]
    # Polars leaves the rows of a file, up to 100,000, in a chunk of their own
    if [rows for rows in frame["task"].chunk_lengths() if rows] != [rows for rows in due if rows]:
        raise ReceiptError("some file holds other rows than its receipt says")
    counts = pl.DataFrame(
        {"receipt": list(files), "rows": due}, {"receipt": pl.Int64, "rows": pl.Int64}
    )
    numbers = counts.filter(pl.col("rows") > 0).select(
        pl.col("receipt").repeat_by("rows").explode()
    )
    return frame.with_columns(numbers["receipt"])


def _rows(table: str, files: list[Content]) -> pl.DataFrame:
    schema = COLUMNS[table]
    if not files:
        return pl.DataFrame(schema=schema)
    frame = pl.scan_parquet([file.content for file in files], glob=False).collect()
    for name, value in ADDED.get(table, {}).items():
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(value, dtype=schema[name]).alias(name))
    if dict(frame.schema) != schema:
        raise ReceiptError(str(dict(frame.schema)))
    return frame.select(*schema)
