"""CoSO, continuous subspace optimization: the optimizer works on a low-rank projection of the
gradient, away from the subspaces that earlier tasks moved in (https://arxiv.org/abs/2505.11816).

    G' = G - M M^T G
    every `gap` steps  P <- leading `rank` left singular vectors of G'
    W <- W + (1 - M M^T) (step of the optimizer on P^T G', put back by P; decay of W)

A frequent-directions sketch of `sketch_rank` columns summarises the gradients G' from which a task
chose its directions. When the task ends, the leading directions that hold `energy` of the sketch
join M, so that later tasks leave them alone. Where G' has fewer directions than P may hold, the
others are 0: what is left of G' there is rounding, which Adam would enlarge to whole steps. No
change of a weight, decay included, lies within M, and once M holds every direction the weight
stays.

Memory: optimizer state for rank x columns per matrix, P, the sketch (rows x sketch_rank), and M,
which grows to rows x rows at most. FLOPs: thin products per step, two SVDs per matrix and gap.
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
from methods.tuning._projected import Projection, can_choose, stepped_in

# A singular value below this share of the gradient's norm is rounding error
NEGLIGIBLE = 1e-5


@dataclass
class Coso(Tuning):
    """CoSO, by default of the output projection of each attention alone, as in the paper.

    All other parameters are frozen.
    """

    rank: int = 50
    sketch_rank: int = 120
    # Steps between two projections
    gap: int = 20
    # The share of a task's gradient energy whose directions later tasks avoid
    energy: float = 0.98
    targets: tuple[str, ...] = ("attn.out_proj.weight",)
    # By the name of a weight: M, (rows, directions), orthonormal
    _past: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    # The directions of the steps that follow, P, of shape (rows, rank)
    _bases: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    # The sketch is (rows, sketch_rank) at most
    _sketches: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    # How many steps the task has taken so far
    _steps: int = field(default=0, init=False, repr=False)
    _names: list[str] = field(default_factory=list, init=False, repr=False)
    _frozen: list[str] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        counts = min(self.rank, self.sketch_rank, self.gap) >= 1
        if not counts or not 0 < self.energy <= 1 or not self.targets:
            raise ValueError(
                "coso takes ranks and gap >= 1, energy in (0, 1] and one target or more, "
                f"not {self}"
            )

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze all other parameters, and begin a new sketch.

        Raises:
            ValueError: a target that matches no matrix.
        """
        self._names = matrices(model, self.targets, "coso")
        self._bases, self._sketches, self._steps = {}, {}, 0
        self._frozen = freeze(model, lambda name: name not in self._names)
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
            past = self._past.get(name)
            size = parameter.grad.norm()
            if past is not None:
                # A tensor loaded from a checkpoint is on the CPU
                past = self._past[name] = past.to(parameter)
                parameter.grad -= past @ (past.T @ parameter.grad)
            if self._steps % self.gap == 0:
                self._choose(name, parameter.grad, NEGLIGIBLE * size, past)
            basis = self._bases[name].to(parameter)
            projections[parameter] = Projection(basis, left=True, protected=past)
        with stepped_in(projections, 1.0, optimizer):
            yield
        self._steps += 1

    def _choose(self, name: str, outside: Tensor, least: Tensor, past: Tensor | None) -> None:
        """Choose the directions of the next steps from a gradient outside of M, and sketch it.

        Shapes depend on the weight's shape alone, so that the host reads no number from the device.
        """
        wide = outside.to(torch.promote_types(outside.dtype, torch.float32))
        # Waits: once in `gap` steps, as a GPU's decomposition is checked by the host
        left, values, _ = torch.linalg.svd(wide, full_matrices=False)
        counts = (values > least).to(wide)
        basis = (left * counts)[:, : self.rank]
        if past is not None:
            # The smaller a singular value, the more of M rounding leaves in its vector
            basis = basis - past.to(wide) @ (past.to(wide).T @ basis)
            basis = torch.linalg.qr(basis)[0] * counts[: self.rank]
        self._bases[name] = basis.to(outside.dtype).contiguous()
        parts = (left * (values * counts))[:, : self.sketch_rank].to(outside.dtype)
        self._sketches[name] = sketched(self._sketches.get(name), parts, self.sketch_rank)

    def end(self, model: nn.Module) -> None:
        """Add this task's directions to M, and make all parameters trainable again."""
        for name, sketch in self._sketches.items():
            wide = sketch.to(torch.promote_types(sketch.dtype, torch.float32))
            past = self._past.get(name, sketch[:, :0]).to(wide)
            left, values, _ = torch.linalg.svd(wide, full_matrices=False)
            held = values.square().cumsum(dim=0) / values.square().sum().clamp(min=1e-30)
            count = int((held < self.energy).sum()) + 1
            # An empty sketch holds no direction, and an energy of 1 must not add rounding error
            count = min(
                count, int((values > NEGLIGIBLE * values[0]).sum()), len(past) - past.shape[1]
            )
            new = left[:, :count]
            new = torch.linalg.qr(new - past @ (past.T @ new))[0]
            self._past[name] = torch.cat([past, new], dim=1).to(sketch.dtype).contiguous()
        self._bases, self._sketches = {}, {}
        thaw(model, self._frozen)

    def state_dict(self) -> dict[str, Tensor]:
        """Return `past.`, `basis.` and `sketch.<weight>`, and the steps since the task began."""
        state = {"steps": torch.tensor(self._steps)}
        kinds = (("past", self._past), ("basis", self._bases), ("sketch", self._sketches))
        for kind, tensors in kinds:
            state |= {f"{kind}.{name}": tensor for name, tensor in tensors.items()}
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state_dict` returned."""
        self._past = _those(state, "past.")
        self._bases = _those(state, "basis.")
        self._sketches = _those(state, "sketch.")
        self._steps = int(state["steps"])


def _those(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose keys begin with a prefix, under their keys without it."""
    return {
        key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)
    }


def sketched(sketch: Tensor | None, matrix: Tensor, rank: int) -> Tensor:
    """Update a frequent-directions sketch (rows, at most `rank`) with a matrix (rows, columns).

    For a sketch B, B B^T approximates the sum of all G G^T from below, to within the part that was
    shrunk away (https://arxiv.org/abs/1501.01711).
    """
    both = matrix if sketch is None else torch.cat([sketch.to(matrix), matrix], dim=1)
    wide = both.to(torch.promote_types(both.dtype, torch.float32))
    # Waits: once in `gap` steps, as above
    left, values, _ = torch.linalg.svd(wide, full_matrices=False)
    cut = values[rank].square() if len(values) > rank else values.new_zeros(())
    shrunk = (values[:rank].square() - cut).clamp(min=0).sqrt()
    columns: Tensor = left[:, :rank] * shrunk
    return columns.to(matrix.dtype).contiguous()
