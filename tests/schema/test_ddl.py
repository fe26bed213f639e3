"""The DDL leaves the building: golden text, and what DuckDB itself says of it."""

import os
from pathlib import Path

import pytest

from schema import ddl
from schema.catalog import Catalog
from schema.tables import CONSTRAINTS

GOLDEN = Path(__file__).parents[1] / "golden" / "catalog.sql"


def test_golden() -> None:
    """After a wanted change: WEIR_ACCEPT=1 python -m pytest tests/schema/test_ddl.py, then read the diff."""
    text = ";\n\n".join(ddl.statements()) + ";\n"
    if os.environ.get("WEIR_ACCEPT"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_duckdb_holds_every_table_column_and_comment(catalog: Catalog) -> None:
    with catalog.open() as connection:
        found = dict(
            connection.execute("SELECT table_name, comment FROM duckdb_tables()").fetchall()
        )
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE NOT internal"
        )
        described = [row for row in columns.fetchall() if row[0] in found]
    assert set(found) == {table.name for table in ddl.catalog_tables()}
    assert all(found.values())
    for table, column, type_, comment in described:
        assert comment, f"{table}.{column} has no comment"
        assert type_ != "FLOAT", f"{table}.{column} would hold 4 bytes"


def test_keys_stand_where_the_design_puts_them(catalog: Catalog) -> None:
    with catalog.open() as connection:
        keys = dict(
            connection.execute(
                "SELECT table_name, constraint_column_names FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'"
            ).fetchall()
        )
        unique = connection.execute(
            "SELECT count(*) FROM duckdb_constraints() WHERE constraint_type = 'UNIQUE'"
        ).fetchone()
    assert keys["trial"] == ["backbone", "stream", "mixture", "method", "recipe", "budget", "seed"]
    assert keys["attempt"] == ["trial", "attempt"]
    assert not {"result", "progress", "cost", "statistic", "request"} & set(keys)
    assert unique == (0,)


def test_storage_format_is_the_one_that_the_1_5_command_line_opens(catalog: Catalog) -> None:
    with catalog.open() as connection:
        found = connection.execute(
            "SELECT tags['storage_version'] FROM duckdb_databases() WHERE path IS NOT NULL"
        ).fetchone()
    assert found == ("v1.5.0+",)


@pytest.mark.parametrize("name", sorted(CONSTRAINTS))
def test_every_rule_has_a_sentence(name: str) -> None:
    assert (
        " must " in CONSTRAINTS[name].sentence
        or "needs" in CONSTRAINTS[name].sentence
        or "count" in CONSTRAINTS[name].sentence
    )
