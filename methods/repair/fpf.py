"""FPF: after a task, only the modules that forget most are fine-tuned, on the buffer (https://arxiv.org/abs/2304.04158).

Between tasks normalisation layers and the first and last layers change most, relative to what they change within a task; tuned
on a few pairs of earlier tasks, they take the rest of the network back with them. k-FPF is k such repairs at even intervals of a
stream that is otherwise trained without replay: one after every task, under a mixture without a buffer share. Memory: that of
partial tuning, at another time than training. Cost: `share` of the task's steps, which training goes without.
"""

from dataclasses import dataclass, field

from torch import nn

from methods import Repair, Task
from methods.parameters import freeze, moving, thaw


@dataclass
class Fpf(Repair):
    """By default the layer norms, the patch embedding and the two projections into the common space."""

    share: float = 0.05  # of the task's steps, at least one
    lr_scale: float = 1.0  # of the recipe's peak learning rate
    modules: tuple[str, ...] = (
        "ln_",
        "visual.conv1",
        "visual.proj",
        "text_projection",
    )  # beginnings within parameter names
    _frozen: list[str] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or not self.lr_scale > 0 or not self.modules:
            raise ValueError(
                f"fpf takes a share above 0 and below 1, lr_scale > 0 and one module or more, not {self}"
            )

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze all else.

        Raises:
            ValueError: no parameter has such a name.
        """
        self._frozen = freeze(
            model, lambda name: not any(f".{module}" in f".{name}" for module in self.modules)
        )
        found = moving(model)
        if not found:
            thaw(model, self._frozen)
            raise ValueError(
                f"fpf: no parameter that moves is named after one of {', '.join(self.modules)}"
            )
        return found

    def end(self, model: nn.Module) -> None:
        """Let all move again."""
        thaw(model, self._frozen)
