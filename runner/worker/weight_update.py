"""The update of weights: how the gradients of a step become new weights, by the recipe."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from methods import Method, Weights, optimizers, schedules
from methods.compute.distributed import Ranks
from methods.parameters import weights_in_use
from schema.checks.parts import CARRY
from schema.spec import Row

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class WeightUpdate:
    """The optimizer of one task, its loss scale and its clipping."""

    def __init__(
        self,
        recipe: Row,
        model: nn.Module,
        method: Method,
        parameters: list[nn.Parameter],
        ranks: Ranks,
        has_values: bool,
    ) -> None:
        """`parameters` are those that move. Tensors without values have no loss to be scaled."""
        self.recipe, self.model, self.method = recipe, model, method
        self.parameters, self.ranks = parameters, ranks
        self.device = next(model.parameters()).device
        # Gradients in half precision would vanish without it
        scales = has_values and recipe["precision"] == "fp16"
        self.optimizer = optimizers.optimizer(recipe["optimizer"], parameters, recipe)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=scales)

    def remember(self, memory: optimizers.Memory) -> None:
        """Begin with what the optimizer of the task before remembered."""
        optimizers.remember(self.optimizer, dict(self.model.named_parameters()), memory)

    def memory(self) -> optimizers.Memory:
        """Return what the next task's optimizer begins with, where the recipe carries it on."""
        if not self.recipe["optimizer_params"].get(CARRY):
            return {}
        return optimizers.memory(self.optimizer, dict(self.model.named_parameters()))

    def end(self) -> optimizers.Memory:
        """Return `memory`, after which no step follows in this task.

        The parameters then hold what the steps have come to, where that is an average of them.
        """
        memory = self.memory()
        optimizers.settle(self.optimizer)
        return memory

    def set_lr(self, lr: float) -> None:
        """Set the learning rate of the next step."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr

    def scaled(self, loss: Tensor) -> Tensor:
        """Return the loss as it is passed backward."""
        scaled: Tensor = self.scaler.scale(loss)
        return scaled

    def take(self) -> None:
        """Make new weights of the gradients that a backward pass has left, and drop these."""
        gradients = [each.grad for each in self.parameters if each.grad is not None]
        self.ranks.average(gradients)
        scale: float | Tensor = 1.0
        # The scale stays on the device: its value is never asked for
        if self.scaler.is_enabled():
            scale = self.scaler.scale(torch.ones((), device=self.device))
        self.scaler.unscale_(self.optimizer)
        if self.recipe["clip_norm"] is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe["clip_norm"])
        tuning, objective = self.method.tuning, self.method.objective
        with objective.stepping(self.model, scale), tuning.stepping(self.model, self.optimizer):
            # Waits: under fp16, torch asks whether all gradients are finite. A fused optimizer
            # leaves the step out on the device
            self.scaler.step(self.optimizer)
        # An average over steps is of the weights as the step has left them
        self.method.merging.step(partial(in_use, self.model))
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the optimizer and of the loss scale."""
        return {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that may hold other keys, too."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])


def learning_rate(recipe: Row, task: int, steps: int, step: int) -> float:
    """Return the learning rate of a step, counted from 0, of a task of `steps` steps."""
    schedule = getattr(schedules, recipe["schedule"])
    position = schedules.Position(step=step, steps=steps, task=task)
    return float(recipe["lr"] * schedule(position, **recipe["schedule_params"]))


def autocast(recipe: Row, device: torch.device, keep_casts: bool = True) -> torch.autocast:
    """Return a context in which the recipe's precision holds.

    Weights that were cast within it are cast once. That must not be (`keep_casts` false) where some
    passes have gradients and others have none: the later ones would be given the casts of the
    earlier.
    """
    precision = recipe["precision"]
    return torch.autocast(
        device.type,
        dtype=DTYPES[precision],
        enabled=precision != "fp32",
        cache_enabled=keep_casts,
    )


def in_use(model: nn.Module) -> Weights:
    """Return what an average over steps is of, under the names of the plain CLIP.

    It is of the weights in use, whatever the tuning computes them from, and of the buffers.
    """
    return dict(model.named_buffers()) | weights_in_use(model)
