"""GeRe: on a small fixed set of general pairs, keep each unit where the untouched backbone had it: low, neutral or high
(general samples replay, https://arxiv.org/abs/2508.04676; code https://github.com/Qznan/GeRe).

    L = weight * sum of v / number of v > 0,   lower, upper = mu -+ width sigma of each unit over the general set,
    v = max(0, h - lower) where h0 <= lower;   max(0, upper - h) where h0 >= upper;   what h lies outside the bounds elsewhere

h are the towers' outputs before normalisation, h0 the same by the untouched backbone. The paper's states are the last before the
output layer; before CLIP's projection they cannot be reached in every open_clip model (a ResNet's attention pooling projects
within). The general set is the first `general_pairs` pretraining pairs of the first task's batches, kept as they come. The loss
of general pairs is left to the mixture's pretraining share, and the weight is a number: one that follows the ratio of the losses
would have to see the loss this is joined to. Memory: the set, with its images as the model sees them (0.6 MB each at 224 x 224),
on the CPU and in every checkpoint; a copy of the weights until it is full. FLOPs: 1 + replay_pairs / batch_pairs of fine-tuning.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods import Objective, Task
from methods.compute.towers import Towers
from methods.objectives._distillation import frozen
from methods.objectives._embeddings import recalled, wide
from methods.objectives._replay import Store
from streams import PRETRAINING, Batch


@dataclass
class Gere(Objective):
    """The margin alone; a method joins it to a loss: `contrastive+gere`."""

    weight: float = 100.0
    width: float = 1.0  # standard deviations from the mean to each bound
    general_pairs: int = 1000
    replay_pairs: int = 64  # in each loss, at most what is kept
    needs: ClassVar[tuple[str, ...]] = ("teacher", "pretraining", "own_buffer")
    penalty: ClassVar[bool] = True
    _general: Store = field(default_factory=Store, init=False, repr=False)
    _teacher: nn.Module | None = field(
        default=None, init=False, repr=False, compare=False
    )  # until the set is full

    def __post_init__(self) -> None:
        if self.weight < 0 or not self.width > 0 or min(self.general_pairs, self.replay_pairs) < 1:
            raise ValueError(
                f"gere takes weight >= 0, width > 0, general_pairs and replay_pairs >= 1, not {self}"
            )

    def begin(self, model: nn.Module, task: Task) -> None:
        """The untouched backbone must still say what it makes of the pairs that are missing."""
        self._teacher = (
            frozen(model, task.initial) if len(self._general) < self.general_pairs else None
        )

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Mean over the units of the replayed pairs that lie on the wrong side.

        Raises:
            ValueError: the set is not full, and the batch has no pretraining pair.
        """
        if self._teacher is not None:
            self._collect(self._teacher, batch, towers)
        general = torch.cat([self._general.rows[name] for name in ("seen", "told")], dim=1).to(
            batch.images.device
        )
        mean, deviation = general.mean(dim=0), general.std(dim=0, correction=0)
        pairs, seen, told = self._general.draw(self.replay_pairs, batch.images.device)
        now = torch.cat([wide(rows) for rows in towers.features(model, pairs)], dim=1)
        bounds = mean - self.width * deviation, mean + self.width * deviation
        return self.weight * margin(now, torch.cat([seen, told], dim=1), *bounds)

    def end(self, model: nn.Module, batches: Iterator[Batch], towers: Towers) -> None:
        """The set stays."""
        self._teacher = None

    def state_dict(self) -> dict[str, Tensor]:
        """The general set."""
        return dict(self._general.rows)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The reverse."""
        self._general.rows = {name: tensor.cpu() for name, tensor in state.items()}
        if len(self._general) >= self.general_pairs:
            self._teacher = None

    def _collect(self, teacher: nn.Module, batch: Batch, towers: Towers) -> None:
        """Add the batch's pretraining pairs, until there are enough."""
        held = len(self._general)
        chosen = (batch.sources == PRETRAINING).nonzero()[: self.general_pairs - held, 0]
        if not len(chosen):
            raise ValueError(
                "gere takes its set from pretraining pairs and this batch has none; use pretraining_share > 0"
            )
        pairs = Batch(batch.images[chosen], batch.texts[chosen], batch.sources[chosen])
        seen, told = recalled(teacher, pairs, towers)
        self._general.put(pairs, wide(seen), wide(told), list(range(held, held + len(chosen))))
        if len(self._general) >= self.general_pairs:
            self._teacher = None


def margin(now: Tensor, before: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """Mean over the units on the wrong side of how far they are from the right one; zero where there is none."""
    outside = (now - upper).relu() + (lower - now).relu()
    wrong = torch.where(
        before <= lower,
        (now - lower).relu(),
        torch.where(before >= upper, (upper - now).relu(), outside),
    )
    return wrong.sum() / (wrong > 0).sum().clamp(min=1)
