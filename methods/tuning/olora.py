"""O-LoRA: low-rank updates of a task, kept orthogonal to those of earlier tasks by a penalty
(https://arxiv.org/abs/2310.14152; code: https://github.com/cmnfriend/O-LoRA).

    W = W0 + (alpha / rank) B A, as in `lora`, a fresh pair for each task, folded in after it
    L_orth = weight * sum over entries of |A_i A^T|, over the pairs A_i of earlier tasks

The span of A is where an update reads its input, so tasks that read orthogonal inputs do not
interfere. The penalty's gradient, weight * sign(A_i A^T)^T A_i, is added to that of A just before
the step, after clipping, and so is no part of the loss that is reported. A second penalty of the
released code, on the norms of A and B, has weight 0 in most of its scripts and is left out.

Memory: that of `lora`, and A of every earlier task, rank x columns numbers per weight and task.
FLOPs: those of `lora`, and two products of rank x columns by the rank of all earlier pairs per
weight and step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from methods import Task
from methods.tuning._computed import Computed
from methods.tuning.lora import LowRank


@dataclass
class Olora(Computed):
    """O-LoRA, by default of the fused projection of each attention in both towers.

    Rank and weight are those of the released scripts.
    """

    rank: int = 8
    alpha: float = 8.0
    # The weight of the penalty
    weight: float = 0.5
    targets: tuple[str, ...] = ("attn.in_proj_weight",)
    # By the name of a weight: A of all earlier tasks, (rank x tasks, columns)
    _earlier: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        sizes = self.rank >= 1 and self.alpha > 0 and self.weight >= 0
        if not sizes or not self.targets:
            raise ValueError(
                f"olora takes rank >= 1, alpha > 0, weight >= 0 and one target or more, not {self}"
            )

    def update(self, name: str, weight: Tensor, task: Task) -> nn.Module:
        """Return a new low-rank pair."""
        return LowRank(weight, self.rank, self.alpha / self.rank, None)

    @contextmanager
    def stepping(self, model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
        """Add the gradient of the penalty."""
        with torch.no_grad():
            for name, update in self.updates(model):
                if name not in self._earlier or not isinstance(update, LowRank):
                    continue
                # Tensors loaded from a checkpoint are on the CPU
                earlier = self._earlier[name] = self._earlier[name].to(update.down)
                if update.down.grad is not None:
                    signs = (earlier @ update.down.T).sign()
                    update.down.grad.add_(signs.T @ earlier, alpha=self.weight)
        yield

    def end(self, model: nn.Module) -> None:
        """Fold the updates in, and keep their A for the penalty in later tasks."""
        for name, update in self.updates(model):
            if isinstance(update, LowRank):
                down = update.down.detach().clone()
                earlier = self._earlier.get(name)
                joined = down if earlier is None else torch.cat([earlier.to(down), down])
                self._earlier[name] = joined
        super().end(model)

    def state_dict(self) -> dict[str, Tensor]:
        """Return A of all earlier tasks, as `earlier.<weight>`."""
        return {f"earlier.{name}": tensor for name, tensor in self._earlier.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state_dict` returned."""
        self._earlier = {}
        for key, tensor in state.items():
            self._earlier[key.removeprefix("earlier.")] = tensor
