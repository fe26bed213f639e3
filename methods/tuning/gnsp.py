"""GNSP, gradient null space projection: gradients are projected so that outputs for the inputs of
earlier tasks do not change (https://arxiv.org/abs/2507.19839; code:
https://github.com/Ppp-Ttt/GNSP).

    g <- g P,   P = V V^T
    V: the right singular vectors of M whose singular values, the smallest, sum to less than `rho`
       of all
    M: over earlier tasks, the sum of their C / |C|
    C: over a task's steps, the sum of X^T X / |X^T X|, X being what goes into the weight

As published, only the MLPs of the image tower are trained, and the objective adds a distillation
and an alignment on reference pairs (`gift`, with its consolidation off). The authors also train the
image projection, whose inputs no module receives here. They initialise M by a pass over ImageNet,
so that the first task is projected as well; here it is not. They measure C in a pass over the task
after it; here it is measured in the training steps.

A projected gradient does not make a projected step: AdamW scales each entry by itself. With
`project_step` the whole change of a weight by a step is projected, too, decay included, so it has
no part outside of P, whatever the optimizer is.

Memory: M, C and P, columns x columns numbers each per weight (9 million for the second matrix of an
MLP of ViT-B). FLOPs: no weight gradients and no states for frozen parameters; 2 columns^2 for each
token that goes into a weight, half of a training step for the second matrix of an MLP; a product by
P per weight and step, two with `project_step`; an SVD of each M per task.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from methods import Task, Tuning
from methods.parameters import freeze, moving, thaw
from methods.tuning._computed import matrices
from methods.tuning._inputs import Inputs
from methods.tuning._subspaces import wide


@dataclass
class Gnsp(Tuning):
    """GNSP, of the two matrices of each MLP in the image tower."""

    leaves: ClassVar[tuple[str, ...]] = ("text",)
    # The share of the sum of M's singular values that counts as its null space
    rho: float = 0.15
    # Whether the step is projected, too, and not only the gradient
    project_step: bool = False
    targets: tuple[str, ...] = ("mlp.c_fc.weight", "mlp.c_proj.weight")
    # By the name of a weight, (columns, columns) each
    _moments: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    _null: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    # C of this task so far
    _seen: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    _inputs: Inputs = field(default_factory=Inputs, init=False, repr=False, compare=False)
    _names: list[str] = field(default_factory=list, init=False, repr=False)
    _frozen: list[str] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.rho <= 1 or not self.targets:
            raise ValueError(f"gnsp takes rho in (0, 1] and one target or more, not {self}")

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze all other parameters, compute the null spaces, and watch the inputs.

        Raises:
            ValueError: a target that matches no matrix, none of them in the image tower, or one
                whose inputs cannot be observed.
        """
        names = matrices(model, self.targets, "gnsp")
        self._names = [name for name in names if name.startswith("visual.")]
        if not self._names:
            raise ValueError(
                "gnsp moves matrices of the image tower, and none of them ends with "
                f"{', '.join(self.targets)}; use tuning 'full'"
            )
        self._frozen = freeze(model, lambda name: name not in self._names)
        self._seen, self._null = {}, {}
        for name, moment in self._moments.items():
            self._null[name] = null_space(moment.to(model.get_parameter(name)), self.rho)
        self._inputs.watch(model, self._names, task.ranks, "gnsp")
        return moving(model)

    @contextmanager
    def stepping(self, model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
        """Project the gradients, and the step with `project_step`; add up the step's inputs."""
        for name, covariance in self._inputs.taken().items():
            share = normalised(covariance)
            earlier = self._seen.get(name)
            self._seen[name] = share if earlier is None else earlier.to(share) + share
        projected = []
        with torch.no_grad():
            for name, null in self._null.items():
                parameter = model.get_parameter(name)
                if parameter.grad is not None:
                    # Tensors loaded from a checkpoint are on the CPU
                    null = self._null[name] = null.to(parameter)
                    parameter.grad = parameter.grad @ null
                    projected.append((parameter, null))
            before = []
            if self.project_step:
                before = [parameter.detach().clone() for parameter, _ in projected]
        yield
        with torch.no_grad():
            for (parameter, null), was in zip(projected, before, strict=False):
                parameter.copy_(was + (parameter - was) @ null)

    def end(self, model: nn.Module) -> None:
        """Add this task's inputs to M, and make all parameters trainable again."""
        self._inputs.stop()
        for name, covariance in self._seen.items():
            share = normalised(covariance)
            earlier = self._moments.get(name)
            self._moments[name] = share if earlier is None else earlier.to(share) + share
        self._seen, self._null = {}, {}
        thaw(model, self._frozen)

    def state_dict(self) -> dict[str, Tensor]:
        """Return `moment.`, `null.` and `seen.<weight>`."""
        state = {}
        kinds = (("moment", self._moments), ("null", self._null), ("seen", self._seen))
        for kind, tensors in kinds:
            for name, tensor in tensors.items():
                state[f"{kind}.{name}"] = tensor
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state_dict` returned."""
        kinds: dict[str, dict[str, Tensor]] = {"moment": {}, "null": {}, "seen": {}}
        for key, tensor in state.items():
            kind, _, name = key.partition(".")
            kinds[kind][name] = tensor
        self._moments, self._null, self._seen = kinds["moment"], kinds["null"], kinds["seen"]


def normalised(matrix: Tensor) -> Tensor:
    """Return a matrix of Frobenius norm 1."""
    size: Tensor = matrix.norm()
    return matrix / size.clamp(min=1e-30)


def null_space(moment: Tensor, rho: float) -> Tensor:
    """Return P (columns, columns) of a moment M (columns, columns), by the formula above."""
    _, values, vectors = torch.linalg.svd(wide(moment))
    # The sum of each singular value and all smaller ones
    tails = values.flip(0).cumsum(dim=0).flip(0)
    kept = vectors * (tails < rho * values.sum()).to(vectors)[:, None]
    null: Tensor = kept.T @ kept
    return null.to(moment)
