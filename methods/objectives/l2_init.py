"""L2 distance to the starting weights: the cheapest penalty on moving weights.

It is the control for every penalty that weighs parameters differently
(https://arxiv.org/abs/2308.11958; strong on pretrained towers: https://arxiv.org/abs/2203.17269).

    L = weight * |theta - theta_0|^2

theta_0 is the untouched backbone (`anchor` initial) or the weights that the task starts from
(`anchor` start). `weight` must be tuned: values from 1e-5 to 1e-2 are usual, and the default is the
largest of them. Memory: one copy of the weights. FLOPs: those of fine-tuning.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

from methods import FreshPairs, Objective, Task
from methods.compute.towers import Towers
from methods.objectives._embeddings import wide
from methods.objectives._importance import PerWeight, anchored, placed, pull
from streams import Batch

ANCHORS = ("initial", "start")


@dataclass
class L2Init(Objective):
    """The penalty alone; a method adds it to a loss: `contrastive+l2_init`."""

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
        """Keep a copy of the anchor; a resumed task restores it from its state."""
        self._anchor = anchored(model)
        if self.anchor == "initial":
            for name, held in self._anchor.items():
                self._anchor[name] = wide(task.initial[name]).to(held.device)

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the penalty at the present weights; of the batch only the device is used."""
        self._anchor = placed(self._anchor, batch.images.device)
        squares = pull(model, self._anchor)
        return batch.images.new_zeros(()) if squares is None else self.weight * squares

    def end(self, model: nn.Module, fresh: FreshPairs, towers: Towers) -> None:
        """Drop the anchor; the next task has its own."""
        self._anchor = {}

    def state_dict(self) -> dict[str, Tensor]:
        """Return the starting weights; the untouched backbone comes with each `begin`."""
        return dict(self._anchor) if self.anchor == "start" else {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a state; its tensors are moved to the model's device when they are needed."""
        if self.anchor == "start":
            self._anchor = dict(state)
