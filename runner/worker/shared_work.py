"""Descriptions of work that trials may have in common, without the names that rows go by.

Two definitions that say the same of some work come to the same by it, so what one has done the
other may take over (`runner.worker.reuse`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schema.checks.parts import averages_steps
from schema.spec import Row, Spec

# Columns of a method that its training reads
LEARNS_BY = (
    "tuning",
    "tuning_params",
    "objective",
    "objective_params",
    "repair",
    "repair_params",
)
# Columns of a backbone that describe it; its weights are known by what they are
SEES_BY = ("architecture", "pretrained", "preprocessing")

Tasks = Sequence[Sequence[tuple[str, str]]]


@dataclass(frozen=True, kw_only=True)
class Work:
    """The training of one task, as the store knows it; it goes into the task's checkpoints."""

    # The digest of the state that it begins from; None where nothing is shared
    begun: str | None = None
    # Its name in the store; None where it can have none
    key: str | None = None


def learned_from(spec: Spec, tasks: Tasks) -> Row:
    """Return what a definition says of training `tasks`, without the names that rows go by.

    `tasks` are the stream's first ones, as concepts. What is merged, deployed and measured
    afterwards is not in it, and what a task begins from is known by its state.
    """
    method = {name: spec.method[name] for name in LEARNS_BY}
    # An average over steps takes part in every step
    if averages_steps(spec.method["merging"]):
        method["merging"] = spec.method["merging"]
        method["merging_params"] = spec.method["merging_params"]
    names = {dataset for task in tasks for dataset, _ in task}
    return {
        "backbone": {name: spec.backbone.get(name) for name in SEES_BY},
        "tasks": _as_lists(tasks),
        "datasets": _dataset_rows(spec, names),
        "mixture": _nameless(spec.mixture),
        "method": method,
        "recipe": _nameless(spec.recipe),
        "seed": spec.seed,
    }


def measured_on(spec: Spec, tasks: Tasks) -> Row:
    """Return what a definition says of measuring the untouched backbone.

    Only a label space of a task's classes knows of the stream.
    """
    members = spec.stream["suite"]["members"]
    by_task = any(member["label_space"] == "task" for member in members)
    return {
        "backbone": {name: spec.backbone.get(name) for name in SEES_BY},
        "suite": _nameless(spec.stream["suite"]),
        "datasets": _dataset_rows(spec, {member["dataset"] for member in members}),
        "tasks": _as_lists(tasks) if by_task else None,
    }


def _dataset_rows(spec: Spec, names: set[str]) -> list[Row]:
    return [dataset for dataset in spec.stream["datasets"] if dataset["name"] in names]


def _as_lists(tasks: Tasks) -> list[list[list[str]]]:
    return [[list(concept) for concept in task] for task in tasks]


def _nameless(row: Mapping[str, Any]) -> Row:
    return {key: value for key, value in row.items() if key != "name"}
