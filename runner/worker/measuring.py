"""An attempt that trains nothing: it measures on another suite what a trial has deployed.

Its definition is that of the trial with what to measure (`Spec.measures`). The weights are those
that the receipts of the trial's own attempts vouch for; the values are those that the trial would
have brought if the suite had been its stream's from the start, to the last bit.

Several measurements of a job are done by one process, one after another (`waiting_beside`), so that
the backbone and the test sets are opened once for all of them.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from methods import Weights
from runner import tensor_store
from runner.records import DamagedFileError
from runner.run_files import Assignment
from runner.run_folder import RunFolder, crash_point, done_tasks
from runner.submission import Submission, submission_folder
from runner.worker import backbone as backbones
from runner.worker import tensor_files
from runner.worker.backbone import Backbone
from runner.worker.checkpoint import digest
from runner.worker.commit import Measured, commit_measured
from runner.worker.costs import Entry, Ledger
from runner.worker.datasets import Datasets, ImageSettings
from runner.worker.evaluation import (
    Evaluation,
    SuiteTests,
    examples_of,
    measure_suite,
)
from runner.worker.items import ItemRecord
from runner.worker.outcome import StopFlag, StoppedError
from runner.worker.pixel_store import open_pixels
from runner.worker.shared_store import open_store
from runner.worker.shared_work import measured_on
from runner.worker.suites import shares
from runner.worker.weight_line import others
from runner.worker.weights import DEPLOYED
from schema.spec import Spec, canonical

# The phase of costs: a trial is not charged for what is measured later
PHASE = "measure"

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Untrained:
    """A backbone as it was before any task."""

    backbone: Backbone
    # Its weights, on the CPU
    initial: Weights
    # The sha256 of these
    digest: str


class Bench:
    """The backbone and the test sets of the last measurement, for the next one of this process."""

    def __init__(self) -> None:
        self.untrained: tuple[str, Untrained] | None = None
        self.datasets: tuple[str, Datasets] | None = None

    def backbone(self, spec: Spec, assignment: Assignment) -> Untrained:
        """Return the backbone of a definition, loaded anew where the last one was another."""
        # Without weights to begin from, the seed says what they are
        seed = spec.seed if spec.backbone["pretrained"] is None else None
        key = canonical([spec.backbone, assignment.backbone_weights, assignment.data, seed])
        if self.untrained is None or self.untrained[0] != key:
            data = Path(assignment.data)
            backbone = backbones.load(spec.backbone, assignment.backbone_weights, spec.seed, data)
            state = backbone.model.state_dict()
            initial = {name: tensor.cpu().clone() for name, tensor in state.items()}
            untrained = Untrained(
                backbone=backbone, initial=initial, digest=digest({"model": dict(initial)})
            )
            self.untrained = (key, untrained)
            # The test sets are made for the images that a backbone takes
            self.datasets = None
        return self.untrained[1]

    def test_sets(self, spec: Spec, assignment: Assignment, backbone: Backbone) -> Datasets:
        """Return the datasets of a suite, opened anew where the last one was another.

        `spec` has the suite as that of its stream.
        """
        compute = spec.recipe.get("compute_params")
        key = canonical([spec.stream | {"name": ""}, compute, assignment.data])
        if self.datasets is None or self.datasets[0] != key:
            images = ImageSettings(
                px=backbone.image_px,
                device=backbone.device,
                preprocessing=backbone.preprocessing,
                decoded=open_pixels(assignment, backbone.image_px),
            )
            data = Path(assignment.data)
            self.datasets = (key, Datasets(spec, data, assignment.workers, images))
        return self.datasets[1]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """An attempt that measures, with all that it works with."""

    run: RunFolder
    spec: Spec
    # The definition as if the suite were that of its stream
    measured: Spec
    assignment: Assignment
    untrained: Untrained
    datasets: Datasets
    # The attempts of the trial that trained, newest first
    trained: list[RunFolder]


def measure_later(run: RunFolder, stop: StopFlag, bench: Bench) -> None:
    """Measure every task that no attempt of this measurement has, and commit each.

    Sets torch's threads for this process.

    Raises:
        StoppedError: it was told to end; the tasks that are committed count.
        DamagedFileError: the weights of a task are gone, or no longer as they were written.
    """
    measurement = _set_up(run, bench)
    # Restore: what an earlier attempt has committed is not measured again
    finished = done_tasks(run.relatives(measurement.spec))
    for task in _tasks(measurement.spec):
        if task in finished:
            continue
        _end_where_told(run, stop, task)
        ledger = Ledger()
        # Load: what the task deployed, as its receipt vouches for it
        measurement.untrained.backbone.model.load_state_dict(dict(_deployed(measurement, task)))
        # Evaluate: as the trial itself would have done it
        evaluation = _evaluated(measurement, task, ledger)
        # Commit: the receipt comes last
        brought = Measured(
            spec_id=measurement.spec.id,
            assignment=measurement.assignment,
            task=task,
            evaluation=evaluation,
            ledger=ledger,
        )
        commit_measured(run, brought)
        for line in measurement.datasets.unreadable():
            log.warning("%s", line)
        crash_point("measured")


def waiting_beside(run: RunFolder) -> Iterator[RunFolder]:
    """Return the other measurements of the same job that nobody has begun, one after another.

    There are none beside an attempt that trains.
    """
    with contextlib.suppress(DamagedFileError):
        assignment = run.assignment()
        runs = run.path.parent.parent
        submission = Submission.read(submission_folder(runs, assignment.batch))
        if assignment.measures is None or submission is None:
            return
        for path in submission.attempts(assignment.position):
            other = RunFolder(path)
            if other.claimed or other.told_to_stop:
                continue
            with contextlib.suppress(DamagedFileError):
                if other.assignment().measures is not None:
                    yield other


def log_to(run: RunFolder) -> None:
    """Write what this process prints from now on to the log of another attempt."""
    with (run.path / "log.txt").open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _set_up(run: RunFolder, bench: Bench) -> Measurement:
    """Open everything that the definition and the assignment of a run folder name."""
    spec, assignment = run.spec(), run.assignment()
    torch.set_num_threads(assignment.threads)
    # As in training: the FLOPs of its fused kernel are not counted
    torch.backends.mha.set_fastpath_enabled(False)
    measures = _measures(spec)
    stream = spec.stream | {"suite": measures["suite"], "datasets": measures["datasets"]}
    measured = replace(spec.trained, stream=stream)
    untrained = bench.backbone(spec, assignment)
    return Measurement(
        run=run,
        spec=spec,
        measured=measured,
        assignment=assignment,
        untrained=untrained,
        datasets=bench.test_sets(measured, assignment, untrained.backbone),
        trained=run.relatives(spec.trained),
    )


def _measures(spec: Spec) -> dict[str, Any]:
    """Return what an attempt measures."""
    assert spec.measures is not None
    return spec.measures


def _tasks(spec: Spec) -> list[int]:
    """Return the tasks that are measured, in order."""
    return sorted(int(task) for task in _measures(spec)["tasks"])


def _end_where_told(run: RunFolder, stop: StopFlag, task: int) -> None:
    """Raise where the job's time is up, or sync wants the attempt to end."""
    kind = stop.raised or ("preempted" if run.told_to_stop else None)
    if kind is not None:
        raise StoppedError(kind, f"told to end ({kind}) before task {task} was measured")


