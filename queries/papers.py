"""Write an answer as a table for a paper or a page: LaTeX (booktabs), Markdown, HTML.

All three say how many rows there are, what an interval is, and what bold means: rows that are
indistinguishable from the best, where the answer judges that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape

import polars as pl

from queries import escapes
from queries.columns import heading
from queries.sheet import LONG, Column, Sheet, sheet
from schema.questions import Question

# A column that judges rows, the values that make a row bold, and the meaning of bold
BOLD: dict[str, tuple[tuple[object, ...], str]] = {
    "verdict": (
        ("best", "tie", "ahead"),
        "the best, and all that cannot be told from it (paired by seed, 5 % over all of a family)",
    ),
    "with_best": ((True,), "the first, and all that are closer to it than the critical difference"),
    "best_trade": ((True,), "nobody gains as much and loses as little"),
    "pareto": ((True,), "nobody is as good in everything and better in something"),
    "sure": ((True,), "within the bounds with the whole interval"),
}
# The kinds of intervals of questions; those of all others are t-intervals
INTERVALS = {
    "bootstrap": "the 95 % percentile interval of means of resampled seeds",
    "improvement": "the 95 % interval over the seeds of both methods",
    "decide": "the interval of the look at which the answer is",
}
USUAL = "the 95 % t-interval over seeds"
# The share of a line that columns of names too long for a cell may take, together and each
WIDEST, WIDE = 0.6, 0.45


@dataclass(frozen=True, kw_only=True)
class Paper:
    """The contents of a table for print."""

    caption: str
    columns: tuple[Column, ...]
    rows: int
    # Whether each row is bold
    bold: tuple[bool, ...]
    notes: tuple[str, ...]
    # Columns that are left out
    omitted: tuple[str, ...]


def markdown(frame: pl.DataFrame, question: Question | None = None) -> str:
    """Return an answer as a Markdown table, with its notes below it."""
    paper = _paper(frame, question, whole=True)
    lines = [f"**{paper.caption}**", ""]
    lines.append("| " + " | ".join(column.name for column in paper.columns) + " |")
    marks = ["--:" if column.number else ":--" for column in paper.columns]
    writers = [escapes.markdown_cell] * len(paper.columns)
    lines.append("|" + "|".join(marks) + "|")
    for row in range(paper.rows):
        cells = _cells(paper, row, writers, "**{}**".format)
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", *(f"{escapes.markdown_cell(note)}  " for note in paper.notes)]
    return "\n".join(lines).rstrip() + "\n"


def html(frame: pl.DataFrame, question: Question | None = None) -> str:
    """Return an answer as a whole HTML page that fetches nothing."""
    paper = _paper(frame, question, whole=True)
    return HTML.format(title=escape(paper.caption), table=_html_table(paper))


def html_table(frame: pl.DataFrame, question: Question | None = None) -> str:
    """Return an answer as an HTML table with its notes, to be put into another page."""
    return _html_table(_paper(frame, question, whole=True))


def _html_table(paper: Paper) -> str:
    head = "".join(f'<th scope="col">{escape(heading(one.name))}</th>' for one in paper.columns)
    writers = [_html_cell] * len(paper.columns)
    kinds = [_html_class(column) for column in paper.columns]
    body = []
    for row in range(paper.rows):
        cells = _cells(paper, row, writers, "<b>{}</b>".format)
        marked = [f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, cells, strict=True)]
        body.append(f"<tr>{''.join(marked)}</tr>")
    notes = "".join(f"<p>{escape(note)}</p>" for note in paper.notes)
    return TABLE.format(title=escape(paper.caption), head=head, body="\n".join(body), notes=notes)


HTML = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem; color: #1a1a1a; background: #fff; }}
table {{ border-collapse: collapse; }} caption {{ text-align: left; padding: 0 0 .6rem; }}
th, td {{ padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top; }}
td {{ white-space: pre-wrap; }}
.number {{ text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }}
.long {{ overflow-wrap: anywhere; min-width: 16ch; }}
thead {{ border-block: 1px solid #444; }} tbody {{ border-bottom: 1px solid #444; }}
</style></head>
<body>{table}</body></html>
"""
TABLE = """<table>
<caption>{title}</caption>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody></table>
{notes}
"""


def _html_class(column: Column) -> str:
    """Return the attribute of a column's cells: numbers do not wrap, long names wrap anywhere."""
    if column.number:
        return ' class="number"'
    return ' class="long"' if column.width > LONG else ""


def _html_cell(text: str) -> str:
    return escape(text)


def latex(frame: pl.DataFrame, question: Question | None = None) -> str:
    """Return an answer as a LaTeX table for the packages booktabs and, with long names, array.

    If the answer has means with intervals, the columns are these, the names and the number of
    seeds; a comment in the file names the columns that were left out. A name too long for a cell is
    broken into lines.
    """
    paper = _paper(frame, question, whole=False)
    wide = [column.text and column.width > LONG for column in paper.columns]
    packages = "array,booktabs" if any(wide) else "booktabs"
    lines = [f"% \\usepackage{{{packages}}}"]
    if paper.omitted:
        lines.append(f"% Not in this table: {', '.join(paper.omitted)}")
    lines += ["\\begin{table}", "  \\centering", f"  \\caption{{{escapes.prose(paper.caption)}}}"]
    lines += [f"  \\begin{{tabular}}{{{_alignment(paper.columns, wide)}}}", "    \\toprule"]
    heads = map(_latex_head, paper.columns)
    lines += [f"    {' & '.join(heads)} \\\\", "    \\midrule"]
    writers = [partial(escapes.cell, wide=is_wide) for is_wide in wide]
    for row in range(paper.rows):
        cells = _cells(paper, row, writers, _latex_bold)
        lines.append(f"    {' & '.join(cells)} \\\\")
    lines += ["    \\bottomrule", "  \\end{tabular}"]
    lines += ["  \\par\\smallskip\\footnotesize"]
    lines += [f"  {escapes.prose(note)}" for note in paper.notes]
    lines += ["\\end{table}"]
    text = "\n".join(lines) + "\n"
    signs = escapes.beyond_latin(text)
    if signs:
        text = f"% For LuaLaTeX or XeLaTeX, with a font that has {signs}\n{text}"
    return text


