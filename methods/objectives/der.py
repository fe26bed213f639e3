"""Dark experience replay (https://arxiv.org/abs/2004.07211).

    L = weight * mean over replayed pairs of (|f(x) - f*(x)|^2 + |g(y) - g*(y)|^2) / 2

The model is trained to reproduce earlier embeddings of kept pairs: f* and g* are the unit-norm
embeddings of the pair by the plain CLIP at the end of the task in which it was kept. The paper
keeps logits as training passes by; a CLIP's logits depend on the batch, so its two embeddings are
kept instead, and as trained. Distances are not divided by the width, so that `weight` means the
same for every backbone. A reservoir of `buffer_pairs` pairs is offered as many fresh ones at the
end of each task. Memory: the buffer, with its images as the model sees them (0.6 MB each at 224 x
224), on the CPU and in every checkpoint. FLOPs: 1 + replay_pairs / batch_pairs of fine-tuning from
the second task on; a forward pass over at most `buffer_pairs` pairs per task.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

from methods import FreshPairs, Objective
from methods.compute.towers import Towers
from methods.objectives._embeddings import embeddings, unit
from methods.objectives._replay import Reservoir, squared_distance
from streams import Batch


@dataclass
class Der(Objective):
    """The replay term alone; a method adds it to a loss: `contrastive+der`.

    In the first task there is nothing to replay, and the term is 0.
    """

    weight: float = 0.3
    buffer_pairs: int = 500
    # Pairs replayed in each loss, at most those kept; 0: as many as the batch has
    replay_pairs: int = 0
    needs: ClassVar[tuple[str, ...]] = ("own_buffer",)
    penalty: ClassVar[bool] = True
    _kept: Reservoir = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.weight < 0 or self.buffer_pairs < 1 or self.replay_pairs < 0:
            raise ValueError(
                f"der takes weight >= 0, buffer_pairs >= 1 and replay_pairs >= 0, not {self}"
            )
        self._kept = Reservoir(self.buffer_pairs)

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the mean over the replayed pairs."""
        if not len(self._kept.store):
            return batch.images.new_zeros(())
        count = self.replay_pairs or len(batch.texts)
        pairs, of_images, of_texts = self._kept.store.draw(count, batch.images.device)
        return self.weight * squared_distance(
            *embeddings(model, pairs, towers), of_images, of_texts
        )

    def end(self, model: nn.Module, fresh: FreshPairs, towers: Towers) -> None:
        """Offer pairs of the task to the reservoir."""
        self._kept.fill(model, fresh, towers, unit)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the reservoir."""
        return self._kept.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a reservoir."""
        self._kept.load_state_dict(state)
