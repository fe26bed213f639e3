"""Mix-CPT's logit swap self-distillation: a teacher that is never wrong about the batch
(https://arxiv.org/abs/2407.10804).

    L = weight (KL of rows + KL of columns) / 2
    KL(softmax(swap(S*_i)) | softmax(S_i)), the mean over rows i, and the same over columns
    swap: the largest number of a row and that of its own pair change places
    S and S* the (B, B) logits of the batch by the model and by the untouched backbone, both at the
    temperature of the backbone

In a language model a row is the logits of the next word; in a CLIP it is an image's similarities to
the batch's texts, and the right one is that of its own text. After the swap the teacher always
ranks the right one first, so it never contradicts the loss, and tells how probable the others are.
There is no softening, and the weight is to be tuned. Memory: a second copy of the weights. FLOPs:
4/3 of fine-tuning, because the student's forward pass on the batch is the one of the loss it is
joined to.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods import FreshPairs, Objective, Task
from methods.compute.towers import Towers
from methods.objectives._distillation import frozen
from methods.objectives._embeddings import embeddings, logits, recalled, unit
from methods.objectives.lwf import divergence
from streams import Batch


@dataclass
class MixCpt(Objective):
    """The distillation alone; a method adds it to a loss: `contrastive+mix_cpt`."""

    weight: float = 1.0
    needs: ClassVar[tuple[str, ...]] = ("teacher",)
    penalty: ClassVar[bool] = True
    _teacher: nn.Module | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ValueError(f"mix_cpt takes weight >= 0, not {self}")

    def begin(self, model: nn.Module, task: Task) -> None:
        """Keep the untouched backbone as the teacher."""
        self._teacher = frozen(model, task.initial)

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the mean over the batch's pairs."""
        assert self._teacher is not None, "begin comes first"
        scale = self._teacher.get_parameter("logit_scale")
        student = logits(*embeddings(model, batch, towers), scale)
        images, texts = recalled(self._teacher, batch, towers)
        teacher = logits(unit(images), unit(texts), scale)
        rows = divergence(student, swapped(teacher), 1.0)
        columns = divergence(student.T, swapped(teacher.T), 1.0)
        return self.weight * (rows + columns) / 2

    def end(self, model: nn.Module, fresh: FreshPairs, towers: Towers) -> None:
        """Drop the teacher, which comes with each `begin`."""
        self._teacher = None


def swapped(scores: Tensor) -> Tensor:
    """Return (B, B) scores in which each row's largest is on the diagonal.

    The largest entry and the diagonal one are swapped; other entries are unchanged.
    """
    own = torch.arange(len(scores), device=scores.device)
    largest, where = scores.max(dim=1)
    changed = scores.scatter(1, where[:, None], scores.diagonal()[:, None])
    return changed.scatter(1, own[:, None], largest[:, None])
