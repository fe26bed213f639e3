"""The tables of the catalog: axes (one row per choice), what people want, what happened.

Each class is one table, each field one column; the field's comment is its documentation, in the
file, in DuckDB and in docs/catalog.md. The classes are compiled to DDL by `schema.ddl` and never
used as an object mapper: people write SQL against these tables, so every constraint that plain SQL
must obey is in the DDL, where DuckDB enforces it whoever inserts.
"""

from sqlalchemy import Table
from sqlmodel import SQLModel

from schema.tables import axes, facts, labels, standing, streams, summaries, tags, trials
from schema.tables.columns import CONSTRAINTS
from schema.tables.trials import EVENT, TRIAL_ID

__all__ = ["CLASSES", "CONSTRAINTS", "EVENT", "TABLES", "TRIAL_ID"]

# In the order in which they are made: a table comes after those that its foreign keys refer to
CLASSES: tuple[type[SQLModel], ...] = (
    tags.PretrainedTag,
    axes.Backbone,
    streams.Dataset,
    streams.ConceptSequence,
    streams.SequenceConcept,
    streams.Suite,
    streams.SuiteMember,
    streams.Stream,
    axes.Mixture,
    axes.Method,
    axes.Recipe,
    axes.Budget,
    trials.Trial,
    trials.Measurement,
    trials.Request,
    standing.Study,
    standing.StandingGrid,
    labels.Tag,
    labels.Remark,
    facts.Attempt,
    facts.Submission,
    facts.Outcome,
    facts.Result,
    facts.Cost,
    facts.Progress,
    facts.Statistic,
    facts.Profile,
    facts.ReferenceResult,
    facts.Ingested,
    facts.Imported,
    facts.Policy,
    facts.Problem,
    facts.DiskUse,
    summaries.KeptSummary,
    summaries.KeptCost,
    summaries.KeptUntil,
    facts.Migration,
)
TABLES: list[Table] = [SQLModel.metadata.tables[str(each.__tablename__)] for each in CLASSES]
