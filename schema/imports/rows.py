"""Read a file of results that were made elsewhere, row by row (docs/importing.md has its layout).

A row is a result (it names a dataset) or a cost (it names a phase), of the trial whose words it
repeats. Every value is read as text, so that CSV and Parquet are refused in the same words.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schema.words import nearest

# The words of a trial, with who ran it; every row has them
WORDS = ("source", "backbone", "stream", "mixture", "method", "recipe", "budget", "seed")
RESULT = ("dataset", "metric", "label_space", "weights", "step", "value", "examples", "fraction")
COST = ("phase", "flops", "seconds", "steps", "pairs", "peak_bytes", "energy_j")
COLUMNS = (*WORDS, "study", "task", *RESULT, *COST)
# Without these columns a file says nothing
REQUIRED = (*WORDS, "task", "dataset", "metric", "value")
FORMATS = (".csv", ".parquet")
# How many bad rows a message names
SHOWN = 10

# A row of the file as text; an empty text: nothing
Texts = Mapping[str, str]


class ImportRefusedError(ValueError):
    """A file of results cannot be taken in; nothing of it is in the catalog."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of the file, which counts from 1 below the names of the columns."""

    number: int
    texts: Texts


def read(path: Path) -> list[Line]:
    """Return the rows of a CSV or Parquet file.

    Raises:
        ImportRefusedError: no such file, another format, no rows, or columns that there are not.
    """
    try:
        if path.suffix == ".csv":
            columns, rows = _csv(path)
        elif path.suffix == ".parquet":
            columns, rows = _parquet(path)
        else:
            raise ImportRefusedError(
                f"{path}: results are read from {' and '.join(FORMATS)} files, and no others; "
                "nothing is ever unpickled. What FoMo-in-Flux has logged: python -m schema fomo"
            )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ImportRefusedError(f"{path}: cannot be read ({error})") from error
    _check_columns(path, columns)
    if not rows:
        raise ImportRefusedError(f"{path}: has no rows")
    lines = []
    for number, texts in enumerate(rows, 1):
        lines.append(Line(number=number, texts=texts))
    return lines


def _csv(path: Path) -> tuple[Sequence[str], list[Texts]]:
    """Return the columns and rows of a CSV file with a line of names."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, strict=True)
        columns = [name.strip() for name in next(reader, [])]
        rows: list[Texts] = []
        for number, cells in enumerate(reader, 1):
            # An empty line at the end of a file is no row
            if not cells:
                continue
            if len(cells) != len(columns):
                raise ImportRefusedError(
                    f"{path}: row {number} has {len(cells)} cells and there are {len(columns)} "
                    "columns"
                )
            stripped = [cell.strip() for cell in cells]
            rows.append(dict(zip(columns, stripped, strict=True)))
    return columns, rows


def _parquet(path: Path) -> tuple[Sequence[str], list[Texts]]:
    """Return the columns and rows of a Parquet file, each value as text."""
    # Only a file of this format is worth the import
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise ImportRefusedError(f"{path}: cannot be read as Parquet ({error})") from error
    rows: list[Texts] = []
    for row in frame.iter_rows(named=True):
        rows.append({name: _text(value) for name, value in row.items()})
    return frame.columns, rows


def _text(value: Any) -> str:
    """Return a value of Parquet as CSV would have it."""
    return "" if value is None else str(value).strip()


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    """Refuse columns that are missing, unknown or there twice."""
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise ImportRefusedError(
            f"{path}: lacks the columns {', '.join(missing)}. Its columns: {', '.join(columns)}. "
            f"Needed: {', '.join(REQUIRED)}"
        )
    for name in columns:
        if name not in COLUMNS:
            raise ImportRefusedError(
                f"{path}: unknown column {name!r}. Allowed: {', '.join(COLUMNS)}."
                f"{nearest(name, COLUMNS)}"
            )
        if list(columns).count(name) > 1:
            raise ImportRefusedError(f"{path}: the column {name!r} is there twice")


def listed(path: Path, problems: Sequence[tuple[int, str]]) -> Iterator[str]:
    """Yield the lines of a message about bad rows, the first of them by number and reason."""
    yield f"{path}: nothing was taken in, because of {len(problems)} of its rows:"
    for number, reason in problems[:SHOWN]:
        yield f"  row {number}: {reason}"
    if len(problems) > SHOWN:
        yield f"  and {len(problems) - SHOWN} more"
