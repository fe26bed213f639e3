"""An answer on its way out: a table in the terminal, or a file."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import polars as pl
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

ROWS_SHOWN = 200
RECORDS_SHOWN = 20
LONG = 60  # characters: a table with longer text is shown as records instead

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
    """Lists as text with commas, for formats that hold one value per cell."""
    nested = [name for name, type_ in frame.schema.items() if isinstance(type_, pl.List)]
    return frame.with_columns(
        pl.col(name).cast(pl.List(pl.String)).list.join(", ") for name in nested
    )


def shown(frame: pl.DataFrame) -> RenderableType:
    """The answer for a terminal: a table, or records (one line per column) where text is long."""
    frame = flat(frame)
    long = any(is_long(column) for column in frame)
    head = frame.head(RECORDS_SHOWN if long else ROWS_SHOWN)
    body = _records(head) if long else _table(head, _shared(frame))
    if len(head) == len(frame):
        return body
    return Group(
        body, Text(f"the first {len(head)} rows; all of them with --out FILE.csv", style="dim")
    )


def is_long(column: pl.Series) -> bool:
    """Whether some value is text that does not fit into a cell: long, or of several lines."""
    if column.dtype != pl.String:
        return False
    return bool((column.str.len_chars() > LONG).any() or column.str.contains("\n").any())


def _records(frame: pl.DataFrame) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    formats = [_format(column) for column in frame]
    for row in frame.iter_rows():
        for name, format_, value in zip(frame.columns, formats, row, strict=True):
            if value is not None:
                grid.add_row(Text(name), Text(format_(value)))
        grid.add_row("", "")
    return grid


def _table(frame: pl.DataFrame, shared: dict[str, str]) -> RenderableType:
    """Numbers to the right; a mean and its interval in one cell; words that all rows share once, above."""
    folded = [
        name for name in frame.columns if {f"{name}_low", f"{name}_high"} <= set(frame.columns)
    ]
    hidden = {*shared, *(f"{name}_{end}" for name in folded for end in ("low", "high"))}
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    cells = []
    for column in frame:
        if column.name in hidden:
            continue
        high = frame[f"{column.name}_high"] if column.name in folded else None
        number = column.dtype.is_numeric()
        table.add_column(
            column.name, justify="right" if number and high is None else "left", no_wrap=number
        )
        cells.append(_cells(column, high))
    for row in zip(*cells, strict=True):
        table.add_row(*row)
    above = Text("   ".join(f"{name} {value}" for name, value in shared.items()), style="dim")
    return Group(above, table) if shared else table


def _shared(frame: pl.DataFrame) -> dict[str, str]:
    """Text columns with one value in all of several rows."""
    if len(frame) < 2:
        return {}
    texts = frame.select(pl.selectors.string())
    return {c.name: str(c[0]) for c in texts if c.n_unique() == 1 and c[0] is not None}


def _cells(column: pl.Series, high: pl.Series | None) -> list[Text]:
    """The written values, with the half width of their interval where there is one; means stay aligned."""
    said = [_format(column)(value) for value in column]
    if high is None:
        return [Text(text) for text in said]
    longest = max(map(len, said), default=0)
    widths = (high - column).to_list()
    return [
        Text(text.rjust(longest) if width is None else f"{text.rjust(longest)} ± {width:.3f}")
        for text, width in zip(said, widths, strict=True)
    ]


def _format(column: pl.Series) -> Callable[[object], str]:
    """How the values of a column are written: fractions with 3 decimals, large numbers with 4 digits."""
    if column.dtype == pl.Boolean:
        words = {True: "yes", False: "no"}
        return lambda value: "-" if value is None else words[bool(value)]
    if column.dtype.is_float():
        largest = column.abs().max()
        small = largest is None or float(str(largest)) <= 10
        return lambda value: "-" if value is None else f"{value:.3f}" if small else f"{value:,.4g}"
    return _plain


def _plain(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)
