"""GaLore: every parameter moves, but the optimizer works on a low-rank projection of each matrix's gradient
(https://arxiv.org/abs/2403.03507, algorithm 2; as in FoMo-in-Flux, https://arxiv.org/abs/2408.14471).

    every `gap` steps  P <- leading singular vectors of G (on its smaller side);   W <- W - lr * scale * P Adam(P^T G)

The drift of the weights is not bounded by the rank, since P changes. Memory: optimizer state for rank x (the longer side) per
matrix, and P, in place of rows x columns. FLOPs: two thin products per step, and one SVD per matrix and gap. Any optimizer of a
recipe runs in the subspace; the projections begin anew with each task.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from methods import Task, Tuning
from methods.parameters import moving
from methods.tuning._computed import matrices
from methods.tuning._projected import Projection, stepped_in


@dataclass
class Galore(Tuning):
    """By default on all matrices of the blocks in both towers, at the settings of FoMo-in-Flux."""

    rank: int = 8
    gap: int = 200  # steps between two projections
    scale: float = 2.0
    targets: tuple[str, ...] = (
        "attn.in_proj_weight",
        "attn.out_proj.weight",
        "mlp.c_fc.weight",
        "mlp.c_proj.weight",
    )
    _bases: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    _steps: int = field(default=0, init=False, repr=False)  # of the task, so far

    def __post_init__(self) -> None:
        if self.rank < 1 or self.gap < 1 or not self.scale > 0 or not self.targets:
            raise ValueError(
                f"galore takes rank >= 1, gap >= 1, scale > 0 and one target or more, not {self}"
            )

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Forget the projections of the task before.

        Raises:
            ValueError: a target that matches no matrix.
        """
        self._names = matrices(model, self.targets, "galore")
        self._bases, self._steps = {}, 0
        return moving(model)

    @contextmanager
    def stepping(self, model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
        """Lend the optimizer the projected gradients."""
        projections = {}
        for name in self._names:
            parameter = model.get_parameter(name)
            if parameter.grad is not None:
                left = parameter.shape[0] <= parameter.shape[1]
                if self._steps % self.gap == 0:
                    self._bases[name] = leading(parameter.grad, self.rank, left)
                projections[parameter] = Projection(self._bases[name].to(parameter), left)
        with stepped_in(projections, self.scale, optimizer):
            yield
        self._steps += 1

    def state_dict(self) -> dict[str, Tensor]:
        """The projections, and how long ago they were made."""
        return {f"basis.{name}": basis for name, basis in self._bases.items()} | {
            "steps": torch.tensor(self._steps)
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The reverse."""
        self._bases = {
            key.removeprefix("basis."): basis
            for key, basis in state.items()
            if key.startswith("basis.")
        }
        self._steps = int(state["steps"])


def leading(matrix: Tensor, rank: int, left: bool) -> Tensor:
    """The leading singular vectors of a matrix: columns (rows, rank) if left, else rows (rank, columns)."""
    vectors, _, covectors = torch.linalg.svd(matrix.float(), full_matrices=False)
    found: Tensor = vectors[:, :rank] if left else covectors[:rank]
    return found.to(matrix.dtype).contiguous()
