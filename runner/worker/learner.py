"""The learner of a trial: its model, its method's parts, and what they remember between tasks."""

from methods import Weights, method, optimizers
from methods.compute import distributed
from methods.compute.towers import Towers
from runner.worker.autotune import Choice
from runner.worker.backbone import Backbone
from runner.worker.checkpoint import State
from runner.worker.trained import Trained
from schema.checks.compute import Compute
from schema.spec import Spec


class Learner:
    """The state that a task begins from and hands on to the next one."""

    def __init__(self, spec: Spec, backbone: Backbone) -> None:
        self.spec, self.backbone = spec, backbone
        self.method = method(spec.method)
        towers = Towers.of(Compute.of(spec.recipe), backbone.model, distributed.joined())
        self.choice = Choice(towers)
        # What the optimizer remembers, where the recipe carries it on
        self.memory: optimizers.Memory = {}

    def load_weights(self, weights: Weights) -> None:
        """Put the weights of a plain CLIP into the model."""
        self.backbone.model.load_state_dict(dict(weights))

    def remember(self, memory: optimizers.Memory) -> None:
        """Hand what the optimizer remembers on to the next task."""
        self.memory = memory

    def take_over(self, trained: Trained) -> None:
        """Become what another trial was after a task; the model's weights are left to the caller.

        The parts are made anew, so that nothing of this trial's own is mixed into their state.
        """
        self.method = method(self.spec.method)
        self.method.load_state_dict(trained.method)
        self.choice.load_state_dict(dict(trained.choice))

    def state_dict(self) -> State:
        """Return what a task that begins now begins from."""
        return {
            "model": dict(self.backbone.model.state_dict()),
            "method": self.method.state_dict(),
            "memory": self.memory,
        }

    def load_state_dict(self, state: State) -> None:
        """Go on from the checkpoint of a task that has not begun."""
        self.load_weights(state["model"])
        self.method.load_state_dict(state["method"])
        self.memory = state["memory"]
