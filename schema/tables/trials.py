"""The tables of what people want: `trial`, a sentence; `measurement`, what it is measured on later;
and `request`, a wish about one of these.
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Integer, Sequence
from sqlmodel import SQLModel

from schema.tables.columns import column, constraint, created_at, one_of, serial

TRIAL_ID = Sequence("trial_id", start=1)
# Wishes and attempts draw from one sequence, so that their order needs no clock
EVENT = Sequence("event", start=1)
WISHES = ("withdraw", "retry", "retrain")
# Of which tasks a measurement is: the untouched backbone and the last one, or every one
MEASURED_TASKS = ("last", "all")


class Trial(SQLModel, table=True):
    """A sentence, the unit of work: a backbone learns a stream, drawn in a mixture, by a method,
    following a recipe, within a budget, from a seed."""

    __table_args__ = (
        constraint("trial_seed", "seed >= 0", "seed must be 0 or more"),
        constraint(
            "trial_source",
            "COALESCE(ends_with(method, '@' || source), NOT contains(method, '@'))",
            "a trial of a method with an @ in its name, such as finetune@fomo, must come with its "
            "results, by python -m schema --import FILE: it was run elsewhere, by what stands "
            "behind the @, and sync never starts it",
        ),
    )
    id: int = column(
        "number of the trial for people and folders; carries no key",
        BigInteger,
        default="nextval('trial_id')",
    )
    backbone: str = column("a backbone", key=True, to="backbone.name")
    stream: str = column("learns a stream", key=True, to="stream.name")
    mixture: str = column("drawn in a mixture", key=True, to="mixture.name")
    method: str = column("by a method", key=True, to="method.name")
    recipe: str = column("following a recipe", key=True, to="recipe.name")
    budget: str = column("within a budget", key=True, to="budget.name")
    seed: int = column("from a seed", BigInteger, key=True)
    priority: int = column("higher runs first", Integer, default="0")
    study: str | None = column(
        "the name of the question that the trial was inserted for", nullable=True
    )
    created_at: datetime = created_at()
    rule: str | None = column("the rule that inserted it; NULL: a person did", nullable=True)
    source: str | None = column(
        "who ran it elsewhere: its results were imported, and sync never starts it; NULL: Weir "
        "runs it",
        nullable=True,
    )


class Measurement(SQLModel, table=True):
    """A suite on which what a trial deployed is measured later, without training."""

    __table_args__ = (
        one_of("measurement_tasks", "tasks", MEASURED_TASKS),
        constraint("measurement_trial", "trial > 0", "trial must be the id of a trial"),
    )
    trial: int = column("the trial's id", BigInteger, key=True)
    suite: str = column("what it is measured on", key=True, to="suite.name")
    tasks: str = column(
        "last: the untouched backbone and what the last task deployed; all: every task whose "
        "weights are there",
        key=True,
        default="'last'",
    )
    created_at: datetime = created_at()


class Request(SQLModel, table=True):
    """A wish about a trial, a measurement or a rule; of several the one that was inserted last
    counts.
    """

    __table_args__ = (
        one_of("request_wish", "wish", WISHES),
        constraint(
            "request_about",
            "(trial > 0) != (rule IS NOT NULL)",
            "a wish must be about a trial or about a rule: name one of the two",
        ),
        constraint(
            "request_suite",
            "suite IS NULL OR trial > 0",
            "a wish about a measurement must name its trial",
        ),
        constraint(
            "request_retrain",
            "wish != 'retrain' OR (trial > 0 AND suite IS NULL)",
            "the wish retrain must name a trial, by its id, and no suite and no rule",
        ),
    )
    __mapper_args__: ClassVar[dict[str, Any]] = {"primary_key": ["trial", "serial"]}
    trial: int = column("the trial's id; 0: the wish is about a rule", BigInteger, default="0")
    wish: str = column(
        "withdraw: end it; retry: grant it new attempts, or let the rule go on; retrain: train a "
        "trial again that is done and whose weights are gone"
    )
    reason: str | None = column("for people", nullable=True)
    created_at: datetime = created_at()
    serial: int = serial()
    rule: str | None = column("the rule; NULL: the wish is about a trial", nullable=True)
    suite: str | None = column(
        "the suite, where the wish is about that measurement of the trial alone; NULL: about all "
        "of the trial",
        nullable=True,
    )
