"""Memory aware synapses (https://arxiv.org/abs/1711.09601).

A penalty on moving the weights that the outputs of earlier tasks are sensitive to; it needs no
labels.

    L = weight * sum_i F_i (theta_i - theta*_i)^2
    after each task   F <- alpha * F + (1 - alpha) * F_task,   theta* <- theta
    F_task = mean over groups of fresh pairs of | d (|S|^2 / B) / d theta |
    S the (B, B) cosines of a group's images and texts

The paper takes the squared norm of one example's output. An embedding of CLIP has norm 1 whatever
the weights, so here the output of a pair is its row of similarities; and the absolute value is of a
group's gradient, not of each example's, which would take a backward pass for each. The temperature
is no part of S and gets no importance. Memory: two copies of the weights. Cost: one forward and
backward pass over `importance_pairs` pairs per task.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods import FreshPairs, Objective
from methods.compute.towers import Towers
from methods.objectives._embeddings import embeddings
from methods.objectives._importance import (
    Measure,
    PerWeight,
    anchored,
    measured,
    packed,
    placed,
    pull,
    unpacked,
)
from streams import Batch


@dataclass
class Mas(Objective):
    """The penalty alone; a method adds it to a loss: `contrastive+mas`."""

    weight: float = 0.1
    # The share of earlier tasks in the importance; the first task's is taken whole
    alpha: float = 0.5
    # How many pairs the importance is measured on, rounded up to whole groups
    importance_pairs: int = 50_000
    # Pairs whose similarities are computed together; 0: a batch as it is drawn
    importance_batch_pairs: int = 0
    needs: ClassVar[tuple[str, ...]] = ("fisher_pass",)
    penalty: ClassVar[bool] = True
    _importance: PerWeight = field(default_factory=dict, init=False, repr=False)
    _anchor: PerWeight = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        sizes = (self.importance_pairs, self.importance_batch_pairs)
        if min(self.weight, *sizes) < 0 or not 0 <= self.alpha <= 1:
            raise ValueError(f"mas takes no negative number, and alpha in [0, 1]: {self}")

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the penalty at the present weights; of the batch only the device is used."""
        self._importance = placed(self._importance, batch.images.device)
        self._anchor = placed(self._anchor, batch.images.device)
        squares = pull(model, self._anchor, self._importance)
        return batch.images.new_zeros(()) if squares is None else self.weight * squares

    def end(self, model: nn.Module, fresh: FreshPairs, towers: Towers) -> None:
        """Average in the task's importance, and anchor at the weights as trained."""

        def terms(group: Batch) -> Sequence[Tensor]:
            images, texts = embeddings(model, group, towers)
            with torch.autocast(images.device.type, enabled=False):
                return [(images @ texts.T).square().sum() / len(images)]

        measure = Measure(
            pairs=self.importance_pairs,
            group_pairs=self.importance_batch_pairs,
            terms=terms,
            fold=torch.abs,
        )
        importance = measured(model, fresh, measure, towers.ranks)
        earlier = placed(self._importance, next(model.parameters()).device)
        averaged = {}
        for name, new in importance.items():
            averaged[name] = new
            if name in earlier:
                averaged[name] = self.alpha * earlier[name] + (1 - self.alpha) * new
        weights = anchored(model)
        self._importance, self._anchor = averaged, {name: weights[name] for name in averaged}

    def state_dict(self) -> dict[str, Tensor]:
        """Return `importance.<parameter>` and `anchor.<parameter>`."""
        return packed(importance=self._importance, anchor=self._anchor)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a state; its tensors are moved to the model's device when they are needed."""
        self._importance, self._anchor = unpacked(state, "importance"), unpacked(state, "anchor")
