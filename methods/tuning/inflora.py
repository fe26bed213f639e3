"""InfLoRA: low-rank updates in directions of a task's inputs that earlier tasks' inputs do not have
(https://arxiv.org/abs/2404.00228; code: https://github.com/liangyanshuo/InfLoRA).

    W = W0 + B A / sqrt(3),   only B moves, from 0
    A: the `rank` leading left singular vectors of C - P C, as rows
    after a task P grows by leading directions of C - P C until it holds `energy` of |C|^2

C is the covariance of the weight's inputs, P the projection on the inputs of earlier tasks. For A,
C is measured in the task's first `measure_steps` steps, in which no weight changes; for P, in all
its steps. So outputs for inputs of earlier tasks do not change, up to the energy that P leaves out,
whatever the optimizer is.

As published, only attention's keys and values are trained. The authors measure C in one pass over
the whole task before training and another after it; here it is measured in the training steps, as a
tuning sees no other data. They let the energy rise to 1 with the number of tasks, which a tuning
does not know, so it is a constant here. They store a basis of P or of its complement; here P itself
is stored, columns x columns numbers.

Memory: P, C, and optimizer state for rank x rows per weight. FLOPs: those of `lora`, and
2 columns^2 for each token that goes into a weight; an SVD of C per weight and task for A, and one
for P.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods import Task
from methods.tuning._confined import Confined, ConfinedUpdates
from methods.tuning._subspaces import NEGLIGIBLE, grown, leading, outside, wide


@dataclass
class Inflora(ConfinedUpdates):
    """InfLoRA, of the keys and values of each attention in both towers.

    Rank and energy are those of the released configuration of ten tasks.
    """

    rank: int = 10
    # The share of the energy of a task's inputs that later tasks must not disturb
    energy: float = 0.98
    # Steps in which no weight changes while A is being chosen
    measure_steps: int = 1
    targets: tuple[str, ...] = ("attn.in_proj_weight",)

    def __post_init__(self) -> None:
        counts = min(self.rank, self.measure_steps) >= 1
        if not counts or not 0 < self.energy <= 1 or not self.targets:
            raise ValueError(
                "inflora takes rank and measure_steps >= 1, energy in (0, 1] and one target or "
                f"more, not {self}"
            )
        self.by_gradient = False
        self.reset()

    def update(self, name: str, weight: Tensor, task: Task) -> nn.Module:
        """Return an update of the weight's rows; in a fused projection, of keys and values only."""
        first_row = len(weight) // 3 if name.endswith("in_proj_weight") else 0
        return Confined(weight, self.rank, 1 / math.sqrt(3), first_row)

    def chosen(self, measured: Tensor, held: Tensor | None) -> Tensor:
        """Return the leading directions of the inputs outside of the protected ones."""
        left = measured if held is None else measured - held @ measured
        # Waits: once a task, as a GPU's decomposition is checked by the host
        vectors, values, _ = torch.linalg.svd(wide(left))
        rows = vectors.T[: self.rank]
        if held is not None:
            rows = outside(rows, wide(held))
        real = values[: self.rank] > NEGLIGIBLE * measured.norm()
        rows = rows * real.to(rows)[:, None]
        return _filled(rows, self.rank)

    def held_after(self, covariance: Tensor, held: Tensor | None) -> Tensor:
        """Return the protected subspace, extended by directions of the task's inputs."""
        if held is None:
            return leading(covariance, self.energy, power=2)
        residual = covariance - held @ covariance
        return grown(held, residual, covariance.square().sum(), self.energy, power=2)


def _filled(rows: Tensor, count: int) -> Tensor:
    """Pad rows with zeros to `count` rows, as a weight may have fewer columns than the rank."""
    return nn.functional.pad(rows, (0, 0, 0, count - len(rows)))
