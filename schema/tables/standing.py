"""The tables of what people want to know: `study`, with what it expects, and `rule`, a standing
grid.
"""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime
from sqlmodel import SQLModel

from schema.tables.columns import column, constraint, created_at, note


class Study(SQLModel, table=True):
    """A question that trials are inserted for, and what somebody expects as its answer."""

    name: str = column("as in trial.study", key=True)
    hypothesis: str | None = column("what is expected, in words", nullable=True)
    declared_at: datetime = column(
        "when that was declared", DateTime(timezone=True), default="now()"
    )


class StandingGrid(SQLModel, table=True):
    """A standing grid: every pass of sync inserts the trials that its SELECT returns and the
    catalog lacks."""

    __tablename__ = "rule"
    __table_args__ = (
        constraint(
            "rule_most_trials",
            "most_trials >= 1",
            "most_trials must be at least 1: it is how many trials the rule may add in all",
        ),
    )
    name: str = column("what trial.rule and request.rule call it", key=True)
    query: str = column(
        "one SELECT over the catalog. It returns the seven words of trials, and their priority and "
        "study where it likes; or trial, wish and reason, where wish is withdraw"
    )
    most_trials: int = column("how many trials it may add in all", BigInteger)
    note: str | None = note()
    created_at: datetime = created_at()
