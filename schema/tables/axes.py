"""The words of a sentence, one table each (an axis: one row per choice), and `trial`, the sentence itself: what is wanted."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Double, Integer, Sequence
from sqlmodel import SQLModel

from schema.tables.columns import (
    column,
    created_at,
    json_columns,
    note,
    one_of,
    params,
    rule,
    serial,
)

TRIAL_ID = Sequence("trial_id", start=1)
EVENT = Sequence(
    "event", start=1
)  # wishes and attempts draw from it, so that their order needs no clock
KINDS = ("classification", "retrieval", "captions")
ROLES = ("adapt", "retain", "probe")
LABEL_SPACES = ("task", "union", "all")
UNITS = ("maf_gflops", "gflops", "steps", "pairs")
CHARGINGS = ("once", "per_step")
STARTS = ("last", "merged", "initial", "random")
DEPLOYS = ("last", "merged")
PRECISIONS = ("fp32", "bf16", "fp16")
WISHES = ("withdraw", "retry")


class Backbone(SQLModel, table=True):
    """The CLIP a trial begins with."""

    name: str = column("the word a trial uses", key=True)
    architecture: str = column(
        "an open_clip model name, or an open_clip configuration as JSON text"
    )
    pretrained: str | None = column(
        "NULL: random weights; an open_clip tag; a checkpoint path; trial:<id>: what that trial deployed last",
        nullable=True,
    )
    note: str | None = note()


class Dataset(SQLModel, table=True):
    """A set of image-text pairs: where it is, how it is read, what its classes are called."""

    __table_args__ = (
        one_of("dataset_kind", "kind", KINDS),
        *json_columns("dataset", "OBJECT", "params"),
        *json_columns("dataset", "ARRAY", "classes", "templates"),
    )
    name: str = column("the word streams, suites and mixtures use", key=True)
    format: str = column("the file in streams/formats/ that reads it")
    location: str | None = column(
        "path or URL, as the format reads it; relative paths start at the data folder",
        nullable=True,
    )
    params: dict[str, Any] = params(
        "what the format needs to know; its dataclass fields are the keys"
    )
    kind: str = column("classification, retrieval or captions: which evaluations apply")
    classes: list[str] = column(
        "class names, a JSON list; labels index into it", JSON, default="'[]'"
    )
    templates: list[str] = column(
        "prompts with {} for the class name, a JSON list; several are ensembled",
        JSON,
        default="'[]'",
    )
    license: str | None = column("as its owners state it", nullable=True)
    year: int | None = column("year of release", Integer, nullable=True)
    train_pairs: int | None = column("pairs to learn from", BigInteger, nullable=True)
    test_pairs: int | None = column("pairs to measure on", BigInteger, nullable=True)
    note: str | None = note()


class ConceptSequence(SQLModel, table=True):
    """The order in which concepts arrive."""

    __tablename__ = "sequence"
    __table_args__ = (*json_columns("sequence", "ARRAY", "scores"),)
    name: str = column("the word a stream uses", key=True)
    ordering: str = column("how the order came about: random, time, similarity, ...")
    seed: int = column("of the ordering", BigInteger, default="0")
    source: str | None = column("file or query it came from", nullable=True)
    scores: list[float | None] = column(
        "what the order came from, a JSON list by position; empty: not known", JSON, default="'[]'"
    )
    note: str | None = note()


class SequenceConcept(SQLModel, table=True):
    """One concept of a sequence: the unit that tasks are cut from."""

    __tablename__ = "sequence_concept"
    __table_args__ = (rule("sequence_concept_position", "position >= 1", "positions count from 1"),)
    sequence: str = column("the sequence", key=True, to="sequence.name")
    position: int = column("place in the order, from 1", Integer, key=True)
    dataset: str = column("where the concept's pairs are", to="dataset.name")
    concept: str = column("a class of the dataset")


class Suite(SQLModel, table=True):
    """What is measured after every task."""

    __table_args__ = (
        rule("suite_subset", "subset > 0 AND subset <= 1", "subset must be above 0 and at most 1"),
    )
    name: str = column("the word a stream uses", key=True)
    subset: float = column(
        "share of each test set (at least 300 images, 2 of a class) measured between the ends; 1: all of it",
        Double,
        default="1",
    )
    note: str | None = note()


class SuiteMember(SQLModel, table=True):
    """One dataset of a suite and the role its value plays."""

    __tablename__ = "suite_member"
    __table_args__ = (
        one_of("suite_member_role", "role", ROLES),
        one_of("suite_member_label_space", "label_space", LABEL_SPACES),
        rule("suite_member_weight", "weight > 0", "weight must be above 0"),
    )
    suite: str = column("the suite", key=True, to="suite.name")
    dataset: str = column("what is measured on", key=True, to="dataset.name")
    role: str = column("adapt: knowledge accumulation; retain: zero-shot retention; probe: neither")
    metric: str = column("the metric that counts for this dataset, as evals/ names it", key=True)
    weight: float = column(
        "share in the mean of its role, relative to the others", Double, default="1"
    )
    label_space: str = column(
        "candidates at test time: task, union of all datasets, or all classes of the dataset",
        key=True,
        default="'all'",
    )


class Stream(SQLModel, table=True):
    """A sequence cut into tasks, and the suite that watches it."""

    __table_args__ = (rule("stream_tasks", "tasks >= 1", "tasks must be at least 1"),)
    name: str = column("the word a trial uses", key=True)
    sequence: str = column("the concepts in order", to="sequence.name")
    tasks: int = column("number of tasks T; the first n mod T are one concept longer", Integer)
    suite: str = column("what is measured", to="suite.name")
    note: str | None = note()


class Mixture(SQLModel, table=True):
    """What a training batch is made of."""

    __table_args__ = (
        rule(
            "mixture_shares",
            "update_share >= 0 AND buffer_share >= 0 AND pretraining_share >= 0 "
            "AND abs(update_share + buffer_share + pretraining_share - 1) < 1e-9",
            "update_share, buffer_share and pretraining_share must be at least 0 and sum to 1",
        ),
        rule(
            "mixture_update",
            "update_share > 0",
            "update_share must be above 0: a task learns from its own pairs",
        ),
        rule(
            "mixture_pretraining",
            "pretraining_share = 0 OR pretraining_dataset IS NOT NULL",
            "a pretraining_share above 0 needs a pretraining_dataset",
        ),
        rule(
            "mixture_buffer_pairs",
            "buffer_pairs IS NULL OR buffer_pairs > 0",
            "buffer_pairs must be above 0, or NULL for unlimited",
        ),
        rule(
            "mixture_buffer_policy",
            "buffer_policy IS NULL OR (buffer_pairs IS NOT NULL AND buffer_share > 0)",
            "a buffer_policy chooses what a bounded buffer keeps: it needs buffer_pairs and a buffer_share above 0",
        ),
        *json_columns("mixture", "OBJECT", "selection_params"),
    )
    name: str = column("the word a trial uses", key=True)
    update_share: float = column("of the task's own pairs", Double)
    buffer_share: float = column(
        "of pairs of earlier tasks; in the first task it goes to the other two", Double
    )
    pretraining_share: float = column("of the pretraining pool", Double)
    pretraining_dataset: str | None = column(
        "the pretraining pool", to="dataset.name", nullable=True
    )
    buffer_pairs: int | None = column(
        "size of the buffer; NULL: unlimited", BigInteger, nullable=True
    )
    buffer_policy: str | None = column(
        "what a bounded buffer keeps: a function of streams/buffers.py; NULL: a new choice among all earlier pairs for each task",
        nullable=True,
    )
    selection: str = column("how pairs are chosen among candidates", default="'none'")
    selection_params: dict[str, Any] = params("of the selection")
    note: str | None = note()


class Method(SQLModel, table=True):
    """How a task changes the weights: parts that combine, and two rules."""

    __table_args__ = (
        one_of("method_start", '"start"', STARTS),
        one_of("method_deploy", "deploy", DEPLOYS),
        *json_columns(
            "method",
            "OBJECT",
            "tuning_params",
            "objective_params",
            "merging_params",
            "repair_params",
        ),
    )
    name: str = column("the word a trial uses", key=True)
    tuning: str = column("which parameters move: a file in methods/tuning/", default="'full'")
    tuning_params: dict[str, Any] = params("of the tuning; its dataclass fields are the keys")
    objective: str = column(
        "what the loss asks for: a file in methods/objectives/, or several joined by + and summed",
        default="'contrastive'",
    )
    objective_params: dict[str, Any] = params(
        "of the objective; keyed by name when several are joined"
    )
    merging: str = column("how weights combine: a file in methods/merging/", default="'none'")
    merging_params: dict[str, Any] = params("of the merging; its keyword arguments are the keys")
    start: str = column(
        "weights the next task begins from: last, merged, initial or random", default="'last'"
    )
    deploy: str = column("weights that are measured and shipped: last or merged", default="'last'")
    repair: str | None = column("a stage after the task; NULL: none", nullable=True)
    repair_params: dict[str, Any] = params("of the repair")
    note: str | None = note()


class Recipe(SQLModel, table=True):
    """How the optimizer goes about it."""

    __table_args__ = (
        rule("recipe_lr", "lr > 0", "lr must be above 0"),
        rule("recipe_weight_decay", "weight_decay >= 0", "weight_decay must be at least 0"),
        rule(
            "recipe_clip_norm",
            "clip_norm IS NULL OR clip_norm > 0",
            "clip_norm must be above 0, or NULL for none",
        ),
        rule(
            "recipe_batch_pairs",
            "batch_pairs >= 2",
            "batch_pairs must be at least 2: a contrastive loss needs a negative",
        ),
        one_of("recipe_precision", '"precision"', PRECISIONS),
        *json_columns(
            "recipe",
            "OBJECT",
            "optimizer_params",
            "schedule_params",
            "augmentation_params",
            "compute_params",
        ),
    )
    name: str = column("the word a trial uses", key=True)
    optimizer: str = column("a function of methods/optimizers.py", default="'adamw'")
    optimizer_params: dict[str, Any] = params(
        "of the optimizer; its keyword arguments are the keys"
    )
    lr: float = column("peak learning rate", Double)
    weight_decay: float = column("decoupled weight decay", Double, default="0")
    clip_norm: float | None = column("gradient norm limit; NULL: none", Double, nullable=True)
    batch_pairs: int = column("pairs per step", Integer)
    precision: str = column("fp32, bf16 or fp16", default="'fp32'")
    schedule: str = column("a function of methods/schedules.py", default="'cosine'")
    schedule_params: dict[str, Any] = params("of the schedule; its keyword arguments are the keys")
    augmentation_params: dict[str, Any] = params("of the image augmentation; empty: none")
    compute_params: dict[str, Any] = params(
        "how a step is computed, where that can change a number; empty: plainly, on one device"
    )
    note: str | None = note()


class Budget(SQLModel, table=True):
    """What a trial may spend over the whole stream; the steps of a task are derived from it."""

    __table_args__ = (
        one_of("budget_unit", "unit", UNITS),
        one_of("budget_charging", "charging", CHARGINGS),
        rule("budget_total", "total > 0", "total must be above 0"),
    )
    name: str = column("the word a trial uses", key=True)
    unit: str = column("maf_gflops (memory-adjusted), gflops, steps or pairs")
    total: float = column("of that unit, over all tasks together", Double)
    charging: str = column(
        "once: one-off phases are charged when they run; per_step: at every step, as FoMo-in-Flux prints it",
        default="'once'",
    )
    note: str | None = note()


class Trial(SQLModel, table=True):
    """A sentence: a backbone learns a stream, drawn in a mixture, by a method, with a recipe, within a budget, from a seed."""

    __table_args__ = (rule("trial_seed", "seed >= 0", "seed must be 0 or more"),)
    id: int = column(
        "handle for people and folders; carries no key", BigInteger, default="nextval('trial_id')"
    )
    backbone: str = column("a backbone", key=True, to="backbone.name")
    stream: str = column("learns a stream", key=True, to="stream.name")
    mixture: str = column("drawn in a mixture", key=True, to="mixture.name")
    method: str = column("by a method", key=True, to="method.name")
    recipe: str = column("following a recipe", key=True, to="recipe.name")
    budget: str = column("within a budget", key=True, to="budget.name")
    seed: int = column("from a seed", BigInteger, key=True)
    priority: int = column("higher runs first", Integer, default="0")
    study: str | None = column("the question it was inserted for", nullable=True)
    created_at: datetime = created_at()


class Request(SQLModel, table=True):
    """A wish about a trial; the newest wins: the one inserted last."""

    __table_args__ = (one_of("request_wish", "wish", WISHES),)
    __mapper_args__: ClassVar[dict[str, Any]] = {"primary_key": ["trial", "serial"]}
    trial: int = column("the trial's id", BigInteger)
    wish: str = column("withdraw: end it; retry: grant it new attempts")
    reason: str | None = column("for people", nullable=True)
    created_at: datetime = created_at()
    serial: int = serial()
