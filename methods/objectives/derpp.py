"""DER++: dark experience replay that also learns the kept pairs again.

(https://arxiv.org/abs/2004.07211)

    L = weight * (distance of embeddings, as in der)
        + contrastive_weight * (contrastive loss of the replayed pairs)

Both terms see the same draw, where the authors draw twice: half the cost, and the same in
expectation. The temperature is the model's, and is trained by the loss that this is added to, not
here. Memory and FLOPs: those of der.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

from methods import FreshPairs, Objective
from methods.compute.towers import Towers
from methods.objectives._embeddings import embeddings, symmetric_loss, unit
from methods.objectives._replay import Reservoir, squared_distance
from streams import Batch


@dataclass
class Derpp(Objective):
    """The replay terms alone; a method adds them to a loss: `contrastive+derpp`.

    In the first task there is nothing to replay, and the terms are 0.
    """

    weight: float = 0.1
    contrastive_weight: float = 0.5
    buffer_pairs: int = 500
    # Pairs replayed in each loss, at most those kept; 0: as many as the batch has
    replay_pairs: int = 0
    needs: ClassVar[tuple[str, ...]] = ("own_buffer",)
    penalty: ClassVar[bool] = True
    _kept: Reservoir = field(init=False, repr=False)

    def __post_init__(self) -> None:
        weights = (self.weight, self.contrastive_weight)
        if min(*weights, self.replay_pairs) < 0 or self.buffer_pairs < 1:
            raise ValueError(
                f"derpp takes weights >= 0, buffer_pairs >= 1 and replay_pairs >= 0, not {self}"
            )
        self._kept = Reservoir(self.buffer_pairs)

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the mean over the replayed pairs."""
        if not len(self._kept.store):
            return batch.images.new_zeros(())
        count = self.replay_pairs or len(batch.texts)
        pairs, of_images, of_texts = self._kept.store.draw(count, batch.images.device)
        images, texts = embeddings(model, pairs, towers)
        again = symmetric_loss(images, texts, model.get_parameter("logit_scale").detach())
        distance = squared_distance(images, texts, of_images, of_texts)
        return self.weight * distance + self.contrastive_weight * again

    def end(self, model: nn.Module, fresh: FreshPairs, towers: Towers) -> None:
        """Offer pairs of the task to the reservoir."""
        self._kept.fill(model, fresh, towers, unit)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the reservoir."""
        return self._kept.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a reservoir."""
        self._kept.load_state_dict(state)
