"""L2 to where training began: the cheapest way to hold weights back, and the control for every penalty that weighs them
(https://arxiv.org/abs/2308.11958; strong on pretrained towers: https://arxiv.org/abs/2203.17269).

    L = weight * |theta - theta_0|^2

theta_0 is the untouched backbone (`anchor` initial) or the weights that the task starts from (`anchor` start). `weight` must be
tuned: values from 1e-5 to 1e-2 are usual, and the default is the largest of them. Memory: one copy of the weights. FLOPs: those
of fine-tuning.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

from methods import Objective, Task
from methods.compute.towers import Towers
from methods.objectives._embeddings import wide
from methods.objectives._importance import PerWeight, anchored, placed, pull
from streams import Batch

ANCHORS = ("initial", "start")


@dataclass
class L2Init(Objective):
    """The penalty alone; a method joins it to a loss: `contrastive+l2_init`."""

    weight: float = 0.01
    anchor: str = "initial"
    penalty: ClassVar[bool] = True
    _anchor: PerWeight = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.anchor not in ANCHORS:
            raise ValueError(
                f"l2_init: unknown anchor {self.anchor!r}. Allowed: {', '.join(ANCHORS)}."
            )
        if self.weight < 0:
            raise ValueError(f"l2_init takes no negative weight, not {self.weight}")

    def begin(self, model: nn.Module, task: Task) -> None:
        """Take the anchor; a task that is resumed brings its start with its state."""
        self._anchor = anchored(model)
        if self.anchor == "initial":
            self._anchor = {
                name: wide(task.initial[name]).to(held.device)
                for name, held in self._anchor.items()
            }

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """The penalty at the present weights; the batch plays no part but to say where to compute."""
        self._anchor = placed(self._anchor, batch.images.device)
        squares = pull(model, self._anchor)
        return batch.images.new_zeros(()) if squares is None else self.weight * squares

    def end(self, model: nn.Module, batches: Iterator[Batch], towers: Towers) -> None:
        """The next task takes its own anchor."""
        self._anchor = {}

    def state_dict(self) -> dict[str, Tensor]:
        """Where the task started; the untouched backbone is told at every begin."""
        return dict(self._anchor) if self.anchor == "start" else {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The reverse; the tensors move to the model's device when they are first needed."""
        if self.anchor == "start":
            self._anchor = dict(state)
