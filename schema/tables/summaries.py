"""The rows that answers begin with, computed from the facts and stored beside them: copies, never
the truth.

`schema.summaries` brings them up to date; deleting the rows of `kept_until` has all of them made
anew.
"""

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Double, Integer
from sqlmodel import SQLModel

from schema.tables.columns import column


class KeptSummary(SQLModel, table=True):
    """The sums and means of a task's results and costs, stored so that answers need not read every
    result. A copy: `summary` computes anew what has newer facts, and deleting the rows of
    `kept_until` has all of it computed anew.
    """

    __tablename__ = "kept_summary"
    __mapper_args__: ClassVar[dict[str, Any]] = {"primary_key": ["trial", "task"]}
    trial: int = column("the trial's id", BigInteger)
    task: int = column("tasks learned so far; 0: the untouched backbone", Integer)
    attempt: int = column("the attempt that holds", Integer)
    step: int = column("the last step at which it measured", Integer)
    tasks: int | None = column(
        "tasks of the trial's stream; NULL: the trial is gone", Integer, nullable=True
    )
    a_ka: float | None = column("knowledge accumulation, as in point", Double, nullable=True)
    a_zs: float | None = column("zero-shot retention, as in point", Double, nullable=True)
    a_ka_0: float | None = column("a_ka of the untouched backbone", Double, nullable=True)
    a_zs_0: float | None = column("a_zs of the untouched backbone", Double, nullable=True)
    adapt_measured: int = column("adapt members that were measured", BigInteger)
    adapt_wanted: int = column("adapt members of the suite", BigInteger)
    retain_measured: int = column("retain members that were measured", BigInteger)
    retain_wanted: int = column("retain members of the suite", BigInteger)
    spent_flops: float | None = column(
        "FLOPs of everything but evaluation, summed over the tasks so far; NULL: the trial was "
        "imported without costs",
        Double,
        nullable=True,
    )
    spent_s: float | None = column("seconds, likewise", Double, nullable=True)
    spent_steps: int | None = column("steps, likewise", BigInteger, nullable=True)
    spent_pairs: int | None = column("pairs, likewise", BigInteger, nullable=True)
    within: int = column("results of the attempt that holds from before that step", BigInteger)
    repeated: int = column(
        "results of the task, of any attempt, that are there more than once", BigInteger
    )
    seen: int | None = column(
        "fingerprint of the stream, as in stream_seen, when this was computed",
        BigInteger,
        nullable=True,
    )


class KeptCost(SQLModel, table=True):
    """The cost of each phase of a trial, stored so that answers need not read every cost. A copy,
    as `kept_summary` is: `costs` computes anew what has newer facts."""

    __tablename__ = "kept_cost"
    __mapper_args__: ClassVar[dict[str, Any]] = {"primary_key": ["trial", "phase"]}
    trial: int = column("the trial's id", BigInteger)
    phase: str = column("train, objective, merge, evaluate, ...")
    flops: float = column("FLOPs of all tasks and attempts", Double)
    seconds: float = column("seconds, likewise", Double)
    peak_bytes: int | None = column(
        "the highest peak memory of them; NULL: not measured", BigInteger, nullable=True
    )
    lost_flops: float = column("FLOPs of attempts that do not hold", Double)
    held_flops: float | None = column(
        "FLOPs of the attempts that hold, in all tasks; NULL: none does", Double, nullable=True
    )
    held_s: float | None = column("seconds, likewise", Double, nullable=True)
    held_peak_bytes: int | None = column(
        "the highest peak memory of them", BigInteger, nullable=True
    )
    done_flops: float | None = column(
        "of held_flops, what was not taken over from another trial", Double, nullable=True
    )
    done_s: float | None = column("of held_s, likewise", Double, nullable=True)
    repeated: int = column("costs of a task and attempt that are there more than once", BigInteger)


class KeptUntil(SQLModel, table=True):
    """The facts that `kept_summary` and `kept_cost` were computed from, so that newer ones can be
    told.
    """

    __tablename__ = "kept_until"
    fact: str = column("result, cost, or stream (all streams and suites)", key=True)
    place: int = column("place of the first row that is not in it", BigInteger)
    rows: int = column("how many rows there were before that place", BigInteger)
    seen: str | None = column(
        "fingerprint of the last of them; of streams, of all; NULL: there are none", nullable=True
    )
