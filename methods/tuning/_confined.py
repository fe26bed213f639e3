"""Low-rank updates whose input side is chosen in the first steps of a task, and then fixed.

    W = W0 + scale B A,   only B moves, from 0

The rows of A are orthogonal to a protected subspace of the inputs, so for an input x in it A x = 0,
and the layer's output is unchanged, whatever the optimizer does to B.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from methods import Task
from methods.compute.distributed import ALONE, Ranks
from methods.parameters import named
from methods.tuning._computed import Computed, full_precision, matrices
from methods.tuning._inputs import Inputs
from methods.tuning._subspaces import wide


class Confined(nn.Module):
    """The update of one weight, whose A is 0 until it has been chosen."""

    down: Tensor

    def __init__(self, weight: Tensor, rank: int, scale: float, first_row: int) -> None:
        """Prepare the update of the rows of a weight (rows, columns) from `first_row` on."""
        super().__init__()
        rows, columns = weight.shape
        # Part of the state dict, as a checkpoint from within a task must restore the choice
        self.register_buffer("down", weight.new_zeros(rank, columns))
        self.up = nn.Parameter(weight.new_zeros(rows - first_row, rank))
        self.scale, self.first_row = scale, first_row
        # The gradient of the loss by the weight in use, (rows, columns), while it is measured
        self.gradient: Tensor | None = None
        self.measures = False

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight in use."""
        with full_precision(weight):
            update = self.scale * (self.up @ self.down)
            if self.first_row:
                update = nn.functional.pad(update, (0, 0, self.first_row, 0))
            used: Tensor = weight + update
        if self.measures and used.requires_grad:
            used.register_hook(self._keep)  # type: ignore[no-untyped-call]
        return used

    def _keep(self, gradient: Tensor) -> None:
        self.gradient = gradient.detach().clone()


class ConfinedUpdates(Computed):
    """A tuning of such updates; a subclass says how A is chosen and what is protected.

    The subclass has `rank`, `measure_steps` and `scale` among its fields, and calls `reset` when it
    is created.
    """

    # Steps in which no weight changes while A is being chosen
    measure_steps: int
    # Whether A is chosen by the gradient of the weight instead of by its inputs
    by_gradient: bool
    _held: dict[str, Tensor]
    _seen: dict[str, Tensor]
    _steps: int
    _inputs: Inputs
    _measured: dict[str, Tensor]
    _ranks: Ranks

    def reset(self) -> None:
        """Reset to the state before the first task."""
        # The projection P on the protected inputs of each weight, (columns, columns)
        self._held = {}
        # The sums of this task's covariances so far
        self._seen = {}
        # The measured sums that A is chosen by: of gradients or of covariances
        self._measured = {}
        self._steps, self._inputs, self._ranks = 0, Inputs(), ALONE

    def chosen(self, measured: Tensor, held: Tensor | None) -> Tensor:
        """Return A (rank, columns) of a weight, orthogonal to its protected inputs `held`.

        `measured` is the covariance of the weight's inputs, or the gradient of the loss by it.
        """
        raise NotImplementedError

    def held_after(self, covariance: Tensor, held: Tensor | None) -> Tensor:
        """Return the projection on a weight's protected inputs after a task of this covariance."""
        raise NotImplementedError

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze all parameters, register each target's update, and watch the inputs.

        Raises:
            ValueError: a target that matches no matrix, or whose inputs cannot be observed.
        """
        self._seen, self._measured, self._steps, self._ranks = {}, {}, 0, task.ranks
        names = matrices(model, self.targets, named(self))
        self._inputs.watch(model, names, task.ranks, named(self))
        return super().begin(model, task)

    @contextmanager
    def stepping(self, model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
        """Add up what the step measured, and choose A after `measure_steps` steps.

        Until then A is 0, so that B has no gradient and the step moves nothing.
        """
        covariances = self._inputs.taken()
        for name, covariance in covariances.items():
            earlier = self._seen.get(name)
            # Tensors loaded from a checkpoint are on the CPU
            sums = covariance if earlier is None else earlier.to(covariance) + covariance
            self._seen[name] = sums
        measures = self._steps < self.measure_steps
        if measures:
            self._measure(model)
        yield
        self._steps += 1
        if measures and self._steps == self.measure_steps:
            self._choose(model)
        for _, update in self.updates(model):
            if isinstance(update, Confined):
                update.measures = self.by_gradient and self._steps < self.measure_steps

    def _measure(self, model: nn.Module) -> None:
        """Add the gradient of this step; one that overflowed in fp16 is skipped."""
        if not self.by_gradient:
            return
        gradients = {}
        for name, update in self.updates(model):
            if isinstance(update, Confined) and update.gradient is not None:
                gradients[name], update.gradient = wide(update.gradient), None
        self._ranks.average([gradients[name] for name in sorted(gradients)])
        for name, gradient in gradients.items():
            finite = torch.where(gradient.isfinite().all(), gradient, torch.zeros_like(gradient))
            earlier = self._measured.get(name)
            sums = finite if earlier is None else earlier.to(finite) + finite
            self._measured[name] = sums

    def _choose(self, model: nn.Module) -> None:
        """Choose A for each update, in place."""
        measured = self._measured if self.by_gradient else self._seen
        with torch.no_grad():
            for name, update in self.updates(model):
                if isinstance(update, Confined) and name in measured:
                    held = self._held.get(name)
                    held = None if held is None else held.to(measured[name])
                    update.down.copy_(self.chosen(measured[name], held))
        self._measured = {}

    def end(self, model: nn.Module) -> None:
        """Fold the updates in, and add this task's inputs to the protected subspaces."""
        self._inputs.stop()
        with torch.no_grad():
            for name, covariance in self._seen.items():
                held = self._held.get(name)
                held = None if held is None else held.to(covariance)
                self._held[name] = self.held_after(covariance, held)
        self._seen, self._measured = {}, {}
        super().end(model)

    def state_dict(self) -> dict[str, Tensor]:
        """Return `held.`, `seen.` and `measured.<weight>`, and the steps since the task began."""
        state = {"steps": torch.tensor(self._steps)}
        kinds = (("held", self._held), ("seen", self._seen), ("measured", self._measured))
        for kind, tensors in kinds:
            for name, tensor in tensors.items():
                state[f"{kind}.{name}"] = tensor
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state_dict` returned."""
        kinds: dict[str, dict[str, Tensor]] = {"held": {}, "seen": {}, "measured": {}}
        for key, tensor in state.items():
            kind, _, name = key.partition(".")
            if name:
                kinds[kind][name] = tensor
        self._held, self._seen = kinds["held"], kinds["seen"]
        self._measured, self._steps = kinds["measured"], int(state["steps"])
