"""DER++: dark experience replay that also learns the kept pairs again (https://arxiv.org/abs/2004.07211).

    L = weight * (distance of embeddings, as in der) + contrastive_weight * (contrastive loss of the replayed pairs)

Both terms see the same draw, where the authors draw twice: half the cost, and the same in expectation. The temperature is the
model's, and is left to the loss that this is joined to. Memory and FLOPs: those of der.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

from methods import Objective
from methods.compute.towers import Towers
from methods.objectives._embeddings import embeddings, symmetric_loss, unit
from methods.objectives._replay import Reservoir, squared_distance
from streams import Batch


@dataclass
class Derpp(Objective):
    """The replay alone; a method joins it to a loss: `contrastive+derpp`. The first task has nothing to replay."""

    weight: float = 0.1
    contrastive_weight: float = 0.5
    buffer_pairs: int = 500
    replay_pairs: int = 0  # in each loss, at most what is kept; 0: as many as the batch has
    needs: ClassVar[tuple[str, ...]] = ("own_buffer",)
    penalty: ClassVar[bool] = True
    _kept: Reservoir = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if (
            min(self.weight, self.contrastive_weight, self.replay_pairs) < 0
            or self.buffer_pairs < 1
        ):
            raise ValueError(
                f"derpp takes weights >= 0, buffer_pairs >= 1 and replay_pairs >= 0, not {self}"
            )
        self._kept = Reservoir(self.buffer_pairs)

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Mean over the replayed pairs."""
        if not len(self._kept.store):
            return batch.images.new_zeros(())
        pairs, seen, told = self._kept.store.draw(
            self.replay_pairs or len(batch.texts), batch.images.device
        )
        images, texts = embeddings(model, pairs, towers)
        again = symmetric_loss(images, texts, model.get_parameter("logit_scale").detach())
        return (
            self.weight * squared_distance(images, texts, seen, told)
            + self.contrastive_weight * again
        )

    def end(self, model: nn.Module, batches: Iterator[Batch], towers: Towers) -> None:
        """Offer pairs of the task to the reservoir."""
        self._kept.fill(model, batches, towers, unit)

    def state_dict(self) -> dict[str, Tensor]:
        """The reservoir."""
        return self._kept.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The reverse."""
        self._kept.load_state_dict(state)
