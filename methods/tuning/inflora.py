"""InfLoRA: low-rank updates in the directions that a task's inputs have and earlier tasks' inputs
do not (https://arxiv.org/abs/2404.00228; code: https://github.com/liangyanshuo/InfLoRA).

    W = W0 + B A / sqrt(3),   only B moves, from 0
    A: the `rank` leading left singular vectors of C - P C, as rows
    after a task P grows by leading directions of C - P C until it holds `energy` of |C|^2

C is the covariance of what goes into the weight, P the projection on what earlier tasks' inputs
need; C of A is that of the task's first `measure_steps` steps, in which nothing moves, C of P that
of all its steps. So an input of an earlier task is answered as before, to the energy that P leaves
out, whatever the optimizer is.

As published, attention's keys and values move and nothing else. The authors measure C in a pass
over the whole task before it, and in another one after it; the steps of a task are all that a
tuning sees. They let the energy rise to 1 with the number of tasks, which a tuning is not told, so
it is a constant here. Of their two ways to store P, by it or by its complement, this is neither: it
is stored whole, columns x columns numbers.

Memory: that, C, and optimizer state for rank x rows per weight. FLOPs: those of `lora`, and
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
    # The share of the energy of a task's inputs that later tasks leave alone
    energy: float = 0.98
    # Steps in which nothing moves while A is being chosen
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
        """Return an update of the weight's rows; of the fused projection keys and values alone."""
        first_row = len(weight) // 3 if name.endswith("in_proj_weight") else 0
        return Confined(weight, self.rank, 1 / math.sqrt(3), first_row)

    def chosen(self, measured: Tensor, held: Tensor | None) -> Tensor:
        """Return the leading directions of the inputs outside of what is held."""
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
        """Return what is held with the directions that the task's inputs need added."""
        if held is None:
            return leading(covariance, self.energy, power=2)
        residual = covariance - held @ covariance
        return grown(held, residual, covariance.square().sum(), self.energy, power=2)


def _filled(rows: Tensor, count: int) -> Tensor:
    """Return rows with rows of 0 after them, where a weight has fewer columns than the rank."""
    return nn.functional.pad(rows, (0, 0, 0, count - len(rows)))
