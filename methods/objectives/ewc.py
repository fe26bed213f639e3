"""Elastic weight consolidation: a penalty on moving the weights that earlier tasks depended on
(https://arxiv.org/abs/1612.00796; with one running Fisher for all tasks as in https://arxiv.org/abs/1805.06370).

    L = weight / 2 * sum_i F_i (theta_i - theta*_i)^2;   after each task   F <- decay * F + F_task,   theta* <- theta

F_task is a mean of squared gradients of the contrastive loss on fresh batches; `estimator` says of which:

    batch    of the mean loss of each batch, as in FoMo-in-Flux: its scale falls with the batch size, so `weight` fits one size
    pair     of each pair's own term, (cross-entropy of its row + of its column) / 2: the empirical Fisher of naming the partner

A pair's term needs its whole batch for negatives, so `pair` takes a backward pass over the batch for every pair in it;
`fisher_batch_pairs` cuts batches into smaller ones for the Fisher alone, and frees its scale from that of training. Gradients are
taken on the plain CLIP after the tuning's end, of all parameters, with the temperature of training. Memory: two copies of the
weights. Cost: one forward and backward pass over `fisher_pairs` pairs per task; with `pair`, as many backward passes as a group
has pairs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods import Objective, Task
from methods.compute.towers import Towers
from methods.objectives._embeddings import embeddings, symmetric_loss
from methods.objectives._importance import (
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
    """The penalty alone; a method joins it to a loss: `contrastive+ewc`.

    Before the end of the first task there is no Fisher, so nothing holds the first task back unless `start_fisher` > 0: then the
    weights that the first task begins from count as important, all equally, and with `fisher_pairs` 0 the penalty is plain L2.
    """

    weight: float = 1.0
    decay: float = 1.0  # of the Fisher of earlier tasks, per task
    fisher_pairs: int = 50_000  # rounded up to whole groups
    fisher_batch_pairs: int = 0  # pairs whose loss is taken together; 0: a batch as it is drawn
    estimator: str = "batch"  # how a gradient is squared: that of a batch's mean loss, or of each pair's own term
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
        if (
            min(
                self.weight,
                self.decay,
                self.fisher_pairs,
                self.fisher_batch_pairs,
                self.start_fisher,
            )
            < 0
        ):
            raise ValueError(f"ewc takes no negative number: {self}")

    def begin(self, model: nn.Module, task: Task) -> None:
        """Anchor the first task at where it starts, if it shall be held at all."""
        if self.start_fisher and not self._fisher:
            self._anchor = anchored(model)
            self._fisher = {
                name: torch.full_like(tensor, self.start_fisher)
                for name, tensor in self._anchor.items()
            }

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """The penalty at the present weights; the batch plays no part but to say where to compute."""
        self._fisher = placed(self._fisher, batch.images.device)
        self._anchor = placed(self._anchor, batch.images.device)
        squares = pull(model, self._anchor, self._fisher)
        return batch.images.new_zeros(()) if squares is None else self.weight / 2 * squares

    def end(self, model: nn.Module, batches: Iterator[Batch], towers: Towers) -> None:
        """Add the task's Fisher, and anchor at the weights as trained."""

        def terms(group: Batch) -> Iterable[Tensor]:
            each = self.estimator == "pair"
            own = symmetric_loss(
                *embeddings(model, group, towers),
                model.get_parameter("logit_scale"),
                "none" if each else "mean",
            )
            return own if each else [own]

        task = measured(
            model,
            batches,
            self.fisher_pairs,
            self.fisher_batch_pairs,
            terms,
            torch.square,
            towers.ranks,
        )
        device = next(model.parameters()).device
        earlier = placed(self._fisher, device)
        self._fisher = {
            name: self.decay * earlier[name] + new if name in earlier else new
            for name, new in task.items()
        }
        self._anchor = {
            name: tensor for name, tensor in anchored(model).items() if name in self._fisher
        }

    def state_dict(self) -> dict[str, Tensor]:
        """`fisher.<parameter>` and `anchor.<parameter>`."""
        return packed(fisher=self._fisher, anchor=self._anchor)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The reverse; the tensors move to the model's device when they are first needed."""
        self._fisher, self._anchor = unpacked(state, "fisher"), unpacked(state, "anchor")
