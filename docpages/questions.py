"""Write docs/questions.md and docs/questions/: every question, defined, and answered on the demo.

docs/questions.md lists all of them by topic, and each topic has a page of its own. They are
answered on the stored results of the demo (`docpages.kept`), so the answers are real.
"""

import re
from collections.abc import Mapping

import duckdb
import polars as pl

from docpages.kept import DEMO
from docpages.markdown import WRITTEN, cell, code, plain, table
from queries import answer
from queries.terminal import shown
from schema.questions import Question, by_topic

# How many rows of an answer are shown, and how many characters of each.
ROWS = 8
WIDTH = 120
UNORDERED = "SELECT * FROM {name} ORDER BY ALL LIMIT {rows}"
HEAD = """A question is a file of `queries/`. It is a view or a table macro of the same name in the
catalog, an entry of `python -m queries`, and a page of the app. So the same answer can be had in
SQL, in the terminal and in the browser:

```
python -m queries retention_at_budget budget=steps_250
```

Below are all questions by topic. The page of a topic defines each of them and shows what it answers
on the catalog that [the demo](demo.md) leaves."""
ABOUT = {  # The first paragraph of each topic's page
    "choices": "These questions help to choose what to train next: which method, mixture, recipe "
    "or budget is best, how sure that is, and what to run to be surer.",
    "scores": "These questions say what trials reached: how much was learned and kept after each "
    "task, on each dataset and over seeds.",
    "items": "These questions say which test items were right, for suites that keep them: what was "
    "forgotten and gained, of which classes, by which methods alike. See [items](../items.md).",
    "costs": "These questions say what trials cost and what new ones will cost: FLOPs, hours, "
    "memory and what training in common saved.",
    "work": "These questions say how the work stands: what runs, what waits and why, what failed, "
    "and what sync does next.",
    "parts": "The answers of other pages are made of these. They are useful for SQL of your own: "
    "one row per trial and task with all measures, for example.",
    "audits": "An audit is a question that must have no rows. Audits run at the end of each pass "
    "of sync, and what they find stands in `health`.",
}
NOTE = f"""The grain says what one row of an answer is. The examples are what
`python -m queries NAME` prints on the catalog of [the demo](../demo.md), in a terminal of {WIDTH}
columns, the first {ROWS} rows of it. An interval (±) is the half width of a 95 % t-interval over
seeds, both ends stand where it is uneven, and `-` means: not measured.
The words are in the [glossary](../glossary.md)."""


def overview() -> str:
    """Return docs/questions.md: the list of all questions, by topic."""
    sections = ["# Questions", WRITTEN, HEAD]
    for title, questions in by_topic().items():
        topic = questions[0].topic
        rows = [(_link(f"questions/{topic}.md", one), cell(one.question)) for one in questions]
        # Topics' own pages lie a folder deeper
        about = ABOUT.get(topic, "").replace("](../", "](")
        sections += [f"## {title}", about, table(("question", "in words"), rows)]
    return "\n\n".join(filter(None, sections)) + "\n"


def _link(page: str, question: Question) -> str:
    return f"[{code(question.name)}]({page}#{question.name})"


def topics() -> Mapping[str, str]:
    """Return the page of each topic, by the topic's folder in queries/."""
    pages = {}
    with DEMO.catalog() as connection:
        for title, questions in by_topic().items():
            topic = questions[0].topic
            sections = [f"# {title}", WRITTEN, ABOUT.get(topic, ""), NOTE]
            sections += [section(connection, question) for question in questions]
            pages[topic] = "\n\n".join(filter(None, sections)) + "\n"
    return pages


def first_topic() -> str:
    """Return a table of the questions of the first topic, and the number of the others."""
    (_, first), *others = by_topic().items()
    rows = [(_link(f"docs/questions/{one.topic}.md", one), cell(one.question)) for one in first]
    counts = []
    for title, questions in others:
        counts.append(f"{title[0].lower()}{title[1:]} ({len(questions)})")
    number = sum(len(questions) for _, questions in others)
    more = f"And {number} more: {'; '.join(counts)}."
    return f"{table(('question', 'in words'), rows)}\n\n{more}"


def section(connection: duckdb.DuckDBPyConnection, question: Question) -> str:
    """Return the section of a question: text, definition, parameters, and answer on the demo."""
    parts = [f"## {code(question.name)}", f"**{plain(question.question)}**"]
    parts.append(f"Grain: {plain(question.grain)}.")
    if question.about:
        parts.append(plain(question.about))
    if question.parameters:
        rows = []
        for name, parameter in question.parameters.items():
            default = "all or none"
            if parameter.default is not None:
                default = code(str(parameter.default))
            rows.append((code(name), parameter.type, default))
        parts.append(table(("parameter", "type", "default"), rows))
    parts.append(example(connection, question))
    return "\n\n".join(parts)


def example(connection: duckdb.DuckDBPyConnection, question: Question) -> str:
    """Return a question's answer on the demo, as the terminal shows it."""
    frame = first(connection, question)
    if frame.is_empty():
        return "On the demo: no rows."
    text = shown(frame.head(ROWS), WIDTH, question).plain
    if len(frame) > ROWS:
        text += "\n..."
    return f"```text\n{text}\n```"


def first(connection: duckdb.DuckDBPyConnection, question: Question) -> pl.DataFrame:
    """Return the first rows of a question's answer and one more, in a reproducible order."""
    if question.kind == "macro" or re.search(r"ORDER BY [^()]*;\s*$", question.sql):
        return answer(connection, question, {}, rows=ROWS + 1)
    # A view without an ORDER BY is sorted by all of its columns.
    frame: pl.DataFrame = connection.sql(UNORDERED.format(name=question.name, rows=ROWS + 1)).pl()
    return frame
