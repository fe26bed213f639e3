"""GeRe, general samples replay (https://arxiv.org/abs/2508.04676).

Code: https://github.com/Qznan/GeRe. On a small fixed set of general pairs, the loss keeps the
output of each unit in the range where the untouched backbone had it: low, neutral or high.

    L = weight * sum of v / number of v > 0
    lower, upper = mu -+ width sigma of each unit over the general set
    v = max(0, h - lower) where h0 <= lower;   max(0, upper - h) where h0 >= upper;
        what h lies outside the bounds elsewhere

h are the towers' outputs before normalisation, h0 the same by the untouched backbone. The paper's
states are the last before the output layer; before CLIP's projection they cannot be reached in
every open_clip model (a ResNet's attention pooling projects within). The general set is the first
`general_pairs` pretraining pairs of the first task's batches, kept as they come. The loss of
general pairs is left to the mixture's pretraining share. The weight is a constant: one that follows
the ratio of the losses would need the loss that this is added to. Memory: the set, with its images
as the model sees them (0.6 MB each at 224 x 224), on the CPU and in every checkpoint; a copy of the
weights until it is full. FLOPs: 1 + replay_pairs / batch_pairs of fine-tuning.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods import FreshPairs, Objective, Task
from methods.compute import devices
from methods.compute.towers import Towers
from methods.objectives._distillation import frozen
from methods.objectives._embeddings import recalled, wide
from methods.objectives._replay import Store
from streams import PRETRAINING, Batch


@dataclass
class Gere(Objective):
    """The margin loss alone; a method adds it to a loss: `contrastive+gere`."""

    weight: float = 100.0
    # Standard deviations from the mean to each bound
    width: float = 1.0
    general_pairs: int = 1000
    # Pairs replayed in each loss, at most those kept
    replay_pairs: int = 64
    needs: ClassVar[tuple[str, ...]] = ("teacher", "pretraining", "own_buffer")
    penalty: ClassVar[bool] = True
    _general: Store = field(default_factory=Store, init=False, repr=False)
    # The untouched backbone, until the set is full
    _teacher: nn.Module | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.weight < 0 or not self.width > 0 or min(self.general_pairs, self.replay_pairs) < 1:
            raise ValueError(
                "gere takes weight >= 0, width > 0, general_pairs and replay_pairs >= 1, not "
                f"{self}"
            )

    def begin(self, model: nn.Module, task: Task) -> None:
        """Keep the untouched backbone while the general set still lacks pairs."""
        self._teacher = None
        if len(self._general) < self.general_pairs:
            self._teacher = frozen(model, task.initial)

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the mean margin loss of the replayed pairs' units that left their range.

        Raises:
            ValueError: the set is not full, and the batch has no pretraining pair.
        """
        if self._teacher is not None:
            self._collect(self._teacher, batch, towers)
        device = batch.images.device
        rows = [self._general.rows[name] for name in ("seen", "told")]
        general = devices.sent(torch.cat(rows, dim=1), device)
        mean, deviation = general.mean(dim=0), general.std(dim=0, correction=0)
        pairs, of_images, of_texts = self._general.draw(self.replay_pairs, device)
        now = torch.cat([wide(rows) for rows in towers.features(model, pairs)], dim=1)
        bounds = mean - self.width * deviation, mean + self.width * deviation
        return self.weight * margin(now, torch.cat([of_images, of_texts], dim=1), *bounds)

    def end(self, model: nn.Module, fresh: FreshPairs, towers: Towers) -> None:
        """Drop the untouched backbone; the set stays."""
        self._teacher = None

    def state_dict(self) -> dict[str, Tensor]:
        """Return the general set."""
        return dict(self._general.rows)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a general set."""
        self._general.rows = {name: tensor.cpu() for name, tensor in state.items()}
        if len(self._general) >= self.general_pairs:
            self._teacher = None

    def _collect(self, teacher: nn.Module, batch: Batch, towers: Towers) -> None:
        """Add the batch's pretraining pairs to the set, up to `general_pairs`."""
        held = len(self._general)
        chosen = (batch.sources == PRETRAINING).nonzero()[: self.general_pairs - held, 0]
        if not len(chosen):
            raise ValueError(
                "gere takes its set from pretraining pairs and this batch has none; use "
                "pretraining_share > 0"
            )
        places = devices.sent(chosen, batch.images.device)
        pairs = Batch(batch.images[places], batch.texts[places], batch.sources[chosen])
        slots = list(range(held, held + len(chosen)))
        of_images, of_texts = recalled(teacher, pairs, towers)
        self._general.put(pairs, wide(of_images), wide(of_texts), slots)
        if len(self._general) >= self.general_pairs:
            self._teacher = None


def margin(now: Tensor, before: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """Return the mean distance, (), from their range of the units that left it; 0 where none did.

    `now` and `before` are the units' outputs (B, U), and the bounds are (U,).
    """
    outside = (now - upper).relu() + (lower - now).relu()
    low, high = (now - lower).relu(), (upper - now).relu()
    wrong = torch.where(before <= lower, low, torch.where(before >= upper, high, outside))
    return wrong.sum() / (wrong > 0).sum().clamp(min=1)