def _deployed(measurement: Measurement, task: int) -> Weights:
    """Return what a task deployed; of task 0, the untouched backbone.

    Raises:
        DamagedFileError: no attempt has it as it was written.
    """
    if task == 0:
        return measurement.untrained.initial
    damage: list[str] = []
    for run in measurement.trained:
        receipt = run.receipts().get(task)
        entry = receipt.weights.get(DEPLOYED) if receipt is not None else None
        # A changed byte would be another model under this trial's name
        if entry is not None and run.holds(entry):
            return tensor_files.load(run.path / entry.file)
        if entry is not None:
            damage += tensor_store.damages(run.path / entry.file)
    path, listed = measurement.run.path.parent, f" ({'; '.join(damage)})" if damage else ""
    raise DamagedFileError(
        path,
        f"no longer holds the weights that task {task} deployed, or they are not as they were "
        f"written{listed}. Put the file back from a copy and request a retry, or leave that task "
        "out",
    )


def _step(measurement: Measurement, task: int) -> int:
    """Return after how many steps of a task it was measured as it ended."""
    held = done_tasks(measurement.trained)
    if task not in held:
        path = measurement.run.path.parent / f"task-{task:04d}.json"
        raise DamagedFileError(path, "is in none of the trial's attempts, or vouches for nothing")
    run, receipt = held[task]
    # polars starts threads when it is imported, which a process that forks workers must not have
    import polars as pl

    steps = pl.read_parquet(run.path / receipt.files["result"].file, columns=["step"])
    return int(steps["step"].max() or 0)  # type: ignore[arg-type]


def _evaluated(measurement: Measurement, task: int, ledger: Ledger) -> Evaluation:
    """Return what the suite says of the weights that the model holds, charged to the ledger."""
    suite = measurement.measured.stream["suite"]
    parts = shares(suite, task, int(measurement.measured.stream["tasks"]))
    if task:
        return _measured(measurement, task, parts, ledger)
    # Every trial comes to the same by the untouched backbone, so one measures it for all
    shelf = open_store(measurement.assignment).untouched
    key = shelf.key(
        measured=measured_on(measurement.measured, measurement.datasets.tasks),
        parts=parts,
        initial=measurement.untrained.digest,
    )
    stored = shelf.get(key)
    if stored is not None:
        ledger.put(PHASE, Entry(**stored.state["entry"] | {"shared": stored.shared}))
        return Evaluation.from_state(stored.state)
    evaluation = _measured(measurement, task, parts, ledger)
    shelf.put(key, evaluation.state() | {"entry": vars(ledger.entries[PHASE])})
    return evaluation


def _measured(
    measurement: Measurement, task: int, parts: tuple[float, ...], ledger: Ledger
) -> Evaluation:
    """Measure the weights that the model holds."""
    backbone, datasets = measurement.untrained.backbone, measurement.datasets
    step = _step(measurement, task) if task else 0
    suite = measurement.measured.stream["suite"]
    tests = SuiteTests(
        suite=suite,
        tests=datasets.tests,
        brought=datasets.brought,
        items=ItemRecord.of(suite),
    )
    initial, deployed = measurement.untrained.initial, partial(_deployed, measurement)
    compared = others(backbone, initial, deployed, task)
    with ledger.phase(PHASE) as entry:
        results = measure_suite(backbone, tests, parts, task, step, compared)
        entry.pairs = examples_of(results)
        datasets.publish_decoded()
    return Evaluation(results=results, items=tests.items)
