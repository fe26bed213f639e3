"""Elastic weight consolidation: a penalty on moving the weights that earlier tasks depended on
(https://arxiv.org/abs/1612.00796; with one running Fisher for all tasks as in https://arxiv.org/abs/1805.06370).

    L = weight / 2 * sum_i F_i (theta_i - theta*_i)^2;   after each task   F <- decay * F + F_task,   theta* <- theta

F_task is the mean over batches of the squared gradient of the batch's contrastive loss: the estimator of FoMo-in-Flux, whose
scale falls with the batch size, so a good `weight` is good for one `batch_pairs`. Gradients are taken on the plain CLIP after the
tuning's end, of all parameters, with the temperature of training. Memory: two copies of the weights. Cost: one forward and
backward pass over `fisher_pairs` pairs per task.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods import Objective, Task, weights_in_use
from methods.objectives.contrastive import clip_loss
from streams import Batch


@dataclass
class Ewc(Objective):
    """The penalty alone; a method joins it to a loss: `contrastive+ewc`.

    Before the end of the first task there is no Fisher, so nothing holds the first task back unless `start_fisher` > 0: then the
    weights that the first task begins from count as important, all equally, and with `fisher_pairs` 0 the penalty is plain L2.
    """

    weight: float = 1.0
    decay: float = 1.0  # of the Fisher of earlier tasks, per task
    fisher_pairs: int = 50_000  # rounded up to whole batches
    estimator: str = "batch"  # how a gradient is squared: that of a batch's mean loss
    start_fisher: float = 0.0
    penalty: ClassVar[bool] = True
    _fisher: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    _anchor: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.estimator != "batch":
            raise ValueError(f"ewc: unknown estimator {self.estimator!r}. Allowed: 'batch'.")
        if min(self.weight, self.decay, self.fisher_pairs, self.start_fisher) < 0:
            raise ValueError(f"ewc takes no negative number: {self}")

    def begin(self, model: nn.Module, task: Task) -> None:
        """Anchor the first task at where it starts, if it shall be held at all."""
        if self.start_fisher and not self._fisher:
            self._anchor = {name: tensor.detach().clone() for name, tensor in weights_in_use(model).items()}
            self._fisher = {name: torch.full_like(tensor, self.start_fisher) for name, tensor in self._anchor.items()}

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """The penalty at the present weights; the batch plays no part but to say where to compute."""
        used = weights_in_use(model)
        self._move_to(batch.images.device)
        terms = [(self._fisher[name] * (used[name].float() - self._anchor[name]).square()).sum() for name in self._fisher]
        return self.weight / 2 * torch.stack(terms).sum() if terms else batch.images.new_zeros(())

    def end(self, model: nn.Module, batches: Iterator[Batch]) -> None:
        """Add the task's Fisher, and anchor at the weights as trained."""
        parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        fisher = {name: torch.zeros_like(parameter, dtype=torch.float32) for name, parameter in parameters.items()}
        seen_pairs = passes = 0
        while seen_pairs < self.fisher_pairs:
            batch = next(batches)
            loss = clip_loss(model, batch, model.get_parameter("logit_scale"))
            for name, gradient in zip(fisher, torch.autograd.grad(loss, list(parameters.values())), strict=True):
                fisher[name] += gradient.float().square()
            seen_pairs, passes = seen_pairs + len(batch.texts), passes + 1
        self._move_to(batch.images.device if passes else next(iter(parameters.values())).device)
        for name, squares in fisher.items():
            earlier = self._fisher.get(name)
            mean = squares / max(passes, 1)
            self._fisher[name] = mean if earlier is None else self.decay * earlier + mean
        self._anchor = {name: parameter.detach().float().clone() for name, parameter in parameters.items()}

    def state_dict(self) -> dict[str, Tensor]:
        """`fisher.<parameter>` and `anchor.<parameter>`."""
        kept = {"fisher": self._fisher, "anchor": self._anchor}
        return {f"{what}.{name}": tensor for what, tensors in kept.items() for name, tensor in tensors.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The reverse; the tensors move to the model's device when they are first needed."""
        self._fisher = {key.removeprefix("fisher."): tensor for key, tensor in state.items() if key.startswith("fisher.")}
        self._anchor = {key.removeprefix("anchor."): tensor for key, tensor in state.items() if key.startswith("anchor.")}

    def _move_to(self, device: torch.device) -> None:
        if any(tensor.device != device for tensor in self._fisher.values()):
            self._fisher = {name: tensor.to(device) for name, tensor in self._fisher.items()}
            self._anchor = {name: tensor.to(device) for name, tensor in self._anchor.items()}
