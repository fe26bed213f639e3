"""The line between the weights that two tasks in a row deployed, as encoders on it."""

from collections.abc import Callable
from functools import cache

import torch

from evals import Others
from methods import Weights
from runner.worker.backbone import Backbone
from runner.worker.evaluation import OtherWeights


class WeightLine:
    """The models on the line from the weights deployed before a task to those it deploys."""

    def __init__(self, backbone: Backbone, deployed: Callable[[int], Weights], task: int) -> None:
        """`deployed` returns what a task deployed, on the CPU; task 0 is the untouched backbone.

        It is asked of `task` and of the one before only where a model on the line is asked for.
        """
        self.backbone, self.deployed, self.task = backbone, deployed, task

    def at(self, share: float) -> OtherWeights:
        """Return the model at a share of the line: 0 is before the task, 1 is after it."""
        # The untouched backbone has nothing before it
        before = self.deployed(max(self.task - 1, 0))
        return OtherWeights(self.backbone, on_line(before, self.deployed(self.task), share))


def on_line(before: Weights, now: Weights, share: float) -> Weights:
    """Return before + share (now - before), tensor by tensor.

    Where both ends are equal to the bit, so is what lies between them. What is no float, such as a
    counter, is that of `now`.
    """
    weights = {}
    for name, end in now.items():
        if end.is_floating_point():
            weights[name] = torch.lerp(before[name], end, share)
        else:
            weights[name] = end
    return weights


def others(
    backbone: Backbone, initial: Weights, deployed: Callable[[int], Weights], task: int
) -> Others:
    """Return the weights that probes compare those of a task with.

    initial: the untouched backbone. `deployed` is that of `WeightLine`; what it returns is kept for
    as long as the task is measured.
    """
    line = WeightLine(backbone, cache(deployed), task)
    return Others(untouched=OtherWeights(backbone, initial), between=line.at)
