"""Learning without forgetting: on the task's own pairs, keep telling them apart as the model did when the task began
(https://arxiv.org/abs/1606.09282).

    L = alpha T^2 (KL of rows + KL of columns) / 2,   KL(softmax(S* / T) | softmax(S / T)) of rows and of columns,
    S and S* the (B, B) logits of the batch by the model and by the teacher, both at the teacher's temperature

A CLIP has no classes of its own, so the batch's texts are the classes of its images and the reverse. The temperature of the
teacher serves both, because this term holds embeddings and the loss it is joined to owns the temperature. The teacher is the
plain CLIP that the task starts from, in the first task too. Memory: a second copy of the weights. FLOPs: 4/3 of fine-tuning,
because the student's forward pass on the batch is the one of the loss it is joined to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

from methods import Objective, Task
from methods.compute.towers import Towers
from methods.objectives._distillation import frozen, soft_cross_entropy
from methods.objectives._embeddings import embeddings, logits, recalled, unit
from streams import Batch


@dataclass
class Lwf(Objective):
    """The distillation alone; a method joins it to a loss: `contrastive+lwf`."""

    alpha: float = 0.5
    temperature: float = 2.0
    needs: ClassVar[tuple[str, ...]] = ("teacher",)
    penalty: ClassVar[bool] = True
    _teacher: nn.Module | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.alpha < 0 or not self.temperature > 0:
            raise ValueError(f"lwf takes alpha >= 0 and temperature > 0, not {self}")

    def begin(self, model: nn.Module, task: Task) -> None:
        """The teacher is the model as it is now; a task that is resumed brings its teacher with its state."""
        self._teacher = frozen(model)

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Mean over the batch's pairs."""
        assert self._teacher is not None, "begin comes first"
        scale = self._teacher.get_parameter("logit_scale")
        student = logits(*embeddings(model, batch, towers), scale)
        images, texts = recalled(self._teacher, batch, towers)
        teacher = logits(unit(images), unit(texts), scale)
        rows, columns = (
            divergence(one, two, self.temperature)
            for one, two in ((student, teacher), (student.T, teacher.T))
        )
        return self.alpha * (rows + columns) / 2

    def end(self, model: nn.Module, batches: Iterator[Batch], towers: Towers) -> None:
        """The next task has its own teacher."""
        self._teacher = None

    def state_dict(self) -> dict[str, Tensor]:
        """The teacher's weights, within a task."""
        return {} if self._teacher is None else dict(self._teacher.state_dict())

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The reverse; between tasks there is no teacher, and nothing to load."""
        if self._teacher is not None:
            self._teacher.load_state_dict(state)


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 times the mean over rows of KL(softmax(teacher / T) | softmax(student / T)): zero where they agree."""
    return soft_cross_entropy(student, teacher, temperature) - soft_cross_entropy(
        teacher, teacher, temperature
    )
