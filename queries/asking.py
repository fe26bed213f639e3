"""Parse the `key=value` words of a command line: parameters, and conditions on columns."""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from queries import AskError, Question, choices
from queries.closed import closed
from queries.suites import SUITE, takes_suite
from schema.words import nearest

# The most names that a description lists
NAMED = 12


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A parsed request: a question, its parameters, and the value that columns must have."""

    question: Question
    parameters: dict[str, str]
    where: dict[str, str]

    @property
    def words(self) -> dict[str, object]:
        """Return every value that the answer depends on, defaults of parameters included."""
        values: dict[str, object] = {}
        if SUITE in self.parameters:
            values[SUITE] = self.parameters[SUITE]
        for name, parameter in self.question.parameters.items():
            value = self.parameters.get(name, parameter.default)
            if value is not None:
                values[name] = value
        return values | self.where


def statement(question: Question, words: list[str]) -> str:
    """Return the SQL that asks the question with these parameters, and its definition."""
    parameters, where = parsed(question, words)
    before = ""
    if SUITE in where and takes_suite(question):
        before = f"SET VARIABLE suite = {_quoted(where.pop(SUITE))};\n"
    call = question.name
    if question.kind == "macro":
        # A quote inside a text is doubled in SQL.
        arguments = [f"{key} := {_quoted(value)}" for key, value in parameters.items()]
        call += f"({', '.join(arguments)})"
    if where:
        call += " WHERE " + " AND ".join(
            f"{key} = {_quoted(value)}" for key, value in where.items()
        )
    return f"{before}FROM {call};\n\n-- {question.file}\n{question.sql.rstrip()}"


def _quoted(value: str) -> str:
    text = value.replace("'", "''")
    return f"'{text}'"


def asked_of(connection: duckdb.DuckDBPyConnection, question: Question, words: list[str]) -> Asked:
    """Parse `key=value` words, and check them against the columns of the answer.

    Raises:
        AskError: as `parsed`, or an unknown column or name.
    """
    parameters, where = parsed(question, words)
    parameters, where = _with_suite(connection, question, parameters, where)
    if where:
        call = "()" if question.kind == "macro" else ""
        columns = connection.sql(f"FROM {question.name}{call} LIMIT 0").columns
        for key, value in where.items():
            if key not in columns:
                raise AskError(_no_such(question, key, columns))
            known = choices(connection, key)
            if known is not None and value not in known:
                names = ", ".join(known[:NAMED])
                raise AskError(f"unknown {key} {value!r}. Known: {names}.{nearest(value, known)}")
    return Asked(question=question, parameters=parameters, where=where)


def _with_suite(
    connection: duckdb.DuckDBPyConnection,
    question: Question,
    parameters: dict[str, str],
    where: dict[str, str],
) -> tuple[dict[str, str], dict[str, str]]:
    """Return parameters and conditions, with `suite` moved to where the question takes it."""
    if SUITE not in where or not takes_suite(question):
        return parameters, where
    call = "()" if question.kind == "macro" else ""
    if SUITE in connection.sql(f"FROM {question.name}{call} LIMIT 0").columns:
        return parameters, where
    rest = {key: value for key, value in where.items() if key != SUITE}
    return parameters | {SUITE: where[SUITE]}, rest


def _no_such(question: Question, key: str, columns: list[str]) -> str:
    """Return the message about a key that is neither a parameter nor a column."""
    allowed = ", ".join(question.parameters) or "none: it takes no parameters"
    # A column may have the name of a parameter
    near = nearest(key, list(dict.fromkeys([*question.parameters, *columns])))
    return (
        f"{question.name}: has no parameter {key!r}. Allowed: {allowed}.{near} "
        f"Or one of its columns: {', '.join(columns)}."
    )


def parsed(question: Question, words: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return `key=value` words as two mappings: parameters, and conditions on columns.

    Raises:
        AskError: a word of another form, or a repeated key.
    """
    values: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            allowed = ", ".join(question.parameters) or "none: it takes no parameters"
            near = nearest(key, list(question.parameters))
            what = f"cannot read {word!r}; write key=value"
            raise AskError(f"{question.name}: {what}. Allowed: {allowed}.{near}")
        if key in values:
            raise AskError(f"{question.name}: {key} is given twice")
        values[key] = value
    parameters: dict[str, str] = {}
    where: dict[str, str] = {}
    for key, value in values.items():
        (parameters if key in question.parameters else where)[key] = value
    return parameters, where


def allowed(connection: duckdb.DuckDBPyConnection, question: Question, name: str) -> str:
    """Return the allowed values of a parameter, as the end of a line; empty where any are."""
    words: Mapping[str, object] | tuple[str, ...] | list[str] | None
    words = closed(question, name) or choices(connection, name)
    if words is None:
        return ""
    names = list(words)
    text = ", ".join(names[:NAMED])
    if len(names) > NAMED:
        text += f" and {len(names) - NAMED} more"
    return f": {text or 'none yet'}"
