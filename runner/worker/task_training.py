"""The training of a task of a trial: how it begins or goes on, and what it comes to."""

import logging
from collections.abc import Mapping
from typing import Any

from methods import Weights
from runner.worker.batches import mixture_batches
from runner.worker.checkpoint import Position
from runner.worker.costs import Ledger
from runner.worker.mixing import mixing_of
from runner.worker.repair import repairing
from runner.worker.trained import Trained
from runner.worker.training import REPAIR, Options, Training
from runner.worker.trial_parts import Trial
from runner.worker.validation import HeldOutPairs
from streams.batch_images import LEFT

log = logging.getLogger(__name__)


def begin_training(trial: Trial, position: Position) -> Training:
    """Begin a task, or go on with it from the checkpoint that the position holds."""
    learner = trial.learner
    about = trial.task(position.task, trial.plan.training_steps(position.task))
    batches = mixture_batches(
        trial.spec, trial.datasets, learner.backbone, about, trial.embeddings, trial.mark
    )
    validation = None
    if mixing_of(trial.spec).measured_pairs:
        validation = HeldOutPairs(trial.spec, trial.datasets, learner.backbone, about.number)
    options = Options(
        choice=learner.choice,
        validation=validation,
        embeddings=trial.embeddings,
        memory=learner.memory,
        state=position.state,
        mark=trial.mark,
    )
    return Training(trial.spec, learner.backbone, learner.method, about, batches, options)


def fold(trial: Trial, training: Training) -> Trained:
    """End a task's training on a plain CLIP, repair it where the method does, and sum it up."""
    task, ledger = training.task, training.costs.ledger
    last = training.fold()
    if trial.embeddings is not None:
        trial.embeddings.end(task)
    if trial.plan.repair_steps(task):
        last = _repair(trial, task, ledger)
    return Trained(
        last=last,
        method=trial.learner.method.state_dict(),
        memory=training.memory,
        ledger=ledger,
        curve=training.curve.rows,
        choice=training.choice.state_dict(),
        pictures=_left_to_pillow(task, training.batches.state_dict()),
        mixed=training.mixer.rows(),
    )


def _left_to_pillow(task: int, mixture: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the row of `statistic` that counts what a recipe's decoder left to Pillow.

    There is none where the recipe names no other decoder. Of a trial with several processes, it
    counts what the first one read.
    """
    left = mixture.get(LEFT)
    if left is None:
        return []
    log.info("%d of the task's pictures were left to Pillow", left)
    return [{"task": task, "name": LEFT, "part": "all", "value": float(left)}]


def _repair(trial: Trial, task: int, ledger: Ledger) -> Weights:
    """Return the weights after a task's repair, which begins from what the model holds.

    Charged to the ledger as the phase `repair`. A repair is short and writes no checkpoint: an
    attempt that dies in it goes back to the last checkpoint of the task.
    """
    assert trial.repair is not None
    backbone = trial.learner.backbone
    spec, method = repairing(trial.spec, trial.repair)
    about = trial.task(task, trial.plan.repair_steps(task))
    batches = mixture_batches(spec, trial.datasets, backbone, about)
    options = Options(phase=REPAIR, choice=trial.learner.choice)
    training = Training(spec, backbone, method, about, batches, options)
    for _ in training.steps_from(0):
        pass
    weights = training.fold()
    ledger.add(training.costs.ledger)
    return weights
