"""KeepLoRA: low-rank updates along a task's gradient, outside of the principal subspace of the
pretrained weight and of the inputs of earlier tasks (https://arxiv.org/abs/2601.19659; code:
https://github.com/MaolinLuo/KeepLoRA).

    W = W0 + (alpha / rank) B A,   only B moves, from 0
    A: the `rank` leading right singular vectors of G (1 - P)
    P at first: the right singular vectors of W0 that hold `weight_energy` of its squares
    after a task P grows by leading directions of its inputs until it holds `energy` of theirs

G is the mean gradient of the loss by W0 in the task's first `measure_steps` steps, in which no
weight changes. A backbone's general knowledge is in the principal directions of its weights, and a
task's in other directions. Both are protected: outputs for inputs in P do not change, whatever the
optimizer is.

The authors estimate G in a pass over the whole task. They treat queries, keys, values and the
output projection as four matrices; here the first three are one fused matrix with one A, and the
last is frozen, as no module receives its inputs. Directions of W0 are those of its inputs, as in
the paper and the released code for language models; that for CLIP takes the left ones of the fused
projection, which are directions of its outputs.

Memory: P and C, columns x columns numbers each per weight, and optimizer state for rank x rows.
FLOPs: those of `lora`, and 2 columns^2 for each token that goes into a weight; an SVD of each W0 in
the first task, of each G and each C in every one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods import Task
from methods.tuning._confined import Confined, ConfinedUpdates
from methods.tuning._subspaces import NEGLIGIBLE, grown, outside, principal, wide


@dataclass
class Keeplora(ConfinedUpdates):
    """KeepLoRA, of each attention's fused projection in both towers.

    Rank and energies are those of the released configuration; the text tower has a field of its
    own.
    """

    rank: int = 16
    alpha: float = 16.0
    # The share of the energy of a task's inputs that later tasks must not disturb
    energy: float = 0.99
    # The share of a pretrained weight's squared singular values that every task must not disturb
    weight_energy: float = 0.85
    text_weight_energy: float = 0.2
    # Steps in which no weight changes while A is being chosen
    measure_steps: int = 1
    targets: tuple[str, ...] = ("attn.in_proj_weight",)

    def __post_init__(self) -> None:
        counts = min(self.rank, self.measure_steps) >= 1 and self.alpha > 0
        energies = (self.energy, self.weight_energy, self.text_weight_energy)
        if not counts or not self.targets or not 0 < min(energies) <= max(energies) <= 1:
            raise ValueError(
                "keeplora takes rank and measure_steps >= 1, alpha > 0, energies in (0, 1] and one "
                f"target or more, not {self}"
            )
        self.by_gradient = True
        self.reset()

    def update(self, name: str, weight: Tensor, task: Task) -> nn.Module:
        """Return an update of the weight, after protecting its principal directions."""
        if name not in self._held:
            image = name.startswith("visual.")
            share = self.weight_energy if image else self.text_weight_energy
            self._held[name] = principal(weight.detach(), share)
        update = Confined(weight, self.rank, self.alpha / self.rank, 0)
        update.measures = True
        return update

    def chosen(self, measured: Tensor, held: Tensor | None) -> Tensor:
        """Return the leading directions of the gradient outside of the protected ones."""
        assert held is not None, "a weight's own principal directions are held from the start"
        held = wide(held)
        # Waits: once a task, as a GPU's decomposition is checked by the host
        _, values, vectors = torch.linalg.svd(measured - measured @ held, full_matrices=False)
        rows = outside(vectors[: self.rank], held)
        real = values[: self.rank] > NEGLIGIBLE * measured.norm()
        rows = rows * real.to(rows)[:, None]
        return nn.functional.pad(rows, (0, 0, 0, self.rank - len(rows)))

    def held_after(self, covariance: Tensor, held: Tensor | None) -> Tensor:
        """Return the protected subspace, extended by directions of the task's inputs."""
        assert held is not None, "a weight's own principal directions are held from the start"
        once = covariance - held @ covariance
        return grown(held, once - once @ held, covariance.trace(), self.energy, power=1)
