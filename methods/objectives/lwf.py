"""Learning without forgetting (https://arxiv.org/abs/1606.09282).

On the task's own pairs, the model is trained to keep the similarities it gave at the task's start.

    L = alpha T^2 (KL of rows + KL of columns) / 2
    KL(softmax(S* / T) | softmax(S / T)) of rows and of columns
    S and S* the (B, B) logits of the batch by the model and by the teacher, both at the teacher's
    temperature

A CLIP has no classes of its own, so the batch's texts are the classes of its images and the
reverse. The temperature of the teacher serves both, because this term holds embeddings and the loss
it is joined to owns the temperature. The teacher is the plain CLIP that the task starts from, in
the first task too. Memory: a second copy of the weights. FLOPs: 4/3 of fine-tuning, because the
student's forward pass on the batch is the one of the loss it is joined to.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

from methods import FreshPairs, Objective, Task
from methods.compute.towers import Towers
from methods.objectives._distillation import frozen, soft_cross_entropy
from methods.objectives._embeddings import embeddings, logits, recalled, unit
from streams import Batch


@dataclass
class Lwf(Objective):
    """The distillation alone; a method adds it to a loss: `contrastive+lwf`."""

    alpha: float = 0.5
    temperature: float = 2.0
    needs: ClassVar[tuple[str, ...]] = ("teacher",)
    penalty: ClassVar[bool] = True
    _teacher: nn.Module | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.alpha < 0 or not self.temperature > 0:
            raise ValueError(f"lwf takes alpha >= 0 and temperature > 0, not {self}")

    def begin(self, model: nn.Module, task: Task) -> None:
        """Keep a copy of the model as the teacher; a resumed task restores its own."""
        self._teacher = frozen(model)

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the mean over the batch's pairs."""
        assert self._teacher is not None, "begin comes first"
        scale = self._teacher.get_parameter("logit_scale")
        student = logits(*embeddings(model, batch, towers), scale)
        images, texts = recalled(self._teacher, batch, towers)
        teacher = logits(unit(images), unit(texts), scale)
        rows = divergence(student, teacher, self.temperature)
        columns = divergence(student.T, teacher.T, self.temperature)
        return self.alpha * (rows + columns) / 2

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


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T^2 times the mean over rows of KL(softmax(teacher / T) | softmax(student / T)).

    It is zero where they agree; () float32.
    """
    cross_entropy = soft_cross_entropy(student, teacher, temperature)
    return cross_entropy - soft_cross_entropy(teacher, teacher, temperature)
