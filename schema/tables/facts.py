"""The tables of what happened, which only grow.

Those of tens of millions of rows carry no key in the DDL, since an index there costs more than the
table. SQLAlchemy wants one all the same, so they name it in `__mapper_args__`, and audits look for
rows that repeat it.
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Boolean, DateTime, Double, Integer
from sqlmodel import SQLModel

from schema.tables.columns import PackedJson, column, created_at, one_of, serial
from schema.vocabulary import OUTCOME_KINDS, PROVENANCES, STATES


class Attempt(SQLModel, table=True):
    """One try at a trial. A run folder belongs to one attempt."""

    trial: int = column("the trial's id", BigInteger, key=True)
    attempt: int = column("counts from 1", Integer, key=True)
    spec: dict[str, Any] = column("the resolved definition it runs", PackedJson())
    spec_id: str = column("128 bits of sha256 over the whole resolved definition, 32 hex digits")
    batch: str = column("the unique name of the submission that it is part of")
    position: int = column("its index in the submission", Integer)
    code: str = column("the name of the code snapshot that it runs", default="''")
    created_at: datetime = created_at()
    serial: int = serial()
    measures: str | None = column(
        "the suite that it measures, without training; NULL: it trains", nullable=True
    )
    retrains: int | None = column(
        "the number of the first attempt at training the trial again, for weights that are gone: "
        "this one, or the one that it goes on from; NULL: it is no such attempt",
        Integer,
        nullable=True,
    )
    origin: str | None = column(
        "the run folder of another lab that it was adopted from; NULL: it was made here",
        nullable=True,
    )


class Submission(SQLModel, table=True):
    """The fact that a backend accepted an attempt."""

    trial: int = column("the trial's id", BigInteger, key=True)
    attempt: int = column("the attempt", Integer, key=True)
    backend: str = column("which backend: local, slurm, ...")
    job_id: str = column("what the backend calls it")
    folder: str = column("its run folder")
    gpus: int = column("number of GPUs of its job", Integer, default="0")
    submitted_at: datetime = column(
        "when it was accepted", DateTime(timezone=True), default="now()"
    )


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
    host: str | None = column("the machine on which it ran", nullable=True)
    device: str | None = column("the device on which it ran", nullable=True)
    versions: dict[str, Any] | None = column(
        "versions of python, torch, open_clip, ...", JSON, nullable=True
    )
    commit: str | None = column("the commit of the code that ran", nullable=True)
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
    dataset: str = column("the dataset it was measured on")
    metric: str = column("the metric, as evals/ names it")
    label_space: str = column("task, union or all")
    weights: str = column("which weights: deployed, last or merged")
    value: float = column("a fraction in [0, 1]", Double)
    examples: int = column("number of images measured", BigInteger)
    fraction: float = column("share of the test set that was measured", Double)


class Cost(SQLModel, table=True):
    """The cost of a phase of a task."""

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
        "energy of the whole GPU, whoever shared it; NULL: the machine cannot tell",
        Double,
        nullable=True,
    )
    shared: bool = column(
        "taken over from another trial that trained the same; charged in full all the same",
        Boolean,
        default="false",
    )


class Progress(SQLModel, table=True):
    """A point of a training curve, which is thinned."""

    __mapper_args__: ClassVar[dict[str, Any]] = {
        "primary_key": ["trial", "attempt", "task", "step"]
    }
    trial: int = column("the trial's id", BigInteger)
    attempt: int = column("the attempt", Integer)
    task: int = column("the task", Integer)
    step: int = column("steps of this task done", Integer)
    loss: float = column("loss of that step", Double)
    lr: float = column("learning rate of that step", Double)
    pairs_per_s: float = column("pairs per second since the point before", Double)
    written_at: datetime = column("when the point was written", DateTime(timezone=True))


class Statistic(SQLModel, table=True):
    """A number about the weights or embeddings after a task."""

    __mapper_args__: ClassVar[dict[str, Any]] = {
        "primary_key": ["trial", "attempt", "task", "name", "part"]
    }
    trial: int = column("the trial's id", BigInteger)
    attempt: int = column("the attempt", Integer)
    task: int = column("the task", Integer)
    name: str = column("which statistic: drift_l2, modality_gap, ...")
    part: str = column("the part of the model it is about: all, image, text")
    value: float = column("in the statistic's own unit", Double)


class Profile(SQLModel, table=True):
    """FLOPs and peak memory of one step, measured once per combination of words."""

    backbone: str = column("a backbone", key=True)
    mixture: str = column(
        "a mixture; '': measured before mixtures were told apart, and used for no trial", key=True
    )
    method: str = column("a method", key=True)
    recipe: str = column("a recipe", key=True)
    phase: str = column("train, objective, merge, ...", key=True)
    flops: float = column("floating-point operations of one step", Double)
    peak_bytes: int | None = column(
        "peak memory of one step; NULL: not measured", BigInteger, nullable=True
    )


class ReferenceResult(SQLModel, table=True):
    """A published number."""

    __tablename__ = "reference_result"
    __table_args__ = (one_of("reference_result_provenance", "provenance", PROVENANCES),)
    source: str = column("where it was read: paper, table or file", key=True)
    setting: str = column("backbone, stream, method and budget, as the source names them", key=True)
    metric: str = column("as our views name it", key=True)
    value: float = column("a fraction in [0, 1] for accuracies", Double)
    provenance: str = column(
        "seen: read in a text of the authors of what was measured; compared: read in another "
        "paper's comparison; told: at least two texts about the paper agree; derived: computed "
        "from what was read; unverified: no comparison uses it without saying so"
    )
    url: str | None = column("where the source is", nullable=True)


class Ingested(SQLModel, table=True):
    """A receipt whose files are in the catalog; by its key each is ingested exactly once."""

    receipt: str = column("path of the receipt below the run folder", key=True)
    sha256: str = column("checksum of the receipt")
    rows: int = column("number of rows that its files brought", BigInteger)
    ingested_at: datetime = column("when it was ingested", DateTime(timezone=True), default="now()")


class Imported(SQLModel, table=True):
    """A trial that was run elsewhere, and the file from which its results were taken."""

    trial: int = column("the trial's id", BigInteger, key=True)
    source: str = column("who ran it, as in trial.source")
    file: str = column("the name of the file that was imported")
    sha256: str = column("checksum of the trial's rows in it, in whichever order")
    rows: int = column("number of results and costs that it brought", BigInteger)
    folder: str = column("where the rows are kept, below `imports` of site.toml")
    imported_at: datetime = column("when it was imported", DateTime(timezone=True), default="now()")


class Policy(SQLModel, table=True):
    """A knob of what sync does by itself and when it waits for a person."""

    name: str = column("which knob: retries_<kind>, same_errors, share_trunks", key=True)
    value: int = column("its value", Integer)
    note: str | None = column("for people", nullable=True)


class Problem(SQLModel, table=True):
    """A thing that sync could not trust or reach in its last pass."""

    subject: str = column(
        "what it is about: squeue, sacct, a submission, a receipt, trial 42", key=True
    )
    message: str = column("what is wrong", key=True)
    since: datetime = column("when it was first seen", DateTime(timezone=True), default="now()")


class DiskUse(SQLModel, table=True):
    """The bytes of the lab's files by study and kind, as sync measured them last."""

    __tablename__ = "disk_use"
    study: str = column("a study; '': trials of no study, or files that are no trial's", key=True)
    kind: str = column(
        "checkpoints, weights, results, logs, other, set_aside, submissions, store, code, "
        "snapshots, tensors or catalog",
        key=True,
    )
    bytes: int = column("what these files take", BigInteger)
    spare_bytes: int = column("how much of it goes where disk_gb is exceeded", BigInteger)
    files: int = column("how many files they are", BigInteger)
    measured_at: datetime = column("when it was measured", DateTime(timezone=True), default="now()")
    removed_bytes: int = column(
        "how much of it sync has removed so far to keep to disk_gb", BigInteger, default="0"
    )


class Migration(SQLModel, table=True):
    """The versions this catalog has been through."""

    version: int = column("version of the schema", Integer, key=True)
    name: str = column("what changed")
    applied_at: datetime = column(
        "when the catalog reached it", DateTime(timezone=True), default="now()"
    )
