"""Lay out an answer for a terminal of any width.

No line is wider than the terminal, and no name is cut. Widths are in cells, of which an emoji takes
two. To make a table fit, these steps are taken in order: names of columns are split at their
underscores; texts move to separate lines below the row; words that change slowly move into a
heading above the rows that share them; and the least important columns are left out and named in a
line below the table.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl
from rich.cells import cell_len, chop_cells
from rich.text import Text

from queries.columns import NAMES
from queries.sheet import Column, Sheet, printable, sheet
from schema.questions import Question

ROWS_SHOWN = 200
# The most rows shown of an answer with long texts
RECORDS_SHOWN = 20
# The smallest width that answers are laid out for, in characters
NARROWEST = 40
# Spaces between two columns, and the indent of lines below a row
GAP = 2
INDENT = 4
# The part of a line reserved for values, beside the names of the row; and beside its method alone
ROOM, LEAST_ROOM = 0.45, 0.25
# A text column wider than this may move below its row.
WIDE_TEXT = 16
# The most lines shown of a long text that is not SQL, for few rows and for more
LINES, FEW_LINES = 12, 3
FEW_ROWS = 5
# The width for a file or a pipe, where lines are not wrapped
WHOLE = 10_000


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The placement of the columns of a sheet."""

    table: tuple[Column, ...]
    # Columns shown above the rows that share their values
    above: tuple[Column, ...] = ()
    # Columns shown on separate lines
    below: tuple[Column, ...] = ()
    omitted: tuple[Column, ...] = ()


def shown(frame: pl.DataFrame, width: int = WHOLE, question: Question | None = None) -> Text:
    """Return the answer for a terminal; only its first rows where there are many."""
    page = sheet(frame, question)
    most = RECORDS_SHOWN if page.long else ROWS_SHOWN
    if len(frame) > most:
        page = sheet(frame.head(most), question)
    text = Text()
    for line in _lines(page, width):
        text.append_text(line).append("\n")
    if len(frame) > most:
        more = f"the first {most} rows; all of them with --out FILE.csv or --json"
        text.append("\n".join(textwrap.wrap(more, width)), "dim").append("\n")
    text.rstrip()
    return text


def _lines(page: Sheet, width: int) -> Iterator[Text]:
    """Yield the lines of a sheet."""
    if page.shared:
        words = [f"{name} {value}" for name, value in page.shared.items()]
        for line in _wrapped("   ".join(words), width):
            yield Text(line, "dim")
    layout = _layout(page, width)
    widths, heads = _heads(layout.table, width)
    for head in heads:
        yield Text(head, "bold")
    group: tuple[str, ...] | None = None
    for row in range(page.rows):
        heading = tuple(column.cells[row] for column in layout.above)
        if heading and heading != group:
            group = heading
            words = [f"{column.name} {column.cells[row]}" for column in layout.above]
            for line in _wrapped(" · ".join(words), width):
                yield Text(line, "italic")
        if layout.table:
            yield Text(_row(layout.table, widths, row))
        yield from _apart(page, layout, row, width)
    if layout.omitted:
        names = ", ".join(column.name for column in layout.omitted)
        note = f"not shown at this width: {names}; --json and --out FILE have them"
        for line in _wrapped(note, width):
            yield Text(line, "dim")


def _layout(page: Sheet, width: int) -> Layout:
    """Return the placement of a sheet's columns for a terminal of this width."""
    layout = Layout(table=page.columns)
    if _width(layout.table, wide=True) <= width or _width(layout.table) <= width:
        return layout
    layout = _headed(layout, width)
    layout = _moved(layout, width)
    table, omitted = list(layout.table), list[Column]()
    while len(table) > 1 and _width(table) > width:
        place = max(place for place, column in enumerate(table) if _may_go(column, table))
        omitted.insert(0, table.pop(place))
    if table and _width(table) > width:
        # The names alone are wider than the terminal, so they are written on separate lines.
        return replace(layout, table=(), above=(*layout.above, *table), omitted=tuple(omitted))
    return replace(layout, table=tuple(table), omitted=tuple(omitted))


def _may_go(column: Column, table: Sequence[Column]) -> bool:
    """Return whether a column may be left out; names are left out last."""
    return not column.key or all(other.key for other in table)


def _headed(layout: Layout, width: int) -> Layout:
    """Move slowly changing names above the rows, until there is room for values.

    The method moves last, and only if it leaves none.
    """
    table, above = list(layout.table), list[Column]()
    order = [*reversed(NAMES[1:])]
    others = [column.name for column in table if column.key and column.name not in NAMES]
    # Backbone, stream and budget move first.
    for name in [*order[:3], *reversed(others), *order[3:]]:
        names = [column for column in table if column.key]
        if _width(names) <= width * (1 - ROOM):
            break
        for column in table:
            if column.name == name and len(names) > 1:
                table.remove(column)
                above.insert(0, column)
                break
    names = [column for column in table if column.key]
    if len(names) < len(table) and _width(names) > width * (1 - LEAST_ROOM):
        table = [column for column in table if not column.key]
        above = [*names, *above]
    return replace(layout, table=tuple(table), above=tuple(above))


