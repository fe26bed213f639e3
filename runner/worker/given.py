"""The checkpoint of a task, in the place of its training: what the tuning `given` learns.

Nothing of the stream's training data is opened. A checkpoint is whatever a backbone may be read
from (`runner.worker.weight_files`); one of the image tower alone leaves the other weights at the
backbone's.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from methods import Weights
from methods.compute import distributed
from runner.worker import weight_files
from runner.worker.architecture import activation, model_config, other_activation
from runner.worker.backbone import ArchitectureError, WeightsError
from runner.worker.costs import Ledger
from runner.worker.load_weights import MismatchError, load_into
from runner.worker.trained import Trained
from runner.worker.trial_parts import Trial
from runner.worker.weight_files import UnreadableWeightsError
from schema.checks import given

# The phase of costs
PHASE = "given"
# What the names of an image tower's tensors begin with
IMAGE_TOWER = "visual."


def take_given(trial: Trial, task: int) -> Trained:
    """Return the checkpoint of a task as what its training came to; the model holds it afterwards.

    Raises:
        WeightsError: nothing is at its place.
        ArchitectureError: what lies there is no checkpoint of the backbone; says what it is.
    """
    ledger, learner = Ledger(), trial.learner
    with ledger.phase(PHASE):
        learner.load_weights(trial.initial)
        _load(trial, _path(trial, task))
        state = learner.backbone.model.state_dict()
        last = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
    distributed.agreed()
    return Trained(
        last=last,
        method=learner.method.state_dict(),
        memory={},
        ledger=ledger,
        curve=[],
        choice=learner.choice.state_dict(),
    )


def _path(trial: Trial, task: int) -> Path:
    """Return where the checkpoint of a task lies on this machine."""
    spec, assignment = trial.spec, trial.assignment
    place = given.places(spec.method, spec.stream, spec.backbone["name"])[task - 1]
    data = Path(assignment.data)
    if place in assignment.given_weights:
        return Path(assignment.given_weights[place])
    path = given.found(place, data)
    if path is None:
        raise WeightsError(
            f"task {task} is given its weights, and there is no checkpoint at {data / place}. Put "
            "it there, or name its place in tuning_params, and request a retry"
        )
    return path


def _load(trial: Trial, path: Path) -> None:
    """Load a checkpoint into the model of the trial."""
    architecture = trial.spec.backbone["architecture"]
    try:
        read = weight_files.read(path, lambda base: Path(base) if Path(base).exists() else None)
        quick_gelu = bool(
            model_config(architecture, Path(trial.assignment.data)).get("quick_gelu", False)
        )
        if read.quick_gelu is not None and read.quick_gelu != quick_gelu:
            raise ArchitectureError(
                f"{path}, {read.kind}, was trained with {activation(read.quick_gelu)}, and "
                f"{architecture[:60]} computes {activation(quick_gelu)}. Name a backbone of "
                f"{other_activation(architecture, read.quick_gelu)}"
            )
        load_into(trial.learner.backbone.model, _completed(read.tensors, trial.initial))
    except (UnreadableWeightsError, MismatchError) as error:
        raise ArchitectureError(
            f"{path} is no checkpoint of backbone {trial.spec.backbone['name']!r}: {error}"
        ) from error


def _completed(tensors: Mapping[str, Tensor], initial: Weights) -> Weights:
    """Return the tensors of a checkpoint, with the backbone's where it is an image tower alone."""
    if any(not name.startswith(IMAGE_TOWER) for name in tensors):
        return tensors
    return {**initial, **tensors}
