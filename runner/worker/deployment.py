"""The merge stage: which weights a task deploys, and from which the next task starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from methods import Weights
from methods.compute import distributed
from runner.worker import backbone as backbones
from runner.worker.trained import Trained
from runner.worker.trial_parts import Trial
from runner.worker.weights import FOLDED, LAST, MERGED, RUNNING, kept_for
from streams.seeds import seed_of


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The weights that come of a task, on the CPU and the same in every process."""

    # What is measured and shipped; of an ensemble its newest member
    deployed: Weights
    # The models of an ensemble, some of them on disk; none where one model is deployed
    members: Sequence[Weights] = ()
    # What the next task begins from
    following: Weights


def merge(trial: Trial, task: int, trained: Trained) -> Deployment:
    """Combine the weights of a task with those before it, as the method's row says.

    What a later task's merging will ask for is written to the run folder first. Charged to the
    ledger as the phase `merge`.
    """
    merging, last = trial.learner.method.merging, trained.last
    with trained.ledger.phase("merge"):
        # The first of several processes merges, and gives the others what came of it
        merged = _merged(trial, task, last) if distributed.rank() == 0 else {}
        merging.end()
    following = distributed.as_first(_start_of(trial, task + 1, last, merged))
    chosen = distributed.as_first(_chosen(merged, merging.deploy, last))
    ensemble = trial.learner.method.ensemble
    if ensemble is None:
        return Deployment(deployed=chosen, following=following)
    if MERGED in kept_for(trial.learner.method) and distributed.rank() == 0:
        trial.history.save(task, MERGED, chosen)
    members: Sequence[Weights]
    if ensemble.members == "all":
        members = trial.history.until(task, last)[1:]
    else:
        members = (trial.initial if ensemble.members == "ends" else chosen, last)
    return Deployment(deployed=last, following=following, members=members)


def _merged(trial: Trial, task: int, last: Weights) -> dict[str, Weights]:
    """Return the merged weights after a task, by what is combined (`Merging.asked`)."""
    merging, history = trial.learner.method.merging, trial.history
    running, parts = None, None
    kinds = kept_for(trial.learner.method)
    if LAST in kinds:
        history.save(task, LAST, last, stays=True)
    if FOLDED in kinds:
        parts = merging.take_in(history.folded(task - 1), trial.initial, last)
        # Written before it is used: finishing it changes nothing of it
        history.save_folded(task, parts)
    if RUNNING in kinds:
        running = merging.fold(trial.initial, history.running(task - 1), last, task)
        history.save(task, RUNNING, running)
    merged = {}
    for over in sorted(merging.asked):
        merged[over] = merging.merge(over, history.until(task, last), running, parts)
    return merged


def _start_of(trial: Trial, task: int, last: Weights, merged: Mapping[str, Weights]) -> Weights:
    """Return the weights that a task begins from, by the method's rule."""
    start = trial.spec.method["start"]
    if start == "initial":
        return trial.initial
    if start == "random":
        seed = seed_of(trial.spec.seed, "start", task)
        architecture = trial.spec.backbone["architecture"]
        fresh = backbones.build(architecture, seed, data=Path(trial.assignment.data))
        return dict(fresh.model.state_dict())
    if start == "merged":
        return _chosen(merged, trial.learner.method.merging.start, last)
    return last


def _chosen(merged: Mapping[str, Weights], over: str | None, last: Weights) -> Weights:
    """Return what was merged over one of the words of `Merging`; for None, the last weights."""
    return merged.get(over, last) if over is not None else last
