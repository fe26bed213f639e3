"""VeRA: two frozen random matrices that all chosen weights share, and two trained vectors per
weight (https://arxiv.org/abs/2310.11454, equation 2; as in FoMo-in-Flux,
https://arxiv.org/abs/2408.14471).

    W = W0 + diag(b) B diag(d) A

A and B are drawn once per task, and each weight uses their first rows and columns, as many as it
needs. One of d and b starts at zero, so the function is unchanged: the paper begins with d = 0.1
and b = 0, FoMo-in-Flux's code with d = 0 and b = 0.1.

Memory: rank + rows numbers per weight are trained, far fewer than with `lora`; the random matrices,
rank x (longest row + longest column), are shared. FLOPs: as `lora` of that rank.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from methods import Task
from methods.tuning._computed import Computed, full_precision, matrices


class Scaled(nn.Module):
    """The update of one weight; the shared matrices are in no state dict."""

    down: Tensor
    up: Tensor

    def __init__(
        self, weight: Tensor, down: Tensor, up: Tensor, inner: float, outer: float
    ) -> None:
        """Set d to `inner` and b to `outer`, on the shared matrices."""
        super().__init__()
        rows, columns = weight.shape
        self.register_buffer("down", down[:, :columns], persistent=False)
        self.register_buffer("up", up[:rows], persistent=False)
        self.inner = nn.Parameter(weight.new_full((len(down),), inner))
        self.outer = nn.Parameter(weight.new_full((rows, 1), outer))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight in use."""
        with full_precision(weight):
            return weight + self.outer * ((self.up * self.inner) @ self.down)


@dataclass
class Vera(Computed):
    """VeRA, by default of the same weights as `lora`, at the paper's rank and start."""

    rank: int = 256
    targets: tuple[str, ...] = (
        "attn.in_proj_weight",
        "mlp.c_proj.weight",
    )
    start_d: float = 0.1
    start_b: float = 0.0
    # A (rank, longest row) and B (longest column, rank)
    _shared: tuple[Tensor, ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.targets or self.start_d * self.start_b != 0:
            raise ValueError(
                f"vera takes rank >= 1, one target or more, and a start of 0 for d or b, not {self}"
            )

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Draw the shared matrices, freeze all parameters, and register each target's update.

        Raises:
            ValueError: a target that matches no matrix.
        """
        chosen = [model.get_parameter(name) for name in matrices(model, self.targets, "vera")]
        rows = max(len(weight) for weight in chosen)
        columns = max(weight.shape[1] for weight in chosen)
        # Drawn on the CPU whatever the device: the generator is the one that checkpoints restore
        down = nn.init.kaiming_uniform_(torch.empty(self.rank, columns))
        up = nn.init.kaiming_uniform_(torch.empty(rows, self.rank))
        self._shared = (down.to(chosen[0]), up.to(chosen[0]))
        return super().begin(model, task)

    def update(self, name: str, weight: Tensor, task: Task) -> nn.Module:
        """Return an update with the weight's own vectors, on the shared matrices."""
        down, up = self._shared
        return Scaled(weight, down, up, self.start_d, self.start_b)

    def end(self, model: nn.Module) -> None:
        """Fold the updates in, and drop the shared matrices."""
        super().end(model)
        self._shared = ()
