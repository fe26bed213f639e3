"""Meta-experience replay by Reptile: aligns the gradients of replayed and of new pairs (MER for
continual pretraining, https://arxiv.org/abs/2508.01908; MER, https://arxiv.org/abs/1810.11910;
Reptile, https://arxiv.org/abs/1803.02999).

    after every `every` steps   theta <- start + share (theta - start),   start <- theta

start is where the parameters that move were `every` steps before. In expectation such a step goes
along the gradients of the batches between, and along the gradient of their inner products, so that
learning from one batch disturbs another one less. Replay itself is the mixture: a batch of new
pairs and of the buffer's, as in the paper. It adds no loss. At the end of a task the steps since
the last interpolation are left as they are. The optimizer's state is left alone.

The defaults are those of a library that has the method (https://github.com/IBM/AISteer360), not
ones of the paper, and are to be tuned. Memory: one copy of what moves. FLOPs:
those of fine-tuning.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods import FreshPairs, Objective, Task
from methods.compute.towers import Towers
from methods.objectives._importance import PerWeight, packed, unpacked
from streams import Batch


@dataclass
class Mer(Objective):
    """The interpolation alone; a method adds it to a loss: `contrastive+mer`."""

    every: int = 100
    # The share of the last `every` steps' movement that is kept
    share: float = 0.1
    needs: ClassVar[tuple[str, ...]] = ("buffer",)
    penalty: ClassVar[bool] = True
    # The weights at the last start, by the names of the trainable parameters
    _start: PerWeight = field(default_factory=dict, init=False, repr=False)
    # Steps since the start
    _steps: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.every < 1 or not 0 < self.share <= 1:
            raise ValueError(f"mer takes every >= 1 and a share in (0, 1], not {self}")

    def begin(self, model: nn.Module, task: Task) -> None:
        """Forget the last start; the first step of the task sets a new one."""
        self._start, self._steps = {}, 0

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return 0."""
        return batch.images.new_zeros(())

    @contextmanager
    def stepping(self, model: nn.Module, loss_scale: float | Tensor) -> Iterator[None]:
        """Count the step, and interpolate with the start after every `every` steps."""
        moving = {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                moving[name] = parameter
        if not self._steps:
            self._start = {name: tensor.detach().clone() for name, tensor in moving.items()}
        yield
        self._steps += 1
        if self._steps < self.every:
            return
        with torch.no_grad():
            for name, parameter in moving.items():
                # Tensors loaded from a checkpoint are on the CPU
                start = self._start[name].to(parameter)
                parameter.copy_(start + self.share * (parameter - start))
        self._steps = 0

    def end(self, model: nn.Module, fresh: FreshPairs, towers: Towers) -> None:
        """Forget the start."""
        self._start, self._steps = {}, 0

    def state_dict(self) -> dict[str, Tensor]:
        """Return `start.<parameter>`, and how many steps have been taken since."""
        steps = torch.tensor(self._steps)
        return packed(start=self._start, count={"steps": steps})

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a state; its tensors are moved to the model's device when they are needed."""
        self._start = unpacked(state, "start")
        self._steps = int(state["count.steps"])
