"""The words of a sentence, one table each: an axis, with one row per choice.

The table `stream`, which is one of them, is in `schema.tables.streams` with what it is made of.
"""

from typing import Any

from sqlalchemy import BigInteger, Double, Integer
from sqlmodel import SQLModel

from schema.tables.columns import column, constraint, json_columns, note, one_of, params

UNITS = ("maf_gflops", "gflops", "steps", "pairs")
CHARGINGS = ("once", "per_step")
COSTS = ("counted", "published")
STARTS = ("last", "merged", "initial", "random")
DEPLOYS = ("last", "merged", "ensemble")
PRECISIONS = ("fp32", "bf16", "fp16")


class Backbone(SQLModel, table=True):
    """The CLIP that a trial begins with."""

    __table_args__ = json_columns("backbone", "OBJECT", "preprocessing", "pretrained_with")
    name: str = column("the word a trial uses", key=True)
    architecture: str = column(
        "an open_clip model name; local-dir:<folder>, one that open_clip has written; or an "
        "open_clip configuration as JSON text"
    )
    pretrained: str | None = column(
        "NULL: random weights; an open_clip tag; the path of a file or folder of weights; "
        "trial:<id>: what that trial deployed last",
        nullable=True,
    )
    preprocessing: dict[str, Any] = params(
        "how its images are prepared, where that is not as its tag or folder says: mean, std, "
        "interpolation, resize_mode, fill_color"
    )
    pretrained_with: dict[str, Any] = params(
        "how its weights were pretrained, as published: optimizer and loss (softmax or sigmoid, "
        "with +captioning, +distillation or both); no part of a definition"
    )
    note: str | None = note()


class Mixture(SQLModel, table=True):
    """The sources of a training batch, and their shares."""

    __table_args__ = (
        constraint(
            "mixture_shares",
            "update_share >= 0 AND buffer_share >= 0 AND pretraining_share >= 0 "
            "AND abs(update_share + buffer_share + pretraining_share - 1) < 1e-9",
            "update_share, buffer_share and pretraining_share must be at least 0 and sum to 1",
        ),
        constraint(
            "mixture_update",
            "update_share > 0",
            "update_share must be above 0: a task learns from its own pairs",
        ),
        constraint(
            "mixture_pretraining",
            "pretraining_share = 0 OR pretraining_dataset IS NOT NULL",
            "a pretraining_share above 0 needs a pretraining_dataset",
        ),
        constraint(
            "mixture_buffer_pairs",
            "buffer_pairs IS NULL OR buffer_pairs > 0",
            "buffer_pairs must be above 0, or NULL for unlimited",
        ),
        constraint(
            "mixture_buffer_policy",
            "buffer_policy IS NULL OR (buffer_pairs IS NOT NULL AND buffer_share > 0)",
            "a buffer_policy chooses what a bounded buffer keeps: it needs buffer_pairs and a "
            "buffer_share above 0",
        ),
        constraint(
            "mixture_buffer_dataset",
            "buffer_dataset IS NULL OR (buffer_share > 0 AND buffer_pairs IS NULL)",
            "a buffer_dataset is all that the buffer holds: it needs a buffer_share above 0, and "
            "buffer_pairs must be NULL",
        ),
        constraint(
            "mixture_held_out_share",
            "held_out_share >= 0 AND held_out_share < 1",
            "held_out_share must be at least 0 and below 1",
        ),
        *json_columns("mixture", "OBJECT", "selection_params", "mixing_params"),
    )
    name: str = column("the word a trial uses", key=True)
    update_share: float = column("share of a batch that are the task's own pairs", Double)
    buffer_share: float = column(
        "share of a batch that are pairs of earlier tasks; in the first task it goes to the other "
        "two",
        Double,
    )
    pretraining_share: float = column(
        "share of a batch that are pairs of the pretraining pool", Double
    )
    pretraining_dataset: str | None = column(
        "the pretraining pool", to="dataset.name", nullable=True
    )
    buffer_pairs: int | None = column(
        "size of the buffer; NULL: unlimited", BigInteger, nullable=True
    )
    buffer_policy: str | None = column(
        "what a bounded buffer keeps: a function of streams/buffers.py; NULL: a new choice among "
        "all earlier pairs for each task",
        nullable=True,
    )
    selection: str = column("how pairs are chosen among candidates", default="'none'")
    selection_params: dict[str, Any] = params(
        "hyperparameters of the selection; its dataclass fields are the keys"
    )
    mixing: str | None = column(
        "who says the shares of each segment of a task: a file in methods/mixing/; NULL: a task "
        "is one segment, of the shares above",
        nullable=True,
    )
    mixing_params: dict[str, Any] = params(
        "hyperparameters of the mixing; its dataclass fields are the keys"
    )
    held_out_share: float = column(
        "share of the training pairs of each class that no step learns from, for a mixing to "
        "measure",
        Double,
        default="0",
    )
    buffer_dataset: str | None = column(
        "distilled pairs that the buffer holds in place of those seen: a class for each concept; "
        "NULL: those seen",
        to="dataset.name",
        nullable=True,
    )
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
            "ensemble_params",
        ),
    )
    name: str = column("the word a trial uses", key=True)
    tuning: str = column("which parameters move: a file in methods/tuning/", default="'full'")
    tuning_params: dict[str, Any] = params(
        "hyperparameters of the tuning; its dataclass fields are the keys"
    )
    objective: str = column(
        "what the loss asks for: a file in methods/objectives/, or several joined by + and summed",
        default="'contrastive'",
    )
    objective_params: dict[str, Any] = params(
        "hyperparameters of the objective; keyed by its name when several are joined"
    )
    merging: str = column("how weights combine: a file in methods/merging/", default="'none'")
    merging_params: dict[str, Any] = params(
        "hyperparameters of the merging; its keyword arguments are the keys"
    )
    start: str = column(
        "weights the next task begins from: last, merged, initial or random", default="'last'"
    )
    deploy: str = column(
        "weights that are measured and shipped: last, merged, or several models as an ensemble",
        default="'last'",
    )
    repair: str | None = column(
        "a stage after the task: a file in methods/repair/; NULL: none", nullable=True
    )
    repair_params: dict[str, Any] = params(
        "hyperparameters of the repair; its dataclass fields are the keys"
    )
    ensemble: str | None = column(
        "how several models answer as one: a file in methods/ensembles/; NULL: one model",
        nullable=True,
    )
    ensemble_params: dict[str, Any] = params(
        "hyperparameters of the ensemble; its dataclass fields are the keys, and members: all, "
        "ends or merged"
    )
    note: str | None = note()