def _moved(layout: Layout, width: int) -> Layout:
    """Move texts to lines below their rows, the widest first, until the table fits."""
    table, below = list(layout.table), list[Column]()
    while _width(table) > width:
        texts = []
        for column in table:
            if column.text and not column.key and column.width > WIDE_TEXT:
                texts.append(column)
        if not texts:
            break
        widest = max(texts, key=lambda column: column.width)
        table.remove(widest)
        below.append(widest)
    return replace(layout, table=tuple(table), below=tuple(below))


def _width(columns: Sequence[Column], wide: bool = False) -> int:
    """Return the width of a line of these columns, with their names whole or split."""
    total = GAP * max(len(columns) - 1, 0)
    for column in columns:
        total += _column_width(column, wide)
    return total


def _column_width(column: Column, wide: bool) -> int:
    head = len(column.name) if wide else max(map(len, _pieces(column.name)))
    return max(column.width, head)


def _pieces(name: str) -> list[str]:
    """Return the parts of a name, each with the underscore that follows it."""
    parts = name.split("_")
    return [f"{part}_" for part in parts[:-1]] + parts[-1:]


def _heads(table: Sequence[Column], width: int) -> tuple[list[int], list[str]]:
    """Return the width of each column, and the lines of the names of all of them."""
    wide = _width(table, wide=True) <= width
    widths = [_column_width(column, wide) for column in table]
    stacks = []
    for column, room in zip(table, widths, strict=True):
        lines = [""]
        for piece in _pieces(column.name):
            if len(lines[-1]) + len(piece) <= room:
                lines[-1] += piece
            else:
                lines.append(piece)
        stacks.append(lines)
    deepest = max(map(len, stacks), default=0)
    heads = []
    for line in range(deepest):
        cells = []
        for column, room, stack in zip(table, widths, stacks, strict=True):
            # Names are bottom-aligned, next to their cells.
            place = line - (deepest - len(stack))
            cells.append(_aligned(stack[place] if place >= 0 else "", column, room))
        heads.append((" " * GAP).join(cells).rstrip())
    return widths, heads


def _aligned(text: str, column: Column, room: int) -> str:
    padding = " " * (room - cell_len(text))
    # Cells with intervals are padded already, so that their values are aligned.
    if column.number and not column.bounded:
        return padding + text
    return text + padding


def _row(table: Sequence[Column], widths: Sequence[int], row: int) -> str:
    cells = []
    for column, room in zip(table, widths, strict=True):
        cells.append(_aligned(column.cells[row], column, room))
    return (" " * GAP).join(cells).rstrip()


def _apart(page: Sheet, layout: Layout, row: int, width: int) -> Iterator[Text]:
    """Yield the lines below a row: the texts too long for a cell."""
    texts = [(column.name, column.cells[row]) for column in layout.below]
    texts += [(name, cells[row] or "") for name, cells in page.long.items()]
    most = LINES if page.rows <= FEW_ROWS else FEW_LINES
    for name, text in texts:
        if not text or text == "-":
            continue
        lines = _text_lines(name, text, width - INDENT, most)
        line = Text(" " * INDENT)
        line.append(f"{name}: ", "bold")
        # A short text is written beside its name, a longer one below it.
        if len(lines) == 1 and INDENT + len(name) + 2 + cell_len(lines[0]) <= width:
            yield line.append(lines[0])
            continue
        yield Text(f"{' ' * INDENT}{name}:", "bold")
        for each in lines:
            yield Text(f"{' ' * INDENT}{each}")


def _text_lines(name: str, text: str, width: int, most: int) -> list[str]:
    """Return the lines of a long text: all of SQL and of a name, the last of a log.

    Of other texts they are the first.
    """
    lines = []
    for line in text.expandtabs(4).splitlines():
        lines += _wrapped(printable(line), width) or [""]
    is_name = len(text.split()) == 1
    if text.rstrip().endswith(";") or is_name or len(lines) <= most:
        return lines
    cut = len(lines) - most
    if name == "log_tail":
        return [f"... {cut} lines before, with --json or --out FILE", *lines[-most:]]
    return [*lines[:most], f"... {cut} more lines, with --json or --out FILE"]


def _wrapped(text: str, width: int) -> list[str]:
    """Return a text as lines of at most so many cells; a longer word is broken."""
    if text.isascii():
        return textwrap.wrap(
            text, width, break_on_hyphens=False, drop_whitespace=True, replace_whitespace=False
        )
    lines = [""]
    for word in re.findall(r"\s*\S+", text):
        if cell_len(lines[-1] + word) <= width:
            lines[-1] += word
            continue
        lines += chop_cells(word.lstrip(), width)
    return list(filter(None, lines))
