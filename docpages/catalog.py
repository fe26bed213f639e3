"""Write docs/catalog.md: every table of the catalog with its columns, key and rules."""

from sqlalchemy import CheckConstraint, Column, Table

from docpages.markdown import WRITTEN, cell, code, codes, plain, table
from schema.ddl import DIALECT, catalog_tables, table_comment
from schema.tables import CONSTRAINTS

HEAD = """The catalog is the DuckDB file that holds everything Weir knows: what you want to run, and
what happened. You insert rows into some of its tables (the axes, `trial`, `request`), and the
commands fill the others. The names below are what grids, notebooks and questions rely on.

Tables hold facts, views hold opinions: whether a trial is done, or which method is best, stands in
no table, but is answered by a [question](questions.md). What the words mean is in the
[glossary](glossary.md)."""


def page() -> str:
    """Return the whole page."""
    sections = ["# The catalog", WRITTEN, HEAD]
    sections += map(_table, catalog_tables())
    return "\n\n".join(sections) + "\n"


def _table(of: Table) -> str:
    head = ("column", "type", "default", "meaning")
    parts = [
        f"## {code(of.name)}",
        plain(table_comment(of)),
        table(head, map(_column, of.columns)),
    ]
    keys = [column.name for column in of.primary_key]
    if keys:
        parts.append(f"Key: {codes(keys)}.")
    constraints = [f"- {plain(CONSTRAINTS[str(check.name)].sentence)}" for check in _checks(of)]
    if constraints:
        parts.append("\n".join(constraints))
    return "\n\n".join(parts)


def _checks(of: Table) -> list[CheckConstraint]:
    """Return the constraints of a table in the order of their declaration."""
    # SQLAlchemy keeps constraints in a set, so the order is restored here.
    places = {name: place for place, name in enumerate(CONSTRAINTS)}
    checks = []
    for constraint in of.constraints:
        if isinstance(constraint, CheckConstraint) and str(constraint.name) in places:
            checks.append(constraint)
    return sorted(checks, key=lambda check: places[str(check.name)])


def _column(column: Column[object]) -> tuple[str, ...]:
    kind = column.type.compile(dialect=DIALECT)
    if not column.nullable:
        kind += " NOT NULL"
    default = getattr(column.server_default, "arg", None)
    shown = "" if default is None else code(str(default))
    meaning = cell(column.comment or "")
    for key in column.foreign_keys:
        meaning += f" → {code(key.target_fullname)}"
    return code(column.name), kind, shown, meaning