class Recipe(SQLModel, table=True):
    """How a task is optimised: optimizer, learning rate, batch, precision, schedule, images."""

    __table_args__ = (
        constraint("recipe_lr", "lr > 0", "lr must be above 0"),
        constraint("recipe_weight_decay", "weight_decay >= 0", "weight_decay must be at least 0"),
        constraint(
            "recipe_clip_norm",
            "clip_norm IS NULL OR clip_norm > 0",
            "clip_norm must be above 0, or NULL for none",
        ),
        constraint(
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
        "hyperparameters of the optimizer; its keyword arguments are the keys"
    )
    lr: float = column("peak learning rate", Double)
    weight_decay: float = column("decoupled weight decay", Double, default="0")
    clip_norm: float | None = column("gradient norm limit; NULL: none", Double, nullable=True)
    batch_pairs: int = column("pairs per step", Integer)
    precision: str = column("fp32, bf16 or fp16", default="'fp32'")
    schedule: str = column("a function of methods/schedules.py", default="'cosine'")
    schedule_params: dict[str, Any] = params(
        "hyperparameters of the schedule; its keyword arguments are the keys"
    )
    augmentation_params: dict[str, Any] = params(
        "how images are changed before they are learned from; empty: not at all"
    )
    compute_params: dict[str, Any] = params(
        "how a step is computed, where that can change a number; empty: plainly, on one device"
    )
    note: str | None = note()


class Budget(SQLModel, table=True):
    """The most a trial may spend over the whole stream; the steps of a task are derived from it."""

    __table_args__ = (
        one_of("budget_unit", "unit", UNITS),
        one_of("budget_charging", "charging", CHARGINGS),
        one_of("budget_costs", "costs", COSTS),
        constraint(
            "budget_costs_unit",
            "costs = 'counted' OR unit IN ('maf_gflops', 'gflops')",
            "published costs are in GFLOPs: the unit must be maf_gflops or gflops",
        ),
        constraint("budget_total", "total > 0", "total must be above 0"),
    )
    name: str = column("the word a trial uses", key=True)
    unit: str = column("maf_gflops (memory-adjusted), gflops, steps or pairs")
    total: float = column("how much of that unit, over all tasks together", Double)
    charging: str = column(
        "once: one-off phases are charged when they run; per_step: at every step, as in "
        "FoMo-in-Flux's table",
        default="'once'",
    )
    costs: str = column(
        "what a step is said to cost: counted, on tensors without contents; published, as the view "
        "published_cost has it",
        default="'counted'",
    )
    note: str | None = note()
