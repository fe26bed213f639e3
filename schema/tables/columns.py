"""What the tables are declared with: columns that carry their comment, checks that carry the sentence a person reads."""

from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, DateTime, ForeignKey, String, text
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field


class PackedJson(UserDefinedType[Any]):
    """JSON of kilobytes that nearly repeats from row to row: 10,000 definitions of 9 kB take half a megabyte on disk and 0.1 s to
    be written instead of 37 and 2.8 s, since DuckDB need not try its other ways to compress first."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type as DuckDB's DDL has it."""
        return "JSON USING COMPRESSION zstd"


class Rule:
    """A CHECK of the DDL and the sentence a person reads when it is broken."""

    def __init__(self, name: str, expression: str, sentence: str) -> None:
        self.name, self.expression, self.sentence = name, expression, sentence


RULES: dict[str, Rule] = {}


def rule(name: str, expression: str, sentence: str) -> CheckConstraint:
    """A named CHECK, remembered with its sentence so that a refusal can be explained (`schema.checks.refusals`)."""
    RULES[name] = Rule(name, expression, sentence)
    return CheckConstraint(expression, name=name)


def one_of(name: str, column: str, values: tuple[str, ...]) -> CheckConstraint:
    """A CHECK that `column` is one of `values`."""
    listed = ", ".join(f"'{value}'" for value in values)
    return rule(name, f"{column} IN ({listed})", f"{column} must be one of {', '.join(values)}")


def column(
    comment: str,
    type_: Any = None,
    *,
    key: bool = False,
    default: str | None = None,
    to: str | None = None,
    nullable: bool = False,
) -> Any:
    """One column: its comment, SQL type (default VARCHAR), SQL default, and the table column it refers `to`."""
    arguments: list[Any] = [ForeignKey(to)] if to else []
    return Field(
        default=None,
        primary_key=key,
        nullable=nullable,
        sa_type=type_ or String,
        sa_column_args=arguments,
        sa_column_kwargs={
            "comment": comment,
            "server_default": None if default is None else text(default),
            "autoincrement": False,
        },
    )


def params(comment: str) -> Any:
    return column(comment, JSON, default="'{}'")


def json_columns(table: str, type_: str, *columns: str) -> tuple[CheckConstraint, ...]:
    """CHECKs that JSON columns hold what they must: OBJECT or ARRAY."""
    word = {
        "OBJECT": 'a JSON object such as {"rank": 4}',
        "ARRAY": 'a JSON list such as ["a", "b"]',
    }[type_]
    return tuple(
        rule(f"{table}_{name}", f"json_type({name}) = '{type_}'", f"{name} must be {word}")
        for name in columns
    )


def note() -> Any:
    return column("for people", nullable=True)


def serial() -> Any:
    return column(
        "place in the order of wishes and attempts, whatever clocks say",
        BigInteger,
        default="nextval('event')",
    )


def created_at() -> Any:
    return column("when the row was inserted", DateTime(timezone=True), default="now()")
