"""GIFT: distillation and alignment on reference pairs, and a pull to the start of the task by a
Fisher of this very step (https://arxiv.org/abs/2503.04229; code:
https://github.com/Luo-Jiaming/GIFT_CL).

    D = weight T^2 (CE(p*(S), p(S)) + CE(p*(S'), p(S'))) + alignment (CE of rows + CE of columns)
    L = D + consolidation * sum_i F_i (theta_i - start_i)^2
    F = g^2 / mean(g^2) of each tensor, g = dD / dtheta at the present step

S is the (R, R) logits of the reference pairs, p their softmax by rows / T, p* that of the teacher:
the model that the task starts from, or the untouched backbone. Distillation asks for the teacher's
similarities, alignment for the pairs themselves, and consolidation holds the weights that these two
need at this step: F is no running mean, and g is not differentiated again. The temperature is that
of the teacher in all terms, gets F = 1e-6, and is to be frozen, as published.

The authors draw reference pairs from a diffusion model, prompted with the names of earlier classes;
here they are the pretraining pairs of the batch. In their code two pairs of one class share a
target; pairs here have no class. With consolidation 0 and the untouched backbone as teacher these
are the losses of GNSP (https://arxiv.org/abs/2507.19839). Memory: two copies of the weights, one
without consolidation, and g. FLOPs: 1 + share / 3 of fine-tuning, `share` being that of the
pretraining pairs in a batch, and as much again as their backward pass, 2 share / 3, for g.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods import FreshPairs, Objective, Task
from methods.compute.towers import Towers
from methods.objectives._distillation import frozen, on_pretraining, soft_cross_entropy
from methods.objectives._embeddings import logits, wide
from methods.objectives._importance import (
    FP16_SCALE,
    PerWeight,
    anchored,
    packed,
    placed,
    pull,
    unpacked,
)
from methods.parameters import weights_in_use
from streams import Batch

TEACHERS = ("start", "initial")
# F of a weight that the reference pairs do not reach
LEAST = 1e-6


@dataclass
class Gift(Objective):
    """The three terms; a method adds them to a loss: `contrastive+gift`.

    The values are those of the released configuration.
    """

    weight: float = 1.0
    temperature: float = 2.0
    alignment: float = 0.25
    consolidation: float = 1.0
    # Which weights teach: those that the task starts from, or those of the untouched backbone
    teacher: str = "start"
    needs: ClassVar[tuple[str, ...]] = ("teacher", "pretraining")
    penalty: ClassVar[bool] = True
    _teacher: nn.Module | None = field(default=None, init=False, repr=False, compare=False)
    _start: PerWeight = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.teacher not in TEACHERS:
            raise ValueError(
                f"gift: unknown teacher {self.teacher!r}. Allowed: {', '.join(TEACHERS)}."
            )
        if min(self.weight, self.alignment, self.consolidation) < 0 or not self.temperature > 0:
            raise ValueError(f"gift takes weights >= 0 and temperature > 0, not {self}")

    def begin(self, model: nn.Module, task: Task) -> None:
        """Keep the teacher, and a copy of the model's weights as the anchor."""
        self._teacher = frozen(model, task.initial if self.teacher == "initial" else None)
        self._start = anchored(model) if self.consolidation else {}

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the mean loss of the batch's pretraining pairs, plus the pull to the anchor.

        Raises:
            ValueError: the batch has no pretraining pair.
        """
        assert self._teacher is not None, "begin comes first"
        scale = self._teacher.get_parameter("logit_scale")
        of_model, of_teacher = on_pretraining("gift", model, self._teacher, batch, towers)
        student, before = logits(*of_model, scale), logits(*of_teacher, scale)
        wanted = self.weight * self._distilled(student, before) + self.alignment * _named(student)
        self._start = placed(self._start, batch.images.device)
        if not self._start:
            return wanted
        near = pull(model, self._start, self._fisher(model, wanted, towers))
        assert near is not None, "there is an anchor"
        return wanted + self.consolidation * near

    def _distilled(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the sum of the softened cross-entropies of rows and of columns."""
        rows = soft_cross_entropy(student, teacher, self.temperature)
        return rows + soft_cross_entropy(student.T, teacher.T, self.temperature)

    def _fisher(self, model: nn.Module, wanted: Tensor, towers: Towers) -> PerWeight:
        """Return F of each anchored weight, float32, without a gradient."""
        used = weights_in_use(model)
        fisher = {name: torch.full_like(anchor, LEAST) for name, anchor in self._start.items()}
        moving = [name for name in self._start if used[name].requires_grad]
        if not moving:
            return fisher
        # Scaled up, as fp16 would lose small numbers and F does not depend on the scale
        gradients = torch.autograd.grad(
            wanted,
            [used[name] for name in moving],
            torch.full_like(wanted, FP16_SCALE),
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )
        gradients = tuple(gradient.contiguous() for gradient in gradients)
        towers.ranks.average(gradients)
        for name, gradient in zip(moving, gradients, strict=True):
            if name != "logit_scale":
                fisher[name] = _share(wide(gradient))
        return fisher

    def end(self, model: nn.Module, fresh: FreshPairs, towers: Towers) -> None:
        """Drop the teacher and the anchor; the next task has its own."""
        self._teacher, self._start = None, {}

    def state_dict(self) -> dict[str, Tensor]:
        """Return, within a task, `start.<parameter>` and, for teacher `start`, `teacher.<key>`."""
        teacher = {}
        if self._teacher is not None and self.teacher == "start":
            teacher = self._teacher.state_dict()
        return packed(start=self._start, teacher=teacher)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a state; its tensors are moved to the model's device when they are needed."""
        self._start = unpacked(state, "start")
        if self._teacher is not None and self.teacher == "start":
            self._teacher.load_state_dict(unpacked(state, "teacher"))


def _named(scores: Tensor) -> Tensor:
    """Return the sum of the cross-entropies of rows and of columns to the diagonal, ()."""
    with torch.autocast(scores.device.type, enabled=False):
        own = torch.arange(len(scores), device=scores.device)
        rows = functional.cross_entropy(scores, own)
        return rows + functional.cross_entropy(scores.T, own)


def _share(gradient: Tensor) -> Tensor:
    """Return the squared gradient over its mean; 0 where it overflowed in fp16, or is all 0."""
    squares = gradient.square()
    shares = squares / squares.mean().clamp(min=torch.finfo(squares.dtype).tiny)
    return torch.where(shares.isfinite(), shares, 0.0)
