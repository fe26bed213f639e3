"""Reuse of work that another trial has left in the store: its name, and taking it over.

The name of a task's training is the sha256 of all that it depends on: what the definition says of
it, the state that it begins from, and what `Shelf.key` adds (code, packages, device).
"""

from collections.abc import Sequence

from methods.compute import compiled
from runner.run_folder import crash_point
from runner.worker.checkpoint import Position, digest
from runner.worker.shared_work import Work, learned_from, measured_on
from runner.worker.trained import Trained
from runner.worker.trial_parts import Trial


def work_of(trial: Trial, position: Position) -> Work:
    """Return the name of the training that goes on from a position."""
    state = position.state or {}
    begun = state.get("begun") if position.state is not None else _state_now(trial)
    if not begun:
        return Work()
    key = _training_key(trial, position.task, begun)
    # Begun by other code or elsewhere: what comes of it is nobody else's
    if position.state is not None and state.get("key") != key:
        key = None
    return Work(begun=begun, key=key)


def take_over(trial: Trial, work: Work) -> Trained | None:
    """Return what the training came to where some trial has left it in the store."""
    stored = trial.store.tasks.get(work.key)
    if stored is None:
        return None
    trained = Trained.of(stored.state, stored.shared)
    trial.learner.take_over(trained)
    return trained


def leave(trial: Trial, work: Work, trained: Trained) -> None:
    """Leave in the store, for others, what the training of a task came to."""
    trial.store.tasks.put(work.key, trained.state_dict())
    crash_point("stored")


def untouched_key(trial: Trial, shares: Sequence[float]) -> str | None:
    """Return the name of what the suite says of the untouched backbone, on parts of its tests."""
    return trial.store.untouched.key(
        measured=measured_on(trial.spec, trial.datasets.tasks),
        parts=shares,
        initial=trial.initial_digest,
    )


def _state_now(trial: Trial) -> str | None:
    """Return the digest of the state that a task begins from now; None where nothing is shared."""
    if trial.store.tasks.folder is None:
        return None
    return digest(trial.learner.state_dict())


def _training_key(trial: Trial, task: int, begun: str) -> str | None:
    learner, plan = trial.learner, trial.plan
    compiles = learner.choice.recipe.compile != "off"
    return trial.store.tasks.key(
        learned=learned_from(trial.spec, trial.datasets.tasks[:task]),
        task=task,
        steps=[plan.steps, plan.repair_steps(task)],
        begun=begun,
        initial=trial.initial_digest,
        compiler=compiled.version() if compiles else None,
    )
