"""Describe a question: its parameters with their allowed values, and its columns."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb

from queries.columns import UNITS, halves, intervals, keys
from schema.questions import Question

# The meanings of columns that many answers have
USUAL = {
    "seeds": "how many seeds the mean is over",
    "few_seeds": "whether these are fewer than 3",
    "seeds_wanted": "how many seeds are declared",
    "missing": "seeds that are wanted and not measured",
    "a_ka": "knowledge accumulation: mean over the adaptation sets",
    "a_zs": "zero-shot retention: mean over the retention sets",
    "gm": "geometric mean of a_ka and a_zs",
    "d_ka": "a_ka minus that of the untouched backbone",
    "d_zs": "a_zs minus that of the untouched backbone",
    "zs_ratio": "a_zs over that of the untouched backbone",
    "mean": "mean over seeds of the measure that is asked for",
    "gflops": "what a trial spent outside evaluation, in GFLOPs",
    "trial": "the number of a trial",
    "task": "the task after which it was measured; 0 is the untouched backbone",
    "pairs": "seeds that both of what is compared have",
}
# Lists the comments on columns of tables, the axes first
COMMENTS = """
SELECT column_name, comment FROM duckdb_columns()
WHERE comment IS NOT NULL AND comment <> '' AND NOT internal
ORDER BY table_name = 'trial' DESC, table_name
"""


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """A column of an answer, with its meaning."""

    name: str
    type: str
    about: str


def described(
    connection: duckdb.DuckDBPyConnection, question: Question, choices: Sequence[tuple[str, str]]
) -> Iterator[str]:
    """Yield paragraphs about a question; `choices` are the allowed values of each parameter."""
    yield f"{question.name}: {question.question}"
    yield f"{question.grain[0].upper()}{question.grain[1:]}."
    if question.about:
        yield question.about
    for name, allowed in choices:
        parameter = question.parameters[name]
        default = "all, or none" if parameter.default is None else str(parameter.default)
        yield f"parameter {name} ({parameter.type}, default {default}){allowed}"
    for meaning in meanings(connection, question):
        yield f"column {meaning.name} ({meaning.type}): {meaning.about}"


def meanings(connection: duckdb.DuckDBPyConnection, question: Question) -> list[Meaning]:
    """Return the meaning of each column of an answer, as far as one is documented."""
    call = "()" if question.kind == "macro" else ""
    relation = connection.sql(f"FROM {question.name}{call} LIMIT 0")
    comments: dict[str, str] = {}
    for name, comment in connection.execute(COMMENTS).fetchall():
        comments.setdefault(name, comment)
    rows = []
    for name, kind in zip(relation.columns, relation.types, strict=True):
        about = _about(question, name, relation.columns, comments)
        rows.append(Meaning(name=name, type=str(kind), about=about))
    return rows


def _about(question: Question, name: str, columns: Sequence[str], comments: dict[str, str]) -> str:
    """Return a column's meaning: from the question, else a common one, else a table's comment."""
    sentence = _sentence(question.about, name)
    if sentence:
        return sentence
    for value, (low, high) in intervals(columns).items():
        if name in (low, high):
            return f"the {'lower' if name == low else 'upper'} end of the interval of {value}"
    for value, half in halves(columns).items():
        if name == half:
            return f"half the width of the interval of {value}"
    if name in USUAL:
        return USUAL[name]
    if name in comments:
        return comments[name].rstrip(".")
    if name in keys(question, columns):
        return "one of the words that tell rows apart"
    for end, unit in UNITS.items():
        if name.endswith(end):
            return f"in {unit}"
    return "as its name says"


def _sentence(about: str, name: str) -> str:
    """Return the sentence of a text that defines a word (`word: ...`, `word = ...`), if any."""
    pattern = rf"(?:^|[.;] |, ){re.escape(name)}(?:, \w+)*(?:: | = )(.*?)(?:\.(?= |$)|;|$)"
    match = re.search(pattern, about)
    return "" if match is None else match[1].strip()


def wrapped(paragraphs: Iterator[str], width: int) -> str:
    """Return paragraphs wrapped at the width, with a hanging indent."""
    lines: list[str] = []
    for paragraph in paragraphs:
        first = paragraph.startswith(("parameter ", "column "))
        indent = "    " if first else ""
        lines += textwrap.wrap(paragraph, width, subsequent_indent=indent, break_on_hyphens=False)
        if not first:
            lines.append("")
    return "\n".join(lines)
