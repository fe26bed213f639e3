"""Given: the weights after a task are a checkpoint that is there already, and nothing is trained.

So merging over time is studied on models that others have fine-tuned, as the suites of eight,
fourteen and twenty CLIPs are (task arithmetic, https://arxiv.org/abs/2212.04089; consensus merging,
https://arxiv.org/abs/2405.07813). What is merged, deployed and measured is as in any other method.
A checkpoint may hold the image tower alone; the rest is then the backbone's. Costs: reading files,
which is the phase `given`.

Where the checkpoints are is in `schema.checks.given`; `runner.worker.given` reads them.
"""

from dataclasses import dataclass

from torch import nn

from methods import Task, Tuning
from methods.parameters import freeze, thaw


@dataclass
class Given(Tuning):
    """Checkpoints by the names of the tasks.

    A task's name is that of its dataset, where it is one; else it is `task-0003`.
    """

    # A folder with a checkpoint for each task; "": given/BACKBONE in the data folder
    folder: str = ""
    # Checkpoints that are elsewhere, by the name of the task: a path, or trial:7
    places: dict[str, str] | None = None

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze everything: the task takes no steps."""
        self._frozen = freeze(model, lambda name: True)
        return []

    def end(self, model: nn.Module) -> None:
        """Make all parameters trainable again."""
        thaw(model, self._frozen)
