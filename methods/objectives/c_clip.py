"""C-CLIP's contrastive knowledge consolidation: a pair's features, projected, are to find those of
the earlier model among the batch's (ICLR 2025, https://openreview.net/forum?id=sb7qHFYwBc, Eq. 5).

    h_i = [P x_i, P y_i] / |.|,   z_i = [x*_i, y*_i] / |.|
    L   = weight / 2B sum_i (CE(h_i Z' / T, i) + CE(z_i H' / T, i))

x_i, y_i are the features of a pair as the towers return them, x*_i, y*_i those of the model that
the task starts from, joined to one row of twice their width; H and Z hold the rows of the batch.
P is a projector that lives as long as a task and is no part of the model: it keeps the two spaces
connected without making them the same. In the paper this stands beside the contrastive loss and
low-rank updates of which half is merged after each task; the row `c_clip` has all three.

The paper gives neither the projector's layers nor T, and its code could not be read. Here P is one
matrix (D, D) for both towers, without a bias, which begins each task as the identity, so that
nothing is drawn; it is trained by Adam (https://arxiv.org/abs/1412.6980) at `projector_lr`, a rate
of its own, since the recipe's optimizer has the model's parameters. T is what CLIP begins at.
Memory: a second copy of the weights, and four matrices (D, D). FLOPs: 4/3 of fine-tuning, because
the student's forward pass is the one of the loss it is joined to.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods import FreshPairs, Objective, Task
from methods.compute.towers import Towers
from methods.objectives._distillation import frozen
from methods.objectives._embeddings import recalled, symmetric_loss, wide
from methods.objectives._importance import packed, unpacked
from streams import Batch

# Adam's decay rates and the constant in its denominator, as published
DECAYS = (0.9, 0.999)
EPS = 1e-8


@dataclass
class CClip(Objective):
    """The consolidation alone; a method adds it to a loss: `contrastive+c_clip`."""

    weight: float = 1.0
    temperature: float = 0.07
    # The learning rate of the projector
    projector_lr: float = 1e-3
    needs: ClassVar[tuple[str, ...]] = ("teacher",)
    penalty: ClassVar[bool] = True
    _teacher: nn.Module | None = field(default=None, init=False, repr=False, compare=False)
    # P, and Adam's two moments of it, (D, D) each; empty before the first step of a task
    _projector: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    # Steps of the projector in this task
    _steps: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if min(self.weight, self.projector_lr) < 0 or not self.temperature > 0:
            raise ValueError(f"c_clip takes numbers >= 0 and temperature > 0, not {self}")

    def begin(self, model: nn.Module, task: Task) -> None:
        """Keep a copy of the model as teacher; a resumed task restores its own."""
        self._teacher = frozen(model)
        self._projector, self._steps = {}, 0

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the mean over the batch's pairs, both ways."""
        assert self._teacher is not None, "begin comes first"
        images, texts = towers.features(model, batch)
        before = torch.cat([wide(rows) for rows in recalled(self._teacher, batch, towers)], dim=1)
        self._place(wide(images))
        with torch.autocast(images.device.type, enabled=False):
            matrix = self._projector["matrix"]
            now = torch.cat([wide(images) @ matrix.T, wide(texts) @ matrix.T], dim=1)
            scale = torch.full((), -math.log(self.temperature), device=now.device, dtype=now.dtype)
            rows = functional.normalize(now, dim=1)
            return self.weight * symmetric_loss(rows, functional.normalize(before, dim=1), scale)

    def _place(self, rows: Tensor) -> None:
        """Put the projector where the rows (B, D) are; the first step of a task makes it."""
        width = rows.shape[1]
        if not self._projector:
            # Made on the device, where a copy from the host would have to be waited for
            self._projector["matrix"] = torch.eye(width, device=rows.device, dtype=rows.dtype)
            for moment in ("first", "second"):
                self._projector[moment] = rows.new_zeros(width, width)
        for name, held in self._projector.items():
            # Tensors loaded from a checkpoint are on the CPU
            if held.device != rows.device:
                self._projector[name] = held.detach().to(rows)
        self._projector["matrix"].requires_grad_()

    @contextmanager
    def stepping(self, model: nn.Module, loss_scale: float | Tensor) -> Iterator[None]:
        """Take Adam's step of the projector, by its gradient of this step's loss."""
        yield
        matrix = self._projector["matrix"]
        if matrix.grad is None:
            return
        self._steps += 1
        with torch.no_grad():
            gradient = matrix.grad / loss_scale
            # Under fp16 the scale may still be too large; such a step leaves all as it is
            finite = gradient.isfinite().all()
            first = DECAYS[0] * self._projector["first"] + (1 - DECAYS[0]) * gradient
            second = DECAYS[1] * self._projector["second"] + (1 - DECAYS[1]) * gradient.square()
            size = (second / (1 - DECAYS[1] ** self._steps)).sqrt() + EPS
            moved = matrix - self.projector_lr * first / (1 - DECAYS[0] ** self._steps) / size
            stepped = {"matrix": moved, "first": first, "second": second}
            for name, held in self._projector.items():
                self._projector[name] = torch.where(finite, stepped[name], held)

    def end(self, model: nn.Module, fresh: FreshPairs, towers: Towers) -> None:
        """Drop the teacher and the projector; the next task has its own."""
        self._teacher = None
        self._projector, self._steps = {}, 0

    def state_dict(self) -> dict[str, Tensor]:
        """Return, within a task, `teacher.<key>`, `projector.<name>` and the projector's steps."""
        if self._teacher is None:
            return {}
        projector = {name: held.detach() for name, held in self._projector.items()}
        steps = torch.tensor(self._steps)
        return packed(
            teacher=self._teacher.state_dict(), projector=projector, count={"steps": steps}
        )

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a state; between tasks there is none, and it is empty."""
        if self._teacher is None or not state:
            return
        self._teacher.load_state_dict(unpacked(state, "teacher"))
        self._projector = unpacked(state, "projector")
        self._steps = int(state["count.steps"])
