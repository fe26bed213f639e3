"""The DDL of the catalog, compiled from the table classes with the maintained DuckDB dialect.

The text is golden-tested (tests/golden/catalog.sql): it leaves the building, and a new release of SQLAlchemy or of the
dialect must not change it unnoticed.
"""

import duckdb_sqlalchemy
from sqlalchemy import Table
from sqlalchemy.schema import CreateSequence, CreateTable
from sqlmodel import SQLModel

from schema import tables
from schema.vocabulary import POLICY

DIALECT = duckdb_sqlalchemy.Dialect()


def catalog_tables() -> list[Table]:
    """Every table in the order of declaration, which is also an order that satisfies the foreign keys."""
    return tables.TABLES


def table_comment(table: Table) -> str:
    """The docstring of the table's class."""
    for mapper in SQLModel._sa_registry.mappers:
        if mapper.local_table is table:
            return " ".join((mapper.class_.__doc__ or "").split())
    raise LookupError(f"no class declares table {table.name}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _lines(statement: str) -> str:
    """The compiler's text without trailing blanks and with the indent of this project."""
    return "\n".join(line.rstrip().replace("\t", "    ") for line in statement.strip().splitlines())


def comments(table: Table) -> list[str]:
    """COMMENT ON statements of a table and its columns."""
    said = [f"COMMENT ON TABLE {table.name} IS {_quoted(table_comment(table))}"]
    for column in table.columns:
        name = DIALECT.identifier_preparer.quote(column.name)
        said.append(f"COMMENT ON COLUMN {table.name}.{name} IS {_quoted(column.comment or '')}")
    return said


def statements(first_trial: int = 1, first_event: int = 1) -> list[str]:
    """All statements that make an empty catalog, its sequences beginning where an older one's ended."""
    made = []
    for sequence, start in ((tables.TRIAL_ID, first_trial), (tables.EVENT, first_event)):
        made.append(
            _lines(
                str(CreateSequence(sequence).compile(dialect=DIALECT)).replace(
                    "START WITH 1", f"START WITH {start}"
                )
            )
        )
    for table in catalog_tables():
        made.append(_lines(str(CreateTable(table).compile(dialect=DIALECT))))
        made += comments(table)

    return [*made, policy()]


def policy() -> str:
    """The statement that gives every knob of `policy` that is not there its default."""
    rows = ", ".join(f"('{name}', {value}, '{note}')" for name, value, note in POLICY)
    return f"INSERT INTO policy (name, value, note) VALUES {rows} ON CONFLICT DO NOTHING"
