"""What happened: tables that only grow. Those of tens of millions of rows carry no key in the DDL, since an index there costs
more than the table; SQLAlchemy wants one all the same, so they name it in `__mapper_args__` and audits watch over it."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Boolean, DateTime, Double, Integer
from sqlmodel import SQLModel

from schema.tables.columns import PackedJson, column, created_at, one_of, serial
from schema.vocabulary import OUTCOME_KINDS, PROVENANCES, STATES


class Attempt(SQLModel, table=True):
    """One try at a trial. Files belong to attempts."""

    trial: int = column("the trial's id", BigInteger, key=True)
    attempt: int = column("counts from 1", Integer, key=True)
    spec: dict[str, Any] = column("the resolved definition it runs", PackedJson())
    spec_id: str = column("128 bits of sha256 over the whole resolved definition, 32 hex digits")
    batch: str = column("unique job name it is submitted under")
    position: int = column("its index in the batch", Integer)
    code: str = column("the code snapshot it runs", default="''")
    created_at: datetime = created_at()
    serial: int = serial()


class Submission(SQLModel, table=True):
    """The backend took an attempt."""

    trial: int = column("the trial's id", BigInteger, key=True)
    attempt: int = column("the attempt", Integer, key=True)
    backend: str = column("local, slurm, ...")
    job_id: str = column("what the backend calls it")
    folder: str = column("its run folder")
    gpus: int = column("GPUs of its job", Integer, default="0")
    submitted_at: datetime = column("when", DateTime(timezone=True), default="now()")


class Outcome(SQLModel, table=True):
    """How an attempt ended."""

    __table_args__ = (
        one_of("outcome_state", "state", STATES),
        one_of("outcome_kind", "kind", OUTCOME_KINDS),
    )
    trial: int = column("the trial's id", BigInteger, key=True)
    attempt: int = column("the attempt", Integer, key=True)
    state: str = column("done, failed, lost, refused or cancelled")
    kind: str | None = column(
        "why, when it is not done: oom_gpu, timeout, preempted, killed, diverged, error, ...",
        nullable=True,
    )
    message: str | None = column("one line for people", nullable=True)
    log_tail: str | None = column("the last lines of the log", nullable=True)
    host: str | None = column("where it ran", nullable=True)
    device: str | None = column("on what", nullable=True)
    versions: dict[str, Any] | None = column("python, torch, open_clip, ...", JSON, nullable=True)
    commit: str | None = column("of the code that ran", nullable=True)
    started_at: datetime | None = column(
        "when the worker began", DateTime(timezone=True), nullable=True
    )
    finished_at: datetime | None = column(
        "when it ended, or was found ended", DateTime(timezone=True), nullable=True
    )


class Result(SQLModel, table=True):
    """One measured value. task = 0 is the untouched backbone."""

    __mapper_args__: ClassVar[dict[str, Any]] = {
        "primary_key": [
            "trial",
            "attempt",
            "task",
            "step",
            "dataset",
            "metric",
            "label_space",
            "weights",
        ]
    }
    trial: int = column("the trial's id", BigInteger)
    attempt: int = column("the attempt that measured it", Integer)
    task: int = column("tasks learned so far; 0: the untouched backbone", Integer)
    step: int = column("steps of this task done", Integer)
    dataset: str = column("measured on")
    metric: str = column("as evals/ names it")
    label_space: str = column("task, union or all")
    weights: str = column("which weights: deployed, last or merged")
    value: float = column("a fraction in [0, 1]", Double)
    examples: int = column("images measured", BigInteger)
    fraction: float = column("of the test set", Double)


class Cost(SQLModel, table=True):
    """What a phase of a task spent."""

    __mapper_args__: ClassVar[dict[str, Any]] = {
        "primary_key": ["trial", "attempt", "task", "phase"]
    }
    trial: int = column("the trial's id", BigInteger)
    attempt: int = column("the attempt that finished the task", Integer)
    task: int = column("the task", Integer)
    phase: str = column("train, objective, merge, evaluate, ...")
    flops: float = column("floating-point operations, counted", Double)
    peak_bytes: int | None = column(
        "peak memory of the device; NULL: not measured", BigInteger, nullable=True
    )
    seconds: float = column("wall time", Double)
    steps: int = column("optimizer steps", BigInteger)
    pairs: int = column("pairs seen", BigInteger)
    energy_j: float | None = column(
        "of the whole GPU, whoever shared it; NULL: the machine cannot tell", Double, nullable=True
    )
    shared: bool = column(
        "taken over from another trial that did the same, and charged in full all the same",
        Boolean,
        default="false",
    )


class Progress(SQLModel, table=True):
    """A thinned training curve."""

    __mapper_args__: ClassVar[dict[str, Any]] = {
        "primary_key": ["trial", "attempt", "task", "step"]
    }
    trial: int = column("the trial's id", BigInteger)
    attempt: int = column("the attempt", Integer)
    task: int = column("the task", Integer)
    step: int = column("steps of this task done", Integer)
    loss: float = column("of that step", Double)
    lr: float = column("of that step", Double)
    pairs_per_s: float = column("since the point before", Double)
    written_at: datetime = column("when", DateTime(timezone=True))


class Statistic(SQLModel, table=True):
    """A number about the weights or embeddings after a task."""

    __mapper_args__: ClassVar[dict[str, Any]] = {
        "primary_key": ["trial", "attempt", "task", "name", "part"]
    }
    trial: int = column("the trial's id", BigInteger)
    attempt: int = column("the attempt", Integer)
    task: int = column("the task", Integer)
    name: str = column("drift_l2, modality_gap, ...")
    part: str = column("of what: all, image, text")
    value: float = column("in the statistic's own unit", Double)


class Profile(SQLModel, table=True):
    """FLOPs and peak memory of one step, measured once per combination."""

    backbone: str = column("a backbone", key=True)
    mixture: str = column(
        "a mixture; '': measured before mixtures were told apart, and of no trial", key=True
    )
    method: str = column("a method", key=True)
    recipe: str = column("a recipe", key=True)
    phase: str = column("train, objective, merge, ...", key=True)
    flops: float = column("of one step", Double)
    peak_bytes: int | None = column("of one step; NULL: not measured", BigInteger, nullable=True)


class ReferenceResult(SQLModel, table=True):
    """A published number."""

    __tablename__ = "reference_result"
    __table_args__ = (one_of("reference_result_provenance", "provenance", PROVENANCES),)
    source: str = column("paper, table or file", key=True)
    setting: str = column("backbone, stream, method and budget, as the source names them", key=True)
    metric: str = column("as our views name it", key=True)
    value: float = column("a fraction in [0, 1] for accuracies", Double)
    provenance: str = column(
        "seen: read in the source; derived: computed from it; unverified: never compared against silently"
    )
    url: str | None = column("where", nullable=True)


class Ingested(SQLModel, table=True):
    """A receipt whose files are in the catalog: the key that makes ingestion exactly-once."""

    receipt: str = column("path of the receipt below the run folder", key=True)
    sha256: str = column("of the receipt")
    rows: int = column("rows it brought", BigInteger)
    ingested_at: datetime = column("when", DateTime(timezone=True), default="now()")


class Policy(SQLModel, table=True):
    """What sync does by itself and when it waits for a person."""

    name: str = column("retries_<kind>, same_errors", key=True)
    value: int = column("how many", Integer)
    note: str | None = column("for people", nullable=True)


class Problem(SQLModel, table=True):
    """What sync could not trust or reach in its last pass."""

    subject: str = column("squeue, sacct, a batch, a receipt, trial 42", key=True)
    message: str = column("what", key=True)
    since: datetime = column("when it was first seen", DateTime(timezone=True), default="now()")


class KeptSummary(SQLModel, table=True):
    """What the facts of each task came to, kept so that answers need not read every result. A copy, never the truth: `summary`
    makes anew what has newer facts, and deleting rows of `kept_until` has all of it made anew."""

    __tablename__ = "kept_summary"
    __mapper_args__: ClassVar[dict[str, Any]] = {"primary_key": ["trial", "task"]}
    trial: int = column("the trial's id", BigInteger)
    task: int = column("tasks learned so far; 0: the untouched backbone", Integer)
    attempt: int = column("the attempt that holds", Integer)
    step: int = column("the last at which it measured", Integer)
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
    spent_flops: float = column("everything but evaluation, summed over the tasks so far", Double)
    spent_s: float = column("likewise", Double)
    spent_steps: int = column("likewise", BigInteger)
    spent_pairs: int = column("likewise", BigInteger)
    within: int = column("results of the attempt that holds from before that step", BigInteger)
    repeated: int = column(
        "results of the task, of any attempt, that are there more than once", BigInteger
    )
    seen: int | None = column(
        "of the stream, as in stream_seen, when this was computed", BigInteger, nullable=True
    )


class KeptCost(SQLModel, table=True):
    """What each phase of a trial cost, kept so that answers need not read every cost. A copy, as `kept_summary` is: `costs` makes
    anew what has newer facts."""

    __tablename__ = "kept_cost"
    __mapper_args__: ClassVar[dict[str, Any]] = {"primary_key": ["trial", "phase"]}
    trial: int = column("the trial's id", BigInteger)
    phase: str = column("train, objective, merge, evaluate, ...")
    flops: float = column("of all tasks and attempts", Double)
    seconds: float = column("likewise", Double)
    peak_bytes: int | None = column(
        "the highest of them; NULL: not measured", BigInteger, nullable=True
    )
    lost_flops: float = column("of attempts that do not hold", Double)
    held_flops: float | None = column(
        "of the attempts that hold, in all tasks; NULL: none does", Double, nullable=True
    )
    held_s: float | None = column("likewise", Double, nullable=True)
    held_peak_bytes: int | None = column("the highest of them", BigInteger, nullable=True)
    done_flops: float | None = column(
        "of them, what was not taken over from another trial", Double, nullable=True
    )
    done_s: float | None = column("likewise", Double, nullable=True)
    repeated: int = column("costs of a task and attempt that are there more than once", BigInteger)


class KeptUntil(SQLModel, table=True):
    """How far `kept_summary` and `kept_cost` go, so that what is newer can be told from it."""

    __tablename__ = "kept_until"
    fact: str = column("result, cost, or stream: all streams and suites", key=True)
    place: int = column("of the first row that is not in it", BigInteger)
    rows: int = column("how many rows there were before that place", BigInteger)
    seen: str | None = column(
        "a number of the last of them; of streams, of all; NULL: there are none", nullable=True
    )


class Migration(SQLModel, table=True):
    """The versions this catalog has been through."""

    version: int = column("of the schema", Integer, key=True)
    name: str = column("what changed")
    applied_at: datetime = column("when", DateTime(timezone=True), default="now()")
