"""The tables of a stream: datasets, orders of concepts, suites, and the stream itself."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Double, Integer
from sqlmodel import SQLModel

from schema.tables.columns import column, constraint, json_columns, note, one_of, params

KINDS = ("classification", "retrieval", "captions")
ROLES = ("adapt", "retain", "probe")
LABEL_SPACES = ("task", "union", "all")


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
    """An order in which concepts arrive."""

    __tablename__ = "sequence"
    __table_args__ = (*json_columns("sequence", "ARRAY", "scores"),)
    name: str = column("the word a stream uses", key=True)
    ordering: str = column("how the order came about: random, time, similarity, ...")
    seed: int = column("seed of the ordering", BigInteger, default="0")
    source: str | None = column("file or query it came from", nullable=True)
    scores: list[float | None] = column(
        "the numbers that the order came from, a JSON list by position; empty: not known",
        JSON,
        default="'[]'",
    )
    note: str | None = note()


class SequenceConcept(SQLModel, table=True):
    """One concept of a sequence: the unit that tasks are cut from."""

    __tablename__ = "sequence_concept"
    __table_args__ = (
        constraint("sequence_concept_position", "position >= 1", "positions count from 1"),
    )
    sequence: str = column("the sequence", key=True, to="sequence.name")
    position: int = column("place in the order, from 1", Integer, key=True)
    dataset: str = column("where the concept's pairs are", to="dataset.name")
    concept: str = column("a class of the dataset")


class Suite(SQLModel, table=True):
    """A set of datasets that is measured after every task."""

    __table_args__ = (
        constraint(
            "suite_subset", "subset > 0 AND subset <= 1", "subset must be above 0 and at most 1"
        ),
    )
    name: str = column("the word a stream uses", key=True)
    subset: float = column(
        "share of each test set (at least 300 images, 2 of a class) that is measured between the "
        "first and the last task; 1: all of it",
        Double,
        default="1",
    )
    note: str | None = note()
    items: bool = column(
        "whether it is kept which test items were right, too: in a file beside the results of each "
        "task, which questions read where it lies",
        Boolean,
        default="false",
    )


class SuiteMember(SQLModel, table=True):
    """One dataset of a suite and the role its value plays."""

    __tablename__ = "suite_member"
    __table_args__ = (
        one_of("suite_member_role", "role", ROLES),
        one_of("suite_member_label_space", "label_space", LABEL_SPACES),
        constraint("suite_member_weight", "weight > 0", "weight must be above 0"),
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

    __table_args__ = (constraint("stream_tasks", "tasks >= 1", "tasks must be at least 1"),)
    name: str = column("the word a trial uses", key=True)
    sequence: str = column("the concepts in order", to="sequence.name")
    tasks: int = column("number of tasks T; the first n mod T are one concept longer", Integer)
    suite: str = column("what is measured", to="suite.name")
    note: str | None = note()
    validation: str | None = column(
        "the stream on which choices for this one are made; NULL: there is none", nullable=True
    )
