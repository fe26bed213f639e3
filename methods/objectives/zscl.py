"""ZSCL: preventing zero-shot transfer degradation (https://arxiv.org/abs/2303.06628).

On pairs of the pretraining pool the loss keeps the similarities of the untouched backbone, and a
penalty keeps the weights near the start of the task.

    L = weight T^2 (CE(p(f0(x) g0(y)'), p(f(x) g0(y)')) + CE(p(g0(y) f0(x)'), p(g(y) f0(x)')))
        + anchor_weight |theta - start|^2

start is where the task began, p softmax(s . / T) of each row, CE the mean over rows of the
cross-entropy of the second to the first; x and y are the images and texts of the pretraining pairs
in the batch; f0, g0 and s are the towers and the scale of the untouched backbone, which comes with
each `begin` and is in no checkpoint. Each tower is the student once, against the teacher's other
tower; the published code transposes the first matrix for the second term instead, which gives the
text tower no gradient. Reference texts are the pool's own captions. With `anchor_weight` 0 it is
the paper's starred variant. The averaging of weights every k steps is a merging; the label
smoothing of the task's loss is left out, since a pair has no label. Memory: two copies of the
weights, one without the anchor. FLOPs: 1 + share / 3 of fine-tuning, `share` the pretraining pairs
in a batch, because their forward pass is the one of the loss it is joined to.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

from methods import FreshPairs, Objective, Task
from methods.compute.towers import Towers
from methods.objectives._distillation import frozen, on_pretraining, soft_cross_entropy
from methods.objectives._embeddings import logits
from methods.objectives._importance import PerWeight, anchored, placed, pull
from streams import Batch


@dataclass
class Zscl(Objective):
    """The distillation and the anchor; a method adds them to a loss: `contrastive+zscl`."""

    weight: float = 1.0
    temperature: float = 2.0
    anchor_weight: float = 1.0
    needs: ClassVar[tuple[str, ...]] = ("teacher", "pretraining")
    penalty: ClassVar[bool] = True
    _teacher: nn.Module | None = field(default=None, init=False, repr=False, compare=False)
    _start: PerWeight = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if min(self.weight, self.anchor_weight) < 0 or not self.temperature > 0:
            raise ValueError(f"zscl takes weights >= 0 and temperature > 0, not {self}")

    def begin(self, model: nn.Module, task: Task) -> None:
        """Keep the untouched backbone as teacher, and a copy of the model as anchor."""
        self._teacher = frozen(model, task.initial)
        self._start = anchored(model) if self.anchor_weight else {}

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the mean over the batch's pretraining pairs, and the anchor's penalty.

        Raises:
            ValueError: the batch has no pretraining pair.
        """
        assert self._teacher is not None, "begin comes first"
        scale = self._teacher.get_parameter("logit_scale")
        of_model, of_teacher = on_pretraining("zscl", model, self._teacher, batch, towers)
        (images, texts), (images_before, texts_before) = of_model, of_teacher
        teacher = logits(images_before, texts_before, scale)
        image_term = soft_cross_entropy(
            logits(images, texts_before, scale), teacher, self.temperature
        )
        text_term = soft_cross_entropy(
            logits(texts, images_before, scale), teacher.T, self.temperature
        )
        self._start = placed(self._start, batch.images.device)
        near = pull(model, self._start)
        distilled = self.weight * (image_term + text_term)
        return distilled if near is None else distilled + self.anchor_weight * near

    def end(self, model: nn.Module, fresh: FreshPairs, towers: Towers) -> None:
        """Drop the teacher and the anchor; the next task has its own."""
        self._teacher, self._start = None, {}

    def state_dict(self) -> dict[str, Tensor]:
        """Return the anchor, within a task."""
        return dict(self._start)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a state; its tensors are moved to the model's device when they are needed."""
        self._start = dict(state)
