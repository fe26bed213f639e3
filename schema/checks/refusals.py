"""Why DuckDB refused a statement, said so that a person can mend it.

DuckDB names the key that is missing but not the column that holds it, and prints a CHECK as an expression. Here a broken
foreign key becomes every unknown name of the statement with the nearest known ones, and a broken CHECK its sentence.
"""

import re

import duckdb

from schema.ddl import catalog_tables
from schema.tables import RULES
from schema.words import nearest

_INSERT = re.compile(r"\s*INSERT\s+(?:OR\s+\w+\s+)?INTO\s+(?:main\.)?\"?(\w+)\"?", re.IGNORECASE)
_CONFLICT = re.compile(r"\bON\s+CONFLICT\b.*", re.IGNORECASE | re.DOTALL)


def explain(error: duckdb.Error, connection: duckdb.DuckDBPyConnection, statement: str) -> str:
    """One or more sentences about `error`, which `statement` raised.

    `connection` must be in the state the statement met; it is asked which names the statement offers (and left with a
    temporary table, so the caller rolls back).
    """
    text = str(error)
    if "foreign key constraint" in text:
        return _unknown_names(connection, statement) or text
    if "CHECK constraint failed" in text:
        return _broken_rule(text)
    if "Duplicate key" in text:
        return (
            f"{text} The same row is there already, or twice in this statement: "
            "end the INSERT with ON CONFLICT DO NOTHING to keep what is there."
        )
    if missing := re.search(r"NOT NULL constraint failed: (\w+)\.(\w+)", text):
        return f"{missing[1]}.{missing[2]} must be given: it has no default and may not be NULL."
    return text


def _unknown_names(connection: duckdb.DuckDBPyConnection, statement: str) -> str:
    """Every name the statement offers that the table it refers to does not have."""
    target = _INSERT.match(statement)
    tables = {table.name: table for table in catalog_tables()}
    if target is None or target[1].lower() not in tables:
        return ""
    table = tables[target[1].lower()]
    offered = _CONFLICT.sub("", _INSERT.sub("INSERT INTO offered", statement, count=1))
    try:
        connection.execute(f"CREATE TEMP TABLE offered AS FROM {table.name} LIMIT 0")
        connection.execute(offered)
        said = []
        references = [
            (child.name, key.column.table.name)
            for child in table.columns
            for key in child.foreign_keys
        ]
        for column, parent in references:
            known = [
                name
                for (name,) in connection.execute(
                    f"SELECT name FROM {parent} ORDER BY name"
                ).fetchall()
            ]
            unknown = connection.execute(
                f"SELECT DISTINCT {column} FROM offered WHERE {column} NOT IN (SELECT name FROM {parent}) ORDER BY 1"
            ).fetchall()
            for (name,) in unknown:
                listed = (
                    ", ".join(known[:20])
                    + (f" and {len(known) - 20} more" if len(known) > 20 else "")
                    or "none yet"
                )
                said.append(f"unknown {parent} {name!r}. Known: {listed}.{nearest(name, known)}")
    except duckdb.Error:
        return ""
    return "\n".join(said)


def _broken_rule(text: str) -> str:
    """The sentence of the CHECK that DuckDB printed as an expression."""
    found = re.search(r'on table "(\w+)" with expression CHECK\((.*)\)', text, re.DOTALL)
    if found:
        table, printed = found[1], _words(found[2])
        for known in RULES.values():
            if known.name.startswith(table) and _words(known.expression) == printed:
                return f"{table}: {known.sentence}."
    return text


def _words(expression: str) -> list[str]:
    """The expression without the brackets and quotes that DuckDB's printer adds, its numbers written one way."""
    words = re.findall(
        r"[\w.'-]+|[<>=!]+|[+*/]", expression.replace('"', "").replace("(", " ").replace(")", " ")
    )
    return [f"{float(word):g}" if word[0].isdigit() else word for word in words]
