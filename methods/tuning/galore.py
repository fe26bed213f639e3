"""GaLore: every parameter is trained, but the optimizer works on a low-rank projection of each
matrix's gradient (https://arxiv.org/abs/2403.03507, algorithm 2; as in FoMo-in-Flux,
https://arxiv.org/abs/2408.14471).

    every `gap` steps  P <- leading singular vectors of G (on its smaller side)
    W <- W - lr * scale * P Adam(P^T G)

The drift of the weights is not bounded by the rank, since P changes. Any optimizer of a recipe runs
in the subspace, and weight decay acts on the whole weight; the projections begin anew with each
task.

Memory: optimizer state for rank x (the longer side) per matrix, and P, in place of rows x columns.
FLOPs: two thin products per step, and one SVD per matrix and gap.
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
from methods.tuning._projected import Projection, can_choose, stepped_in


@dataclass
class Galore(Tuning):
    """GaLore, by default on all matrices of the blocks in both towers.

    The settings are those of FoMo-in-Flux.
    """

    rank: int = 8
    # Steps between two projections
    gap: int = 200
    scale: float = 2.0
    targets: tuple[str, ...] = (
        "attn.in_proj_weight",
        "attn.out_proj.weight",
        "mlp.c_fc.weight",
        "mlp.c_proj.weight",
    )
    _bases: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    _names: list[str] = field(default_factory=list, init=False, repr=False)
    # How many steps the task has taken so far
    _steps: int = field(default=0, init=False, repr=False)

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
        """Give the optimizer the projected gradients for the step."""
        if self._steps % self.gap == 0 and not can_choose(model, self._names):
            # This step is skipped, and the next one chooses
            yield
            return
        projections = {}
        for name in self._names:
            parameter = model.get_parameter(name)
            if parameter.grad is None:
                continue
            left = parameter.shape[0] <= parameter.shape[1]
            if self._steps % self.gap == 0:
                self._bases[name] = leading(parameter.grad, self.rank, left)
            projections[parameter] = Projection(self._bases[name].to(parameter), left)
        with stepped_in(projections, self.scale, optimizer):
            yield
        self._steps += 1

    def state_dict(self) -> dict[str, Tensor]:
        """Return the projections, as `basis.<weight>`, and the steps since the task began."""
        state = {f"basis.{name}": basis for name, basis in self._bases.items()}
        return state | {"steps": torch.tensor(self._steps)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state_dict` returned."""
        self._bases = {}
        for key, basis in state.items():
            if key.startswith("basis."):
                self._bases[key.removeprefix("basis.")] = basis
        self._steps = int(state["steps"])


def leading(matrix: Tensor, rank: int, left: bool) -> Tensor:
    """Return the leading singular vectors of a matrix.

    They are columns (rows, rank) if left, else rows (rank, columns).
    """
    # Waits: once in `gap` steps, as a GPU's decomposition is checked by the host
    vectors, _, covectors = torch.linalg.svd(matrix.float(), full_matrices=False)
    basis: Tensor = vectors[:, :rank] if left else covectors[:rank]
    return basis.to(matrix.dtype).contiguous()
