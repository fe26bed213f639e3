"""Show an answer in the terminal, or write it to a file."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import polars as pl
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

ROWS_SHOWN = 200
RECORDS_SHOWN = 20
# Characters: an answer with longer text is shown as records instead of a table
LONG = 60
# The largest value, in size, of a column of fractions, which are written with 3 decimals
FRACTION = 10

# Extension -> what writes a file of that kind
WRITERS: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    ".csv": lambda frame, path: flat(frame).write_csv(path),
    ".parquet": lambda frame, path: frame.write_parquet(path),
    ".json": lambda frame, path: frame.write_json(path),
}


def write(frame: pl.DataFrame, path: Path) -> None:
    """Write the whole answer in the format that the extension names, aside and then into place.

    Raises:
        ValueError: another extension, or no such folder.
    """
    check_writable(path)
    # Whoever reads the file meanwhile sees the old one or the whole new one.
    aside = path.with_name(f".{path.name}.part")
    WRITERS[path.suffix](frame, aside)
    aside.replace(path)


def check_writable(path: Path) -> None:
    """Refuse what `write` would refuse, before any work is done."""
    if path.suffix not in WRITERS:
        raise ValueError(f"cannot write {path.name!r}: the name must end in {', '.join(WRITERS)}")
    if not path.parent.is_dir():
        raise ValueError(f"cannot write {path}: there is no folder {path.parent}")


def flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the answer with lists as text with commas, for what holds one value per cell."""
    nested = [name for name, type_ in frame.schema.items() if isinstance(type_, pl.List)]
    return frame.with_columns(
        pl.col(name).cast(pl.List(pl.String)).list.join(", ") for name in nested
    )


def shown(frame: pl.DataFrame) -> RenderableType:
    """Return the answer for a terminal.

    That is a table, or records (one line per column) where text is long; its first rows alone
    where there are many.
    """
    frame = flat(frame)
    body: RenderableType
    if any(map(is_long, frame)):
        head = frame.head(RECORDS_SHOWN)
        body = _records(head)
    else:
        head = frame.head(ROWS_SHOWN)
        body = _table(head, _shared(frame))
    if len(head) == len(frame):
        return body
    return Group(
        body, Text(f"the first {len(head)} rows; all of them with --out FILE.csv", style="dim")
    )


def is_long(column: pl.Series) -> bool:
    """Return whether some value is text that does not fit into a cell.

    Such text is longer than LONG, or of several lines.
    """
    if column.dtype != pl.String:
        return False
    return bool((column.str.len_chars() > LONG).any() or column.str.contains("\n").any())


def _records(frame: pl.DataFrame) -> RenderableType:
    """Return a grid with a line per value of every row; values that are NULL are left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    formats = list(map(_format, frame))
    for row in frame.iter_rows():
        for name, format_, value in zip(frame.columns, formats, row, strict=True):
            if value is not None:
                grid.add_row(Text(name), Text(format_(value)))
        # Parts the rows
        grid.add_row("", "")
    return grid


def _table(frame: pl.DataFrame, shared: dict[str, str]) -> RenderableType:
    """Return a table with a row per row of the answer.

    Numbers stand to the right, a mean and its interval in one cell, and words that all rows share
    once, above.
    """
    hidden = set(shared)
    intervals: dict[str, pl.Series] = {}
    for name in frame.columns:
        low, high = f"{name}_low", f"{name}_high"
        if low in frame.columns and high in frame.columns:
            intervals[name] = frame[high]
            hidden |= {low, high}
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    cells = []
    for column in frame:
        if column.name in hidden:
            continue
        interval = intervals.get(column.name)
        _add_column(table, column, with_interval=interval is not None)
        cells.append(_cells(column, interval))
    for row in zip(*cells, strict=True):
        table.add_row(*row)
    if not shared:
        return table
    above = "   ".join(f"{name} {value}" for name, value in shared.items())
    return Group(Text(above, style="dim"), table)


def _add_column(table: Table, column: pl.Series, *, with_interval: bool) -> None:
    """Add the head of a column; cells with intervals are padded already, so they stand left."""
    number = column.dtype.is_numeric()
    if number and not with_interval:
        table.add_column(column.name, justify="right", no_wrap=True)
    else:
        table.add_column(column.name, justify="left", no_wrap=number)


def _shared(frame: pl.DataFrame) -> dict[str, str]:
    """Return the text columns that have one value in all of several rows, with that value."""
    if len(frame) < 2:
        return {}
    shared = {}
    for column in frame.select(pl.selectors.string()):
        if column.n_unique() == 1 and column[0] is not None:
            shared[column.name] = str(column[0])
    return shared


def _cells(column: pl.Series, high: pl.Series | None) -> list[Text]:
    """Return the values as text, with half the width of their intervals where there are any.

    With intervals the values are padded on the left, so that they stay aligned.
    """
    texts = list(map(_format(column), column))
    if high is not None:
        longest = max(map(len, texts), default=0)
        widths = (high - column).to_list()
        for place, width in enumerate(widths):
            texts[place] = texts[place].rjust(longest)
            if width is not None:
                texts[place] += f" ± {width:.3f}"
    return list(map(Text, texts))


def _format(column: pl.Series) -> Callable[[object], str]:
    """Return what writes the values of a column; NULL is written as a dash.

    Fractions have 3 decimals, and large numbers 4 digits.
    """
    if column.dtype == pl.Boolean:
        return _or_dash(lambda value: "yes" if value else "no")
    if not column.dtype.is_float():
        return _or_dash(_plain)
    largest = column.abs().max()
    if largest is None or float(str(largest)) <= FRACTION:
        return _or_dash(lambda value: f"{value:.3f}")
    return _or_dash(lambda value: f"{value:,.4g}")


def _or_dash(write_value: Callable[[object], str]) -> Callable[[object], str]:
    """Return what writes a value as `write_value` does, and NULL as a dash."""

    def written(value: object) -> str:
        return "-" if value is None else write_value(value)

    return written


def _plain(value: object) -> str:
    """Return a value as text; times to the second."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value)
