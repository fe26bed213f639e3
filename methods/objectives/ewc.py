"""Elastic weight consolidation (https://arxiv.org/abs/1612.00796).

With one running Fisher for all tasks, as in https://arxiv.org/abs/1805.06370: a penalty on moving
the weights that earlier tasks depended on.

    L = weight / 2 * sum_i F_i (theta_i - theta*_i)^2
    after each task   F <- decay * F + F_task,   theta* <- theta

F_task is a mean of squared gradients of the contrastive loss on fresh batches; `estimator` says
which gradients:

    batch    of the mean loss of each batch, as in FoMo-in-Flux: its scale falls with the batch
             size, so `weight` fits one size
    pair     of each pair's own term, (cross-entropy of its row + of its column) / 2: the empirical
             Fisher of naming the partner

A pair's term needs its whole batch for negatives, so `pair` takes a backward pass over the batch
for every pair in it; `fisher_batch_pairs` cuts batches into smaller ones for the Fisher alone, and
frees its scale from that of training. Gradients are taken on the plain CLIP after the tuning's end,
of all parameters, with the temperature of training. Memory: two copies of the weights. Cost: one
forward and backward pass over `fisher_pairs` pairs per task; with `pair`, as many backward passes
as a group has pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods import FreshPairs, Objective, Task
from methods.compute.towers import Towers
from methods.objectives._embeddings import embeddings, symmetric_loss
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

ESTIMATORS = ("batch", "pair")


@dataclass
class Ewc(Objective):
    """The penalty alone; a method adds it to a loss: `contrastive+ewc`.

    Before the end of the first task there is no Fisher, so nothing holds the first task back unless
    `start_fisher` > 0: then the weights that the first task begins from count as important, all
    equally, and with `fisher_pairs` 0 the penalty is plain L2.
    """

    weight: float = 1.0
    # The factor of the earlier tasks' Fisher, applied after each task
    decay: float = 1.0
    # How many pairs the Fisher is measured on, rounded up to whole groups
    fisher_pairs: int = 50_000
    # Pairs whose loss is computed together; 0: a batch as it is drawn
    fisher_batch_pairs: int = 0
    # Which gradient is squared: that of a batch's mean loss, or of each pair's own term
    estimator: str = "batch"
    start_fisher: float = 0.0
    needs: ClassVar[tuple[str, ...]] = ("fisher_pass",)
    penalty: ClassVar[bool] = True
    _fisher: PerWeight = field(default_factory=dict, init=False, repr=False)
    _anchor: PerWeight = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.estimator not in ESTIMATORS:
            raise ValueError(
                f"ewc: unknown estimator {self.estimator!r}. Allowed: {', '.join(ESTIMATORS)}."
            )
        sizes = (self.fisher_pairs, self.fisher_batch_pairs)
        if min(self.weight, self.decay, *sizes, self.start_fisher) < 0:
            raise ValueError(f"ewc takes no negative number: {self}")

    def begin(self, model: nn.Module, task: Task) -> None:
        """Anchor the first task at its starting weights, if `start_fisher` is above 0."""
        if self.start_fisher and not self._fisher:
            self._anchor = anchored(model)
            for name, tensor in self._anchor.items():
                self._fisher[name] = torch.full_like(tensor, self.start_fisher)

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the penalty at the present weights; of the batch only the device is used."""
        self._fisher = placed(self._fisher, batch.images.device)
        self._anchor = placed(self._anchor, batch.images.device)
        squares = pull(model, self._anchor, self._fisher)
        return batch.images.new_zeros(()) if squares is None else self.weight / 2 * squares

    def end(self, model: nn.Module, fresh: FreshPairs, towers: Towers) -> None:
        """Add the task's Fisher, and anchor at the weights as trained."""

        def terms(group: Batch) -> Sequence[Tensor]:
            scale = model.get_parameter("logit_scale")
            rows = embeddings(model, group, towers)
            if self.estimator == "pair":
                return list(symmetric_loss(*rows, scale, "none"))
            return [symmetric_loss(*rows, scale)]

        measure = Measure(
            pairs=self.fisher_pairs,
            group_pairs=self.fisher_batch_pairs,
            terms=terms,
            fold=torch.square,
        )
        fisher = measured(model, fresh, measure, towers.ranks)
        earlier = placed(self._fisher, next(model.parameters()).device)
        summed = {}
        for name, new in fisher.items():
            summed[name] = self.decay * earlier[name] + new if name in earlier else new
        weights = anchored(model)
        self._fisher, self._anchor = summed, {name: weights[name] for name in summed}

    def state_dict(self) -> dict[str, Tensor]:
        """Return `fisher.<parameter>` and `anchor.<parameter>`."""
        return packed(fisher=self._fisher, anchor=self._anchor)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a state; its tensors are moved to the model's device when they are needed."""
        self._fisher, self._anchor = unpacked(state, "fisher"), unpacked(state, "anchor")
