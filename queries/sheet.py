"""Convert an answer to a sheet: columns of text cells in order of importance, for any table.

The terminal, Markdown, HTML and LaTeX show the same sheet. A value and its interval are one cell;
words that all rows share are shown once, above; texts too long for a cell are shown separately.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl
from rich.cells import cell_len

from queries.columns import NAMES, halves, intervals, keys, ordered
from queries.numbers import NOTHING, writer
from schema.questions import Question

# The most characters of a cell; longer texts are shown separately, but for names.
LONG = 60
# Characters that cannot be printed, but shape those around them: joiners of emoji and of letters
JOINERS = "\u200c\u200d"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a sheet, with a text per row."""

    name: str
    cells: tuple[str, ...]
    # Whether it is one of the columns that identify a row
    key: bool = False
    # Whether its cells are right-aligned
    number: bool = False
    # Whether its cells are words, which may be moved out of their row
    text: bool = False
    # Whether its cells include an interval
    bounded: bool = False

    @cached_property
    def width(self) -> int:
        """Return the width of the longest cell, in cells of a terminal (an emoji has two)."""
        return max(map(cell_len, self.cells), default=0)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """An answer as text: its columns, the most important first."""

    rows: int
    columns: tuple[Column, ...]
    # Words that all rows share, where there are several rows, by column
    shared: Mapping[str, str]
    # Texts too long for a cell, by column; None where a row has none
    long: Mapping[str, tuple[str | None, ...]]


def sheet(frame: pl.DataFrame, question: Question | None = None) -> Sheet:
    """Return an answer as a sheet; `question` says which columns identify a row."""
    frame = flat(frame)
    ends, half = intervals(frame.columns), halves(frame.columns)
    inside = {name for pair in ends.values() for name in pair} | set(half.values())
    names = keys(question, frame.columns)
    shared = _shared(frame)
    long: dict[str, tuple[str | None, ...]] = {}
    columns = []
    # Empty columns come last, so that they are left out first.
    order = ordered(question, frame.columns)
    order.sort(key=lambda name: name not in names and frame[name].null_count() == len(frame))
    for name in order:
        column = frame[name]
        if name in inside or name in shared:
            continue
        # A name identifies its row, so it stays in it at any length; a definition is no name.
        if is_long(column) and (name not in names or column.str.starts_with("{").any()):
            long[name] = tuple(column)
            continue
        cells = [printable(text) for text in map(writer(column), column)]
        if name in ends:
            cells = _bounded(cells, column, frame[ends[name][0]], frame[ends[name][1]])
        elif name in half:
            width = frame[half[name]]
            cells = _bounded(cells, column, column - width, column + width)
        columns.append(
            Column(
                name=name,
                cells=tuple(cells),
                key=name in names,
                number=column.dtype.is_numeric(),
                text=column.dtype == pl.String,
                bounded=name in ends or name in half,
            )
        )
    return Sheet(rows=len(frame), columns=tuple(columns), shared=shared, long=long)


def printable(text: str) -> str:
    r"""Return a text on one line, without what would steer a terminal: `\x1b` for an escape."""
    if text.isprintable():
        return text
    signs = []
    for sign in text:
        is_shown = sign.isprintable() or sign in JOINERS or unicodedata.category(sign) == "Zs"
        signs.append(sign if is_shown else ascii(sign)[1:-1])
    return "".join(signs)


def flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the answer with lists joined by commas, for formats with one value per cell."""
    nested = [name for name, type_ in frame.schema.items() if isinstance(type_, pl.List)]
    return frame.with_columns(
        pl.col(name).cast(pl.List(pl.String)).list.join(", ") for name in nested
    )


def is_long(column: pl.Series) -> bool:
    """Return whether a column has texts that do not fit into a cell.

    Such texts are longer than LONG, or have several lines.
    """
    if column.dtype != pl.String:
        return False
    return bool((column.str.len_chars() > LONG).any() or column.str.contains("\n").any())


def _shared(frame: pl.DataFrame) -> dict[str, str]:
    """Return text columns with the same value in all rows, with that value; none for one row."""
    shared: dict[str, str] = {}
    if len(frame) < 2:
        return shared
    for column in frame.select(pl.selectors.string()):
        is_short = column.name in NAMES or not is_long(column)
        if column.n_unique() == 1 and column[0] and is_short:
            shared[column.name] = printable(str(column[0]))
    return shared


def _bounded(cells: list[str], value: pl.Series, low: pl.Series, high: pl.Series) -> list[str]:
    """Return cells of a value and its interval: ± the half width, or both ends if uneven.

    The values are padded on the left, so that they stay aligned.
    """
    longest = max(map(len, cells), default=0)
    write = writer(value)
    texts = []
    for cell, middle, bottom, top in zip(cells, value, low, high, strict=True):
        text = cell.rjust(longest)
        if cell != NOTHING and bottom is not None and top is not None:
            above, below = top - middle, middle - bottom
            even = abs(above - below) <= 1e-6 * max(abs(above), abs(below), 1e-9)
            text += f" ± {write(above)}" if even else f" ({write(bottom)} to {write(top)})"
        texts.append(text)
    return texts
