"""FPF: after a task, fine-tune only the modules that forget most, on the buffer.

(https://arxiv.org/abs/2304.04158)

Between tasks normalisation layers and the first and last layers change most, relative to what they
change within a task; tuned on a few pairs of earlier tasks, they restore what the rest of the
network can do. k-FPF is k such repairs at even intervals of a stream that is otherwise trained
without replay: one after every task, under a mixture without a buffer share. Memory: that of
partial tuning, not at the same time as training's. Cost: `share` of the task's steps, by which
training is shortened.
"""

from dataclasses import dataclass, field

from torch import nn

from methods import Repair, Task
from methods.parameters import freeze, moving, thaw


@dataclass
class Fpf(Repair):
    """Fine-tuning of some modules; by default norms, patch embedding and both projections."""

    # The share of the task's steps, at least one step
    share: float = 0.05
    # The factor of the recipe's peak learning rate
    lr_scale: float = 1.0
    # The modules to tune: how a word in their parameters' names begins
    modules: tuple[str, ...] = ("ln_", "visual.conv1", "visual.proj", "text_projection")
    _frozen: list[str] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or not self.lr_scale > 0 or not self.modules:
            raise ValueError(
                "fpf takes a share above 0 and below 1, lr_scale > 0 and one module or more, not "
                f"{self}"
            )

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze all other parameters, and return those that move.

        Raises:
            ValueError: no trainable parameter belongs to one of the modules.
        """
        self._frozen = freeze(model, lambda name: not self._repairs(name))
        parameters = moving(model)
        if not parameters:
            thaw(model, self._frozen)
            raise ValueError(
                f"fpf: no parameter that moves is named after one of {', '.join(self.modules)}"
            )
        return parameters

    def end(self, model: nn.Module) -> None:
        """Make all parameters trainable again."""
        thaw(model, self._frozen)

    def _repairs(self, name: str) -> bool:
        """Return whether a parameter belongs to one of the modules."""
        return any(f".{module}" in f".{name}" for module in self.modules)
