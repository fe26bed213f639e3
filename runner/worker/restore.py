"""The restore stage: where a trial stands, as the run folders of its attempts say."""

from collections.abc import Collection
from dataclasses import replace

from methods.compute import distributed
from runner.worker import checkpoint
from runner.worker.checkpoint import Position
from runner.worker.trial_parts import Trial


def restore(trial: Trial, finished: Collection[int]) -> Position:
    """Put the learner back to the newest checkpoint, and return where it stands.

    `finished` are the tasks that have a receipt. A first start stands at task 1, with the backbone
    as it is; where all tasks are done, the position is behind the last one.
    """
    position = checkpoint.newest(trial.relatives, trial.spec.id, finished)
    # All processes have read before one of them writes
    distributed.agreed()
    if set(finished) >= set(range(1, trial.tasks + 1)):
        return Position(task=trial.tasks + 1)
    if position is None or position.state is None:
        return Position(task=1)
    trial.learner.choice.load_facts(position.state.get("choice", {}))
    if position.step == 0:
        trial.learner.load_state_dict(position.state)
        return replace(position, state=None)
    # In the middle of a task the parts begin it first, and then read the state
    return position
