"""CoSO, continuous subspace optimization: the optimizer works on a low-rank projection of the gradient, away from the subspaces
that earlier tasks moved in (https://arxiv.org/abs/2505.11816).

    G' = G - M M^T G;   every `gap` steps  P <- leading left singular vectors of G';   W <- W - lr * P Adam(P^T G')

A frequent-directions sketch sums up a task's projected gradients; when the task ends, the leading directions that hold `energy`
of it join M, so later tasks leave them alone. Memory: optimizer state for rank x columns per matrix, P, the sketch (rows x
sketch_rank), and M, which grows to rows x rows at most. FLOPs: thin products per step, one SVD per matrix and gap, a small one
per step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from methods import Task, Tuning
from methods.parameters import freeze, moving, thaw
from methods.tuning._computed import matrices
from methods.tuning._projected import Projection, stepped_in
from methods.tuning.galore import leading


@dataclass
class Coso(Tuning):
    """By default of the output projection of each attention alone, as in the paper; all else is frozen."""

    rank: int = 50
    sketch_rank: int = 120
    gap: int = 20  # steps between two projections
    energy: float = 0.98  # of a task's gradients, that later tasks keep away from
    targets: tuple[str, ...] = ("attn.out_proj.weight",)
    _past: dict[str, Tensor] = field(
        default_factory=dict, init=False, repr=False
    )  # M: (rows, directions), orthonormal
    _bases: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    _sketches: dict[str, Tensor] = field(
        default_factory=dict, init=False, repr=False
    )  # (rows, sketch_rank)
    _steps: int = field(default=0, init=False, repr=False)
    _frozen: list[str] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if (
            min(self.rank, self.sketch_rank, self.gap) < 1
            or not 0 < self.energy <= 1
            or not self.targets
        ):
            raise ValueError(
                f"coso takes ranks and gap >= 1, energy in (0, 1] and one target or more, not {self}"
            )

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze all else, and begin a new sketch.

        Raises:
            ValueError: a target that matches no matrix.
        """
        self._names = matrices(model, self.targets, "coso")
        self._bases, self._sketches, self._steps = {}, {}, 0
        self._frozen = freeze(model, lambda name: name not in self._names)
        return moving(model)

    @contextmanager
    def stepping(self, model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
        """Lend the optimizer the projected gradients, and add them to the sketches."""
        projections = {}
        for name in self._names:
            parameter = model.get_parameter(name)
            if parameter.grad is None:
                continue
            if name in self._past:
                past = self._past[name] = self._past[name].to(parameter)
                parameter.grad -= past @ (past.T @ parameter.grad)
            if self._steps % self.gap == 0:
                self._bases[name] = leading(parameter.grad, self.rank, left=True)
            projection = projections[parameter] = Projection(
                self._bases[name].to(parameter), left=True
            )
            moved = projection.back(projection.down(parameter.grad))
            self._sketches[name] = sketched(self._sketches.get(name), moved, self.sketch_rank)
        with stepped_in(projections, 1.0, optimizer):
            yield
        self._steps += 1

    def end(self, model: nn.Module) -> None:
        """Remember where this task moved, and let all move again."""
        for name, sketch in self._sketches.items():
            left, values, _ = torch.linalg.svd(sketch.float(), full_matrices=False)
            held = values.square().cumsum(dim=0) / values.square().sum().clamp(min=1e-30)
            new = (
                left[:, : int((held < self.energy).sum()) + 1]
                if bool(values.any())
                else left[:, :0]
            )
            past = self._past.get(name, new[:, :0]).to(new)
            # orthonormal again: what the sketch holds is orthogonal to the past but for the rounding
            self._past[name] = torch.linalg.qr(torch.cat([past, new], dim=1))[0][
                :, : len(new)
            ].contiguous()
        self._bases, self._sketches = {}, {}
        thaw(model, self._frozen)

    def state_dict(self) -> dict[str, Tensor]:
        """`past.`, `basis.` and `sketch.<weight>`, and the steps since the task began."""
        kept = {"past": self._past, "basis": self._bases, "sketch": self._sketches}
        named = {
            f"{what}.{name}": tensor
            for what, tensors in kept.items()
            for name, tensor in tensors.items()
        }
        return named | {"steps": torch.tensor(self._steps)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The reverse."""
        for what, kept in (
            ("past.", self._past),
            ("basis.", self._bases),
            ("sketch.", self._sketches),
        ):
            kept.clear()
            kept.update(
                {
                    key.removeprefix(what): tensor
                    for key, tensor in state.items()
                    if key.startswith(what)
                }
            )
        self._steps = int(state["steps"])


def sketched(sketch: Tensor | None, matrix: Tensor, rank: int) -> Tensor:
    """A frequent-directions sketch (rows, at most `rank`) with a matrix (rows, columns) added: B B^T stays near the sum of all
    G G^T, below it by at most what was shrunk away (https://arxiv.org/abs/1501.01711)."""
    both = matrix if sketch is None else torch.cat([sketch.to(matrix), matrix], dim=1)
    left, values, _ = torch.linalg.svd(both.float(), full_matrices=False)
    cut = values[rank].square() if len(values) > rank else values.new_zeros(())
    shrunk = (values[:rank].square() - cut).clamp(min=0).sqrt()
    found: Tensor = left[:, :rank] * shrunk
    return found.to(matrix.dtype).contiguous()
