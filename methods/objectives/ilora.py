"""I-LoRA: replayed pairs keep the embeddings of slow weights, an average over the steps
(https://arxiv.org/abs/2402.18865; code: https://github.com/which47/LLMCL).

    L    = weight * mean over replayed pairs of (|f(x) - f_s(x)|^2 + |g(y) - g_s(y)|^2) / 2
    slow <- decay slow + (1 - decay) theta,   after every step

f_s and g_s are the unit-norm embeddings by the slow weights, f and g those of the model. The slow
weights begin at the start of the first task and go on over tasks. The merging `ema_step` of the
same decay, without `restart`, deploys them. Low-rank updates are a tuning (`lora`), and the average
is of the weights in use. Replay itself is the mixture, as in `uer`: its buffer is in the batch, and
the loss that this is joined to learns both. While a batch has none of the buffer's pairs, as in the
first task, the term is 0.

The authors compare the hidden states of every layer of a language model, and their code leaves out
entries that lie above those of the slow weights. Here the two embeddings are compared, as in `der`,
and nothing is left out. The decay is that of their code, by which the slow weights are hardly more
than a step behind; it is to be tuned. Memory: one copy of the weights, also in checkpoints. FLOPs:
1 + share / 3 of fine-tuning, `share` the buffer's part of a batch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods import FreshPairs, Objective, Task
from methods.compute import devices
from methods.compute.towers import Towers
from methods.objectives._distillation import frozen
from methods.objectives._embeddings import embeddings, recalled, unit
from methods.objectives._replay import squared_distance
from methods.parameters import weights_in_use
from streams import BUFFER, Batch


@dataclass
class Ilora(Objective):
    """The consistency alone; a method adds it to a loss: `contrastive+ilora`."""

    weight: float = 1.0
    # The share of the slow weights that a step leaves
    decay: float = 0.25
    needs: ClassVar[tuple[str, ...]] = ("buffer",)
    penalty: ClassVar[bool] = True
    # The slow weights, as a plain CLIP within a task, and as a state dict between tasks
    _slow: nn.Module | None = field(default=None, init=False, repr=False, compare=False)
    _kept: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.weight < 0 or not 0 <= self.decay <= 1:
            raise ValueError(f"ilora takes weight >= 0 and a decay in [0, 1], not {self}")

    def begin(self, model: nn.Module, task: Task) -> None:
        """Go on with the slow weights; in the first task they begin at those of the model."""
        self._slow = frozen(model, self._kept or None)
        self._kept = {}

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the mean over the batch's replayed pairs."""
        chosen = batch.sources == BUFFER
        if not bool(chosen.any()):
            return batch.images.new_zeros(())
        assert self._slow is not None, "begin comes first"
        # Indices are computed on the host and sent to the rows' device, so nothing waits for it
        places = devices.sent(chosen.nonzero()[:, 0], batch.images.device)
        replayed = Batch(batch.images[places], batch.texts[places], batch.sources[chosen])
        images, texts = (rows[places] for rows in embeddings(model, batch, towers))
        of_images, of_texts = map(unit, recalled(self._slow, replayed, towers))
        return self.weight * squared_distance(images, texts, of_images, of_texts)

    @contextmanager
    def stepping(self, model: nn.Module, loss_scale: float | Tensor) -> Iterator[None]:
        """Let the slow weights follow the step."""
        yield
        assert self._slow is not None, "begin comes first"
        with torch.no_grad():
            used = weights_in_use(model)
            for name, slow in self._slow.named_parameters():
                slow.lerp_(used[name], 1 - self.decay)
            # Statistics of batches are no weights: those of the model hold
            statistics = dict(model.named_buffers())
            for name, held in self._slow.named_buffers():
                held.copy_(statistics[name])

    def end(self, model: nn.Module, fresh: FreshPairs, towers: Towers) -> None:
        """Keep the slow weights for the next task."""
        self._kept, self._slow = self.state_dict(), None

    def state_dict(self) -> dict[str, Tensor]:
        """Return the slow weights, by the names of a plain CLIP."""
        return dict(self._slow.state_dict()) if self._slow is not None else dict(self._kept)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the slow weights."""
        if self._slow is not None:
            self._slow.load_state_dict(state)
        else:
            self._kept = dict(state)
