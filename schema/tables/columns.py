"""The pieces that tables are declared with: columns that carry their comment, checks that carry a
sentence.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, DateTime, ForeignKey, String, text
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field


class PackedJson(UserDefinedType[Any]):
    """A JSON column of texts of kilobytes that nearly repeat from row to row.

    10,000 definitions of 9 kB take half a megabyte on disk and 0.1 s to be written instead of 37
    megabytes and 2.8 s, since DuckDB need not try its other ways to compress first.
    """

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return the type as DuckDB's DDL spells it."""
        return "JSON USING COMPRESSION zstd"


class Constraint:
    """A CHECK of the DDL and the sentence that a person reads when a row breaks it."""

    def __init__(self, name: str, expression: str, sentence: str) -> None:
        self.name, self.expression, self.sentence = name, expression, sentence


# Every constraint by its name; filled once, when the modules of tables are imported
CONSTRAINTS: dict[str, Constraint] = {}


def constraint(name: str, expression: str, sentence: str) -> CheckConstraint:
    """Return a named CHECK and register its sentence, by which `schema.checks.refusals` explains
    it.
    """
    CONSTRAINTS[name] = Constraint(name, expression, sentence)
    return CheckConstraint(expression, name=name)


def one_of(name: str, column: str, values: tuple[str, ...]) -> CheckConstraint:
    """Return a CHECK that `column` is one of `values`."""
    listed = ", ".join(f"'{value}'" for value in values)
    return constraint(
        name, f"{column} IN ({listed})", f"{column} must be one of {', '.join(values)}"
    )


def column(
    comment: str,
    type_: Any = None,
    *,
    key: bool = False,
    default: str | None = None,
    to: str | None = None,
    nullable: bool = False,
) -> Any:
    """Return a column with its comment.

    `type_` is its SQL type (VARCHAR unless given), `default` the SQL of its default, `key` says
    that it is part of the primary key, and `to` is the column of another table that it refers to.
    """
    arguments: list[Any] = []
    if to is not None:
        arguments.append(ForeignKey(to))
    options: dict[str, Any] = {"comment": comment, "autoincrement": False}
    if default is not None:
        options["server_default"] = text(default)
    return Field(
        default=None,
        primary_key=key,
        nullable=nullable,
        sa_type=type_ or String,
        sa_column_args=arguments,
        sa_column_kwargs=options,
    )


def params(comment: str) -> Any:
    """Return a column of a JSON object that is empty unless given."""
    return column(comment, JSON, default="'{}'")


def json_columns(table: str, type_: str, *columns: str) -> tuple[CheckConstraint, ...]:
    """Return CHECKs that JSON columns hold what they must: `type_` is OBJECT or ARRAY."""
    examples = {
        "OBJECT": 'a JSON object such as {"rank": 4}',
        "ARRAY": 'a JSON list such as ["a", "b"]',
    }
    checks = []
    for name in columns:
        sentence = f"{name} must be {examples[type_]}"
        checks.append(constraint(f"{table}_{name}", f"json_type({name}) = '{type_}'", sentence))
    return tuple(checks)


def note() -> Any:
    """Return the column in which people write what they like."""
    return column("for people", nullable=True)


def serial() -> Any:
    """Return the column that orders wishes and attempts without a clock."""
    return column(
        "place in the order of wishes and attempts, whatever clocks say",
        BigInteger,
        default="nextval('event')",
    )


def created_at() -> Any:
    """Return the column that says when a row was inserted."""
    return column("when the row was inserted", DateTime(timezone=True), default="now()")
