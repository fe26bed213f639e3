"""Ask about another suite than that of each trial's stream, on which trials were measured later."""

import contextlib
import re
from collections.abc import Iterator
from functools import cache

import duckdb

from schema.questions import Question, all_questions

# The parameter by which any question about results is asked about another suite
SUITE = "suite"
LISTED = "SELECT name FROM suite"
# Matches the sources of a question: tables in its text, and views passed to a macro by name
_READ = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)|:=\s*'(\w+)'")


@cache
def _sources() -> dict[str, set[str]]:
    """Return, for each question, the questions that it reads from directly."""
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
    """Make every view of the connection use a suite within the block; None: each stream's own.

    It sets the variable that the view `asked_suite` reads.
    """
    if suite is None:
        yield
        return
    connection.execute("SET VARIABLE suite = ?", [str(suite)])
    try:
        yield
    finally:
        connection.execute("RESET VARIABLE suite")
