"""Tables beside images: CSV, TSV, JSON lines and Parquet, read as rows of named columns."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streams import DatasetError

SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".parquet")
# The most characters of a cell. Python's default is 131,072, and the limit is global.
LONGEST_FIELD = 1 << 24


@dataclass
class Table:
    """The rows of a file.

    Attributes:
        columns: the names of the columns, in the file's order. rows: the cells of each row by
        column; {} for a broken row. broken: which lines do not have the header's number of fields,
        or are not JSON objects.
    """

    file: Path
    columns: list[str]
    rows: list[dict[str, Any]]
    broken: list[str] = field(default_factory=list)


def read_table(about: str, file: Path, separator: str = "") -> Table:
    """Return the rows of a file, by its ending.

    `separator` is that of a CSV; empty: a tab if the header contains one, else a comma.

    Raises:
        DatasetError: it is empty, or not of the kind that its ending says.
    """
    try:
        if file.suffix == ".parquet":
            table = pq.read_table(file)
            return Table(file, list(table.column_names), table.to_pylist())
        # Bytes that are not UTF-8 are kept, since they may belong to a file's name.
        text = file.read_bytes().decode("utf-8-sig", "surrogateescape")
    except pa.ArrowException as problem:
        raise DatasetError(
            f"{about}: {file} is not a whole Parquet file ({problem}). Fetch it again."
        ) from problem
    if file.suffix == ".jsonl":
        return _json_lines(file, text)
    return _separated(about, file, text, separator)


def require_columns(about: str, table: Table, expected: Sequence[tuple[str, str]]) -> None:
    """Check that a table has the columns that a dataset's params name.

    `expected` maps keys of params to columns.

    Raises:
        DatasetError: one is not; lists those that are.
    """
    for key, column in expected:
        if column and column not in table.columns:
            raise DatasetError(
                f"{about}: {table.file.name} has no column {column!r}, which `{key}` in the row's "
                f"params names. Its columns: {', '.join(table.columns)}."
            )


def texts_of(cell: Any) -> list[str]:
    """Return the captions in a cell, which is a text or a list of texts, without blank ones."""
    texts = []
    for text in cell if isinstance(cell, list | tuple) else [cell]:
        if isinstance(text, str | int | float) and not isinstance(text, bool):
            readable = str(text).encode(errors="surrogateescape").decode(errors="replace")
            if readable.strip():
                texts.append(readable)
    return texts


def _json_lines(file: Path, text: str) -> Table:
    table = Table(file, [], [])
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            table.broken.append(f"{file.name}, line {number}")
            continue
        table.columns += [name for name in record if name not in table.columns]
        table.rows.append(record)
    return table


def _separated(about: str, file: Path, text: str, separator: str) -> Table:
    header = text.partition("\n")[0]
    if not separator:
        separator = "\t" if "\t" in header else ","
    if len(separator) != 1:
        raise DatasetError(f"{about}: separator is {separator!r}; it must be one character")
    lines = _records(about, file, text, separator)
    table = Table(file, next(lines, (0, []))[1], [])
    if not table.columns:
        raise DatasetError(f"{about}: {file} is empty; its first line must name the columns")
    for number, cells in lines:
        if len(cells) == len(table.columns):
            table.rows.append(dict(zip(table.columns, cells, strict=True)))
        elif cells:
            table.broken.append(f"{file.name}, line {number}")
    return table


def _records(about: str, file: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record of a CSV, with the number of its last line.

    Raises:
        DatasetError: a cell that is longer than any caption.
    """
    before = csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as problem:
        raise DatasetError(
            f"{about}: {file}, line {reader.line_num}: {problem}. A quotation mark that is not "
            'closed makes one cell of many lines; write "" for each within a cell'
        ) from problem
    finally:
        csv.field_size_limit(before)


class RowNames(Sequence[str]):
    """The names of rows, `file/row`, each made when it is needed."""

    def __init__(self, stems: list[str], files: np.ndarray, rows: np.ndarray) -> None:
        """Name rows: `stems` are the files' names, `files` and `rows` (N,) the rows' positions."""
        self.stems, self.files, self.rows = stems, files, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: Any) -> Any:
        return f"{self.stems[self.files[item]]}/{self.rows[item]}"
