"""Write the answers of docs/emoji.md, and draw its figures: `python -m docpages.emoji`."""

import duckdb
import polars as pl

from docpages.kept import EMOJI
from docpages.markdown import DOCS, code
from docpages.markdown import table as markdown_table
from queries import answer, figure, named
from queries.figures.printing import png
from queries.numbers import decimals
from queries.terminal import shown

ANSWERS = ("retention_at_budget", "comparison")
FIGURES = ("course", "comparison")
# Characters of a line of the page
WIDTH = 112
FIRST_YEAR = 2016


def page() -> str:
    """Return the answers as the terminal shows them, and what is kept and learned year by year."""
    with EMOJI.catalog() as connection:
        parts = []
        for name in ANSWERS:
            question = named(name)
            rows = answer(connection, question, {"stream": "emoji"})
            text = shown(rows, WIDTH, question).plain
            parts.append(f"```\n{question.question}\n{text.rstrip()}\n```")
        return "\n\n".join([*parts, by_year(course(connection))])


def course(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Return the means over seeds after each task of the study's stream."""
    rows = answer(connection, named("course"), {})
    return rows.filter(pl.col("stream") == "emoji").sort("task")


def by_year(rows: pl.DataFrame) -> str:
    """Return a table of what is learned and kept after each year: a row a year, task 0 first."""
    settings = rows.select("method", "mixture").unique().sort("mixture", "method")
    head = ["after"]
    head += [f"{code(method)}, {code(mixture)}" for method, mixture in settings.iter_rows()]
    lines = []
    for (task,), after in rows.group_by("task", maintain_order=True):
        cells = ["2015" if task == 0 else str(FIRST_YEAR + int(str(task)) - 1)]
        for row in settings.join(after, on=["method", "mixture"]).iter_rows(named=True):
            cells.append(f"{decimals(row['a_ka'])}, {decimals(row['a_zs'])}")
        lines.append(cells)
    return markdown_table(head, lines)


def draw() -> None:
    """Write the figures into docs/images."""
    with EMOJI.catalog() as connection:
        frames = {
            "course": course(connection),
            "comparison": answer(connection, named("comparison"), {"stream": "emoji"}),
        }
    for name in FIGURES:
        (DOCS / f"images/emoji_{name}.png").write_bytes(png(figure(name, frames[name])))


if __name__ == "__main__":
    draw()
