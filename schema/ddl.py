"""The DDL of the catalog, compiled from the table classes with the maintained DuckDB dialect.

The text is golden-tested (tests/golden/catalog.sql): other programs read the catalog, and a new
release of SQLAlchemy or of the dialect must not change it unnoticed.
"""

import duckdb_sqlalchemy
from sqlalchemy import Table
from sqlalchemy.schema import CreateSequence, CreateTable

from schema import tables
from schema.vocabulary import POLICY

DIALECT = duckdb_sqlalchemy.Dialect()


def catalog_tables() -> list[Table]:
    """Return every table, each after those that its foreign keys refer to."""
    return tables.TABLES


def table_comment(table: Table) -> str:
    """Return the docstring of the table's class, in one line."""
    for class_, each in zip(tables.CLASSES, tables.TABLES, strict=True):
        if each is table:
            return " ".join((class_.__doc__ or "").split())
    raise LookupError(f"no class declares table {table.name}")


def comments(table: Table) -> list[str]:
    """Return the COMMENT ON statements of a table and its columns."""
    statements = [f"COMMENT ON TABLE {table.name} IS {_quoted(table_comment(table))}"]
    for column in table.columns:
        # Quoted, as some columns have reserved names such as "start"
        name = DIALECT.identifier_preparer.quote(column.name)
        comment = _quoted(column.comment or "")
        statements.append(f"COMMENT ON COLUMN {table.name}.{name} IS {comment}")
    return statements


def statements(first_trial: int = 1, first_event: int = 1) -> list[str]:
    """Return all statements that create an empty catalog.

    Its sequences begin at the given numbers, to continue those of an older catalog.
    """
    texts = []
    for sequence, start in ((tables.TRIAL_ID, first_trial), (tables.EVENT, first_event)):
        text = _tidy(str(CreateSequence(sequence).compile(dialect=DIALECT)))
        texts.append(text.replace("START WITH 1", f"START WITH {start}"))
    for table in catalog_tables():
        texts.append(_tidy(str(CreateTable(table).compile(dialect=DIALECT))))
        texts += comments(table)
    return [*texts, policy()]


def policy() -> str:
    """Return the statement that inserts the defaults of settings missing in `policy`."""
    rows = ", ".join(f"('{name}', {value}, '{note}')" for name, value, note in POLICY)
    return f"INSERT INTO policy (name, value, note) VALUES {rows} ON CONFLICT DO NOTHING"


def _quoted(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _tidy(statement: str) -> str:
    """Return the compiler's text without trailing blanks and with this project's indentation."""
    lines = [line.rstrip().replace("\t", "    ") for line in statement.strip().splitlines()]
    return "\n".join(lines)
