"""Ask about another suite than that of each trial's stream, on which trials were measured later."""

import contextlib
import re
from collections.abc import Iterator
from functools import cache

import duckdb

from schema.questions import Question, all_questions

# The word by which any question about results is asked of another suite
SUITE = "suite"
LISTED = "SELECT name FROM suite"
# What a question reads from: tables of its text, and views that it names to a macro
_READ = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)|:=\s*'(\w+)'")


@cache
def _sources() -> dict[str, set[str]]:
    """Return for each question those that it reads from, directly."""
    questions = all_questions()
    names = {question.name for question in questions}
    sources = {}
    for question in questions:
        read = set[str]()
        for table, view in _READ.findall(question.sql):
            read |= {table, view}
        sources[question.name] = (read & names) - {question.name}
    return sources


@cache
def read_by(name: str) -> frozenset[str]:
    """Return the questions that one reads from, whatever lies between, and itself."""
    sources, read, waiting = _sources(), set[str](), [name]
    while waiting:
        source = waiting.pop()
        waiting += sources.get(source, set()) - read
        read.add(source)
    return frozenset(read)


@cache
def _speaks_of_results(name: str) -> bool:
    """Return whether a question begins with the results of a suite, by what it reads from."""
    read = read_by(name)
    # What is still to be measured is of the suites that are declared, whoever asks
    return "asked_suite" in read and "unmeasured" not in read


def takes_suite(question: Question) -> bool:
    """Return whether a question can be asked about another suite."""
    if question.is_audit or SUITE in question.parameters:
        return False
    return _speaks_of_results(question.name)


@contextlib.contextmanager
def about(connection: duckdb.DuckDBPyConnection, suite: object) -> Iterator[None]:
    """Have every view of the connection speak of a suite in the block; None: of each stream's own.

    By the variable that the view `asked_suite` reads.
    """
    if suite is None:
        yield
        return
    connection.execute("SET VARIABLE suite = ?", [str(suite)])
    try:
        yield
    finally:
        connection.execute("RESET VARIABLE suite")
