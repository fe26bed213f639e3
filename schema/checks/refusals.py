"""Explain why DuckDB refused a statement, in words that help to correct it.

DuckDB names a missing key but not its column, and prints a CHECK as an expression. Here a violated
foreign key is explained by every unknown name of the statement with the nearest known ones, and a
violated CHECK by its sentence.
"""

import re

import duckdb

from schema.ddl import catalog_tables
from schema.tables import CONSTRAINTS
from schema.words import nearest

SHOWN_NAMES = 20
_INSERT = re.compile(r"\s*INSERT\s+(?:OR\s+\w+\s+)?INTO\s+(?:main\.)?\"?(\w+)\"?", re.IGNORECASE)
_CONFLICT = re.compile(r"\bON\s+CONFLICT\b.*", re.IGNORECASE | re.DOTALL)


def explain(error: duckdb.Error, connection: duckdb.DuckDBPyConnection, statement: str) -> str:
    """Return one or more sentences about `error`, which `statement` raised.

    `connection` must be in the state in which the statement failed. It is used to find the names
    that the statement inserts, and left with a temporary table, so the caller must roll back.
    """
    text = str(error)
    if "foreign key constraint" in text:
        return _unknown_names(connection, statement) or text
    if "CHECK constraint failed" in text:
        return _broken_constraint(text)
    if "Duplicate key" in text:
        return (
            f"{text} The same row is there already, or twice in this statement: "
            "end the INSERT with ON CONFLICT DO NOTHING to keep what is there."
        )
    if missing := re.search(r"NOT NULL constraint failed: (\w+)\.(\w+)", text):
        return f"{missing[1]}.{missing[2]} must be given: it has no default and may not be NULL."
    return text


def _unknown_names(connection: duckdb.DuckDBPyConnection, statement: str) -> str:
    """Return a line for every inserted name that the table it refers to lacks.

    It is empty where the statement is no INSERT into a table of the catalog.
    """
    target = _INSERT.match(statement)
    tables = {table.name: table for table in catalog_tables()}
    if target is None or target[1].lower() not in tables:
        return ""
    table = tables[target[1].lower()]
    # The same INSERT into a table without keys shows the rows that were refused
    offered = _INSERT.sub("INSERT INTO offered", statement, count=1)
    lines = []
    try:
        connection.execute(f"CREATE TEMP TABLE offered AS FROM {table.name} LIMIT 0")
        connection.execute(_CONFLICT.sub("", offered))
        for column in table.columns:
            for key in column.foreign_keys:
                lines += _unknown_in(connection, column.name, key.column.table.name)
    except duckdb.Error:
        return ""
    return "\n".join(lines)


def _unknown_in(connection: duckdb.DuckDBPyConnection, column: str, parent: str) -> list[str]:
    """Return a line for every name in a column of `offered` that its parent table lacks."""
    rows = connection.execute(f"SELECT name FROM {parent} ORDER BY name").fetchall()
    known = [name for (name,) in rows]
    listed = ", ".join(known[:SHOWN_NAMES]) or "none yet"
    if len(known) > SHOWN_NAMES:
        listed += f" and {len(known) - SHOWN_NAMES} more"
    unknown = connection.execute(
        f"SELECT DISTINCT {column} FROM offered "
        f"WHERE {column} NOT IN (SELECT name FROM {parent}) ORDER BY 1"
    ).fetchall()
    lines = []
    for (name,) in unknown:
        lines.append(f"unknown {parent} {name!r}. Known: {listed}.{nearest(name, known)}")
    return lines


def _broken_constraint(text: str) -> str:
    """Return the sentence of the violated CHECK, or DuckDB's own text."""
    refusal = re.search(r'on table "(\w+)" with expression CHECK\((.*)\)', text, re.DOTALL)
    if refusal:
        table, printed = refusal[1], _tokens(refusal[2])
        for constraint in CONSTRAINTS.values():
            if constraint.name.startswith(table) and _tokens(constraint.expression) == printed:
                return f"{table}: {constraint.sentence}."
    return text


def _tokens(expression: str) -> list[str]:
    """Return an expression's tokens, in a form in which DuckDB's text equals ours.

    DuckDB adds brackets and quotes, and writes numbers differently.
    """
    plain = expression.replace('"', "").replace("(", " ").replace(")", " ")
    tokens = re.findall(r"[\w.'-]+|[<>=!]+|[+*/]", plain)
    for place, token in enumerate(tokens):
        if token[0].isdigit():
            tokens[place] = f"{float(token):g}"
    return tokens
