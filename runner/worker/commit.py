"""The commit of a task: its files first, and its receipt last."""

import json
import logging
from dataclasses import asdict, dataclass, field
from typing import Any

from methods import Weights
from methods.compute import distributed
from runner import tensor_store
from runner.run_files import ITEMS, Assignment, FileEntry, Receipt, TableEntry, is_kept
from runner.run_folder import RunFolder, crash_point, write_json
from runner.worker import checkpoint, weights
from runner.worker.checkpoint import Position
from runner.worker.costs import Ledger
from runner.worker.evaluation import Evaluation, drift
from runner.worker.trial_parts import Trial
from runner.worker.unused import unused_rows
from runner.worker.weight_preprocessing import PREPROCESSING
from runner.worker.weights import DEPLOYED, LAST, NEWEST, kept_for, weights_file

Row = dict[str, Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A task that has come to its end; task 0 is the untouched backbone."""

    task: int
    evaluation: Evaluation
    ledger: Ledger
    deployed: Weights
    # What the next task begins from; None after task 0, as the model is that already
    following: Weights | None = None
    # Rows of the table `statistic`: what an image costs at inference
    inference: list[Row] = field(default_factory=list)
    # Rows of the table `progress`
    curve: list[Row] = field(default_factory=list)
    # Rows of the table `statistic`: how the pictures were decoded
    pictures: list[Row] = field(default_factory=list)
    # Rows of the table `statistic`: the shares of each segment, and what they were said from
    mixed: list[Row] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A task that was measured later, without training."""

    spec_id: str
    assignment: Assignment
    task: int
    evaluation: Evaluation
    ledger: Ledger


def commit(trial: Trial, finished: Finished) -> None:
    """Write what a task brought: tables, weights, the next task's checkpoint, and the receipt last.

    Of several processes the first writes. Afterwards the model holds what the next task begins
    from, and files that nothing asks for any more are gone.
    """
    # polars starts threads when it is imported, which a process that forks workers must not have
    from runner.result_files import write_tables

    task, first = finished.task, distributed.rank() == 0
    tables = _tables(trial, finished)
    # How many items could not be read is no result, but whoever wonders finds them in the log
    for line in trial.datasets.unreadable():
        log.warning("%s", line)
    files = write_tables(trial.run, task, tables) if first else {}
    if first:
        files |= _write_items(trial.run, task, finished.evaluation)
    weight_files = _write_weights(trial, task, finished.deployed) if task and first else {}
    crash_point("results")
    if finished.following is not None and task < trial.tasks:
        # Before the receipt: once a task counts, the next one can begin
        trial.learner.load_weights(finished.following)
        state = trial.learner.state_dict() | {"choice": trial.learner.choice.facts}
        checkpoint.save(trial.run, trial.spec.id, Position(task=task + 1, state=state))
    if not first:
        return
    crash_point("receipt")
    receipt = Receipt(
        trial=trial.assignment.trial,
        attempt=trial.assignment.attempt,
        spec_id=trial.spec.id,
        task=task,
        files=files,
        weights=weight_files,
    )
    _vouch(trial.run, receipt)
    checkpoint.drop_before(trial.run, task + 1)
    weights.drop_before(trial.run, task, trial.assignment.keep_weights)


def commit_measured(run: RunFolder, measured: Measured) -> None:
    """Write what a measurement brought of a task: tables, and the receipt last, without weights."""
    # As in `commit`
    from runner.result_files import write_tables

    tables: dict[str, list[Row]] = {
        "result": measured.evaluation.results,
        "cost": measured.ledger.rows(measured.task),
        "progress": [],
        "statistic": [],
    }
    files = write_tables(run, measured.task, tables)
    files |= _write_items(run, measured.task, measured.evaluation)
    crash_point("results")
    receipt = Receipt(
        trial=measured.assignment.trial,
        attempt=measured.assignment.attempt,
        spec_id=measured.spec_id,
        task=measured.task,
        files=files,
        weights={},
    )
    crash_point("receipt")
    _vouch(run, receipt)


def _vouch(run: RunFolder, receipt: Receipt) -> None:
    """Write a receipt: from here on the task is done, whatever happens to this attempt."""
    write_json(run.path / f"task-{receipt.task:04d}.json", asdict(receipt))


def _write_items(run: RunFolder, task: int, evaluation: Evaluation) -> dict[str, TableEntry]:
    """Write what became of each test item, where the suite keeps it; return the receipt's entry."""
    if evaluation.items is None:
        return {}
    return {ITEMS: evaluation.items.write(run, task)}


def _tables(trial: Trial, finished: Finished) -> dict[str, list[Row]]:
    """Return the rows that a task brings, by table."""
    task = finished.task
    statistics = (
        drift(finished.deployed, trial.initial, task) + finished.inference + finished.pictures
    )
    statistics += finished.mixed
    if task:
        statistics += trial.learner.choice.rows(task)
    statistics += unused_rows(trial.datasets, task)
    tables = {
        "result": finished.evaluation.results,
        "cost": finished.ledger.rows(task),
        "progress": finished.curve,
        "statistic": statistics,
    }
    # What the budget was solved from is known before any task
    if task == 0 and trial.solved.profile:
        tables["profile"] = trial.solved.profile
        tables["statistic"] = statistics + trial.solved.statistics
    return tables


def _write_weights(trial: Trial, task: int, deployed: Weights) -> dict[str, FileEntry]:
    """Write the deployed weights; return the receipt's entries for all weights that are kept."""
    # Whoever begins with these weights must see its images as they were seen here
    images = json.dumps(asdict(trial.learner.backbone.preprocessing))
    metadata = {PREPROCESSING: images}
    kinds = kept_for(trial.learner.method)
    # No single file is what an ensemble deploys, so none goes by that name
    own = DEPLOYED if trial.learner.method.ensemble is None else NEWEST
    paths = {}
    if own == DEPLOYED or LAST not in kinds:
        stays = task == trial.tasks or is_kept(trial.assignment.keep_weights, task)
        paths[own] = trial.history.save(task, own, deployed, metadata, stays)
    for kind in kinds:
        paths[kind] = weights_file(trial.run, task, kind)
    entries = {}
    for name, path in paths.items():
        # The same digest wherever the tensors lie, so that attempts can be compared by it
        entries[name] = FileEntry(file=path.name, sha256=tensor_store.digest(path))
    return entries
