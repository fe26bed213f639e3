"""Synaptic intelligence (https://arxiv.org/abs/1703.04200).

A penalty on moving the weights whose movement lowered the loss of earlier tasks.

    L = weight * sum_i Omega_i (theta_i - theta*_i)^2
    each step        omega_i += -g_i (theta_i after - theta_i before)
    after each task  Omega_i <- max(0, Omega_i + omega_i / ((theta_i - theta*_i)^2 + xi))
    theta*: where the task starts

The step is the one that the optimizer, with the tuning, took: with AdamW it is not along -g, and
lr g^2 would be another integral. g is the gradient of the loss by the weights in use, before
clipping and without this penalty's own part, so that the integral is of the task alone; under a
tuning that computes a weight from others it is the computed weight's. Negative sums are cut off: a
negative importance would push weights away without bound. theta* is the start of the task, which is
the end of the last one unless a merging chose another. Memory: five copies of the weights (omega,
Omega, theta*, g, and theta before a step). FLOPs: those of fine-tuning.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from methods import FreshPairs, Objective, Task
from methods.compute.distributed import ALONE, Ranks
from methods.compute.towers import Towers
from methods.objectives._embeddings import wide
from methods.objectives._importance import PerWeight, anchored, packed, placed, pull, unpacked
from methods.parameters import weights_in_use
from streams import Batch


@dataclass
class Si(Objective):
    """The penalty alone; a method adds it to a loss: `contrastive+si`."""

    weight: float = 0.5
    # Added to the squared movement, so that weights that barely moved get no huge importance
    xi: float = 1.0
    penalty: ClassVar[bool] = True
    _importance: PerWeight = field(default_factory=dict, init=False, repr=False)
    _start: PerWeight = field(default_factory=dict, init=False, repr=False)
    _path: PerWeight = field(default_factory=dict, init=False, repr=False)
    # Set between a loss and its optimizer step
    _gradients: PerWeight = field(default_factory=dict, init=False, repr=False, compare=False)
    _hooks: list[RemovableHandle] = field(
        default_factory=list, init=False, repr=False, compare=False
    )
    _ranks: Ranks = field(default=ALONE, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.weight < 0 or not self.xi > 0:
            raise ValueError(f"si takes weight >= 0 and xi > 0, not {self}")

    def begin(self, model: nn.Module, task: Task) -> None:
        """Anchor at the start; a resumed task restores its start and its path integral."""
        self._ranks = task.ranks
        self._start = anchored(model)
        self._path = {name: torch.zeros_like(tensor) for name, tensor in self._start.items()}

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return the penalty at the present weights.

        Registers hooks that keep the gradient of the whole loss for each weight, until the step.
        """
        device = batch.images.device
        self._start, self._path = placed(self._start, device), placed(self._path, device)
        self._importance = placed(self._importance, device)
        self._drop_gradients()
        for name, used in weights_in_use(model).items():
            if used.requires_grad:
                hook = used.register_hook(self._keep(name))  # type: ignore[no-untyped-call]
                self._hooks.append(hook)
        anchor = {name: self._start[name] for name in self._importance}
        squares = pull(model, anchor, self._importance)
        return batch.images.new_zeros(()) if squares is None else self.weight * squares

    @contextmanager
    def stepping(self, model: nn.Module, loss_scale: float | Tensor) -> Iterator[None]:
        """Add the step to the path integral."""
        self._ranks.average([self._gradients[name] for name in sorted(self._gradients)])
        before = {}
        with torch.no_grad():
            for name, tensor in weights_in_use(model).items():
                if name in self._gradients:
                    before[name] = wide(tensor).clone()
        yield
        with torch.no_grad():
            after = weights_in_use(model)
            for name, start in before.items():
                gradient = self._gradient_of_task(name, start, loss_scale)
                moved = wide(after[name]) - start
                # Where fp16 overflowed, the step is left out and the gradient is not finite
                self._path[name] -= torch.where(moved == 0, 0.0, gradient * moved)
        self._drop_gradients()

    def end(self, model: nn.Module, fresh: FreshPairs, towers: Towers) -> None:
        """Turn the task's path integral into importance."""
        self._drop_gradients()
        for name, now in anchored(model).items():
            start, path = self._start[name].to(now.device), self._path[name].to(now.device)
            gained = path / ((now - start).square() + self.xi)
            earlier = self._importance.get(name, torch.zeros_like(gained)).to(now.device)
            self._importance[name] = (earlier + gained).clamp(min=0)
        self._start, self._path = {}, {}

    def state_dict(self) -> dict[str, Tensor]:
        """Return `importance.<parameter>`, and within a task `start.` and `path.<parameter>`."""
        return packed(importance=self._importance, start=self._start, path=self._path)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a state; its tensors are moved to the model's device when they are needed."""
        self._importance = unpacked(state, "importance")
        self._start, self._path = unpacked(state, "start"), unpacked(state, "path")

    def _gradient_of_task(self, name: str, weight: Tensor, loss_scale: float | Tensor) -> Tensor:
        """Return the gradient by a weight without the loss scale and the penalty's own part."""
        gradient = wide(self._gradients[name]) / loss_scale
        if name not in self._importance:
            return gradient
        pulled = 2 * self.weight * self._importance[name] * (weight - self._start[name])
        return gradient - pulled

    def _keep(self, name: str) -> Callable[[Tensor], None]:
        """Return a hook that keeps the gradient of a weight."""

        def keep(gradient: Tensor) -> None:
            # Copied, as a parameter's `grad` may be this very tensor, which clipping changes in
            # place
            self._gradients[name] = gradient.clone()

        return keep

    def _drop_gradients(self) -> None:
        """Remove the hooks of the last loss, and the gradients that they kept."""
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._gradients = [], {}
