"""The tables of the catalog, in the order of their making: axes (one row per choice), what is wanted, what happened.

Each class is one table, each field one column; the field's comment is its documentation, in the file, in DuckDB and in
docs/catalog.md. The classes are compiled to DDL by `schema.ddl` and never used as an object mapper: people write SQL against
these tables, so every rule that plain SQL must obey stands in the DDL, where DuckDB enforces it whoever inserts.
"""

from sqlalchemy import Table
from sqlmodel import SQLModel

from schema.tables import axes, facts
from schema.tables.axes import EVENT, TRIAL_ID
from schema.tables.columns import RULES

__all__ = ["EVENT", "RULES", "TABLES", "TRIAL_ID", "axes", "facts"]

TABLES: list[Table] = list(
    SQLModel.metadata.tables.values()
)  # in the order of declaration, which satisfies the foreign keys
