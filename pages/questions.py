"""docs/questions.md: every question with its definition, its parameters and its answer on the catalog of the demo."""

import io
import re

import duckdb
import polars as pl
from rich.console import Console

from pages.kept import DEMO
from queries import answer
from queries.answers import shown
from schema.questions import Question, by_topic

ROWS = 8  # of an answer
CUT = 200  # characters of a text
WIDTH = 180
UNORDERED = "SELECT * FROM {name} ORDER BY ALL LIMIT {rows}"


def page() -> str:
    """The whole page."""
    with DEMO.catalog() as connection:
        sections = [
            text
            for topic, asked in by_topic().items()
            for text in (f"## {topic}", *(section(connection, question) for question in asked))
        ]
    return "\n\n".join([HEAD, *sections]) + "\n"


HEAD = f"""# Questions

*Written by `python -m pages.generate`; do not edit.*

Each is a file of `queries/`, a view or table macro of the same name in the catalog, an entry of `python -m queries` and a page of
the app. The example answers are what `python -m queries NAME` prints on the catalog that [the demo](demo.md) leaves
(`pages/kept/demo/`), the first {ROWS} rows of them. An interval (±) is the half width of a 95 % t-interval over
seeds; `-` is not measured."""


def section(connection: duckdb.DuckDBPyConnection, question: Question) -> str:
    """One question."""
    lines = [
        f"### `{question.name}`",
        "",
        f"**{question.question}**",
        "",
        f"Grain: {question.grain}.",
    ]
    lines += ["", plain(question.about)] if question.about else []
    if question.parameters:
        lines += ["", "| parameter | type | default |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {parameter.type} | {'all or none' if parameter.default is None else f'`{parameter.default}`'} |"
            for name, parameter in question.parameters.items()
        ]
    return "\n".join([*lines, "", example(connection, question)])


def example(connection: duckdb.DuckDBPyConnection, question: Question) -> str:
    """Its answer, as the terminal shows it."""
    frame = first(connection, question)
    if frame.is_empty():
        return "On the demo: no rows."
    cut = frame.with_columns(
        pl.when(pl.col(name).str.len_chars() > CUT)
        .then(pl.col(name).str.slice(0, CUT) + " ...")
        .otherwise(pl.col(name))
        .alias(name)
        for name, type_ in frame.schema.items()
        if type_ == pl.String
    )
    screen = io.StringIO()
    Console(
        file=screen, width=WIDTH if any_long(cut) else 10_000, highlight=False, color_system=None
    ).print(shown(cut.head(ROWS)))
    said = "\n".join(line.rstrip() for line in screen.getvalue().splitlines()).strip("\n")
    more = "\n..." if len(frame) > ROWS else ""
    return f"```text\n{said}{more}\n```"


def any_long(frame: pl.DataFrame) -> bool:
    """Whether a text is too long for a line."""
    return any(
        bool((frame[name].str.len_chars() > WIDTH).any())
        for name, type_ in frame.schema.items()
        if type_ == pl.String
    )


def first(connection: duckdb.DuckDBPyConnection, question: Question) -> pl.DataFrame:
    """The first rows of its answer and one more; in the order of all columns where the question names none."""
    if question.kind == "macro" or re.search(r"ORDER BY [^()]*;\s*$", question.sql):
        return answer(connection, question, {}, rows=ROWS + 1)
    frame: pl.DataFrame = connection.sql(UNORDERED.format(name=question.name, rows=ROWS + 1)).pl()
    return frame


def plain(text: str) -> str:
    """`trial:<id>` would be taken for HTML and vanish."""
    return re.sub("<(?=[a-z])", "&lt;", text)
