"""Mod-X: keep the distribution of similarities within a batch, where the earlier model was right
(https://arxiv.org/abs/2305.07437; code: https://github.com/ZixuanNi/Mod-X).

    L = weight (sum over rows of r_i KL(softmax(M*_i) | softmax(M_i)) + the same of columns) / 2
    M, M*   the (B, B) cosines of the batch by the model and by the one that the task starts from
    r_i     1 where the largest number of row i of M* is its own pair's, else 0

Learning new pairs rotates the two towers' spaces relative to each other, so the loss keeps an
image's similarities to all texts of its batch. Rows in which the earlier model ranks another pair's
text first are left out: the released code puts the student's own row there, whose divergence and
gradient are 0. As released, cosines are not divided by a temperature, rows are summed and not
averaged, so that the weight depends on the size of a batch (20 at 280 pairs), and the diagonal
takes part, although the paper speaks of the numbers off it. Memory: a second copy of the weights.
FLOPs: 4/3 of fine-tuning, because the student's forward pass on the batch is the one of the loss it
is joined to.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods import FreshPairs, Objective, Task
from methods.compute.towers import Towers
from methods.objectives._distillation import frozen
from methods.objectives._embeddings import embeddings, recalled, unit
from streams import Batch


@dataclass
class ModX(Objective):
    """The alignment alone; a method adds it to a loss: `contrastive+mod_x`."""

    weight: float = 20.0
    needs: ClassVar[tuple[str, ...]] = ("teacher",)
    penalty: ClassVar[bool] = True
    _teacher: nn.Module | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ValueError(f"mod_x takes weight >= 0, not {self}")

    def begin(self, model: nn.Module, task: Task) -> None:
        """Keep a copy of the model as the teacher; a resumed task restores its own."""
        self._teacher = frozen(model)

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the sum over the batch's rows and columns."""
        assert self._teacher is not None, "begin comes first"
        images, texts = embeddings(model, batch, towers)
        images_before, texts_before = map(unit, recalled(self._teacher, batch, towers))
        with torch.autocast(images.device.type, enabled=False):
            student, teacher = images @ texts.T, images_before @ texts_before.T
            return self.weight * (aligned(student, teacher) + aligned(student.T, teacher.T)) / 2

    def end(self, model: nn.Module, fresh: FreshPairs, towers: Towers) -> None:
        """Drop the teacher; the next task has its own."""
        self._teacher = None

    def state_dict(self) -> dict[str, Tensor]:
        """Return the teacher's weights, within a task."""
        return {} if self._teacher is None else dict(self._teacher.state_dict())

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the teacher; between tasks there is none, and the state is empty."""
        if self._teacher is not None:
            self._teacher.load_state_dict(state)


def aligned(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the sum of the divergences of those rows in which the teacher is right, ()."""
    own = torch.arange(len(teacher), device=teacher.device)
    right = (teacher.argmax(dim=1) == own).to(teacher)
    now, before = student.log_softmax(dim=1), teacher.log_softmax(dim=1)
    divergences = (before.exp() * (before - now)).sum(dim=1)
    return (right * divergences).sum()
