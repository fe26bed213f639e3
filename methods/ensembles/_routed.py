"""Ensembles that ask one member for an image: which one, the untouched backbone's features tell.

Of an image's embedding only the part of its own member is not 0, so its product with a text's is
that member's logit.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor

from methods.ensembling import Rule, joined


class Routed(Rule):
    """A rule that chooses one member for each image, out of one member per task."""

    routes: ClassVar[bool] = True
    # Images of each task that are learned from
    pairs: int

    def learn(self, features: Tensor, task: int) -> None:
        """Take in (N, D) unit-norm features of images of a task, counted from 1, in order.

        Raises:
            ValueError: tasks before it were not learned.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Tensor]:
        """Return the statistics learned so far, on the CPU."""
        raise NotImplementedError

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` returned."""
        raise NotImplementedError

    def texts(self, embeddings: Sequence[Tensor], scales: Tensor) -> Tensor:
        """Return unit-norm text embeddings (N, K D), each member's part weighted by its scale."""
        return joined(embeddings, scales.square())


def check_order(learned: int, task: int) -> None:
    """Refuse a task that does not follow those that were learned.

    Raises:
        ValueError: tasks before it were not learned, or it was.
    """
    if task != learned + 1:
        raise ValueError(f"the ensemble has learned {learned} tasks, so task {task} is not next")