def _alignment(columns: Sequence[Column], wide: Sequence[bool]) -> str:
    """Return the specification of columns: those of long names are paragraphs of a set width."""
    share = min(WIDE, WIDEST / max(sum(wide), 1))
    kinds = []
    for column, is_wide in zip(columns, wide, strict=True):
        if is_wide:
            kinds.append(f">{{\\raggedright\\arraybackslash}}p{{{share:.2f}\\linewidth}}")
        else:
            kinds.append("r" if column.number else "l")
    return "".join(kinds)


def _latex_head(column: Column) -> str:
    return "$n$" if column.name == "seeds" else escapes.cell(heading(column.name))


def _latex_bold(text: str) -> str:
    return f"\\textbf{{{text}}}"


def _cells(
    paper: Paper,
    row: int,
    writers: Sequence[Callable[[str], str]],
    embolden: Callable[[str], str],
) -> list[str]:
    """Return the cells of a row, each by the writer of its column.

    In a bold row the first name and the first value are bold.
    """
    first = {_first(paper.columns, key=True), _first(paper.columns, key=False)}
    cells = []
    for place, (column, write) in enumerate(zip(paper.columns, writers, strict=True)):
        text = write(column.cells[row].strip())
        cells.append(embolden(text) if paper.bold[row] and place in first else text)
    return cells


def _first(columns: Sequence[Column], *, key: bool) -> int:
    """Return the index of the first name (`key`) or of the first value; -1 where there is none."""
    for place, column in enumerate(columns):
        if (key and column.key) or (not key and column.bounded):
            return place
    return -1


def _paper(frame: pl.DataFrame, question: Question | None, *, whole: bool) -> Paper:
    """Return the contents of the table of an answer; `whole` keeps columns of every kind."""
    page = sheet(frame, question)
    columns = list(page.columns)
    omitted: list[str] = []
    if whole:
        columns += [_long_column(name, cells) for name, cells in page.long.items()]
    else:
        columns = _printed(page)
        names = {column.name for column in columns}
        omitted = [column.name for column in page.columns if column.name not in names]
        omitted += list(page.long)
    caption = "An answer" if question is None else question.question
    return Paper(
        caption=caption,
        columns=tuple(columns),
        rows=len(frame),
        bold=_bold(frame),
        notes=tuple(_notes(frame, page, question)),
        omitted=tuple(omitted),
    )


def _long_column(name: str, cells: Sequence[str | None]) -> Column:
    return Column(name=name, cells=tuple(cell or "-" for cell in cells))


def _printed(page: Sheet) -> list[Column]:
    """Return the columns of a printed table: names, means with intervals, and seeds."""
    bounded = [column for column in page.columns if column.bounded]
    if not bounded:
        return list(page.columns)
    columns = []
    for column in page.columns:
        if column.key or column.bounded or column.name in ("seeds", "pairs", "rank", "verdict"):
            columns.append(column)
    return columns


def _judge(frame: pl.DataFrame) -> str | None:
    """Return the column that decides which rows are bold; None where rows are not judged."""
    for name in BOLD:
        if name in frame.columns:
            return name
    return None


def _bold(frame: pl.DataFrame) -> tuple[bool, ...]:
    judge = _judge(frame)
    if judge is None:
        return (False,) * len(frame)
    values, _ = BOLD[judge]
    return tuple(value in values for value in frame[judge])


def _uneven(frame: pl.DataFrame, page: Sheet) -> list[str]:
    """Return notes on intervals that differ in kind from those of most columns."""
    notes = []
    if any(column.bounded and column.name == "behind" for column in page.columns):
        notes.append(
            "behind: how much the best is ahead over the seeds that both have, with an interval "
            "that holds for all comparisons of a family together, so it is wider."
        )
    if "optimism" in frame.columns:
        notes.append(
            "The interval of the best reaches down by its optimism: it was picked from these seeds."
        )
    return notes


def _notes(frame: pl.DataFrame, page: Sheet, question: Question | None) -> list[str]:
    """Return the notes below a table: shared words, intervals, the meaning of bold."""
    notes = []
    if page.shared:
        words = ", ".join(f"{name} {value}" for name, value in page.shared.items())
        notes.append(f"All rows: {words}.")
    if any(column.bounded for column in page.columns):
        kind = USUAL if question is None else INTERVALS.get(question.name, USUAL)
        notes.append(
            f"a ± b: a mean and half the width of {kind}; a (b to c) where it is uneven; "
            "a value alone has too few seeds for an interval."
        )
        notes += _uneven(frame, page)
    if "seeds" in frame.columns:
        notes.append("n (seeds): how many seeds a mean is over.")
    judge = _judge(frame)
    if judge is None:
        notes.append("Nothing is bold: this answer does not judge which rows can be told apart.")
    else:
        notes.append(f"Bold: {BOLD[judge][1]}.")
        if judge == "verdict" and "too few seeds" in frame[judge].to_list():
            notes.append("Rows with too few seeds to tell are not bold.")
    return notes
