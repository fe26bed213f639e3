"""LoRA: only low-rank updates of chosen weights are trained, W = W0 + (alpha / rank) B A
(https://arxiv.org/abs/2106.09685).

A starts random and B at zero, so the function is unchanged at first. `end` folds the update into
W0, which gives bit for bit the weight that training used, and the next task starts a new pair: the
ranks of all tasks add up. With `merge_after_task` false one pair is trained in all tasks, and the
update of the whole stream has its rank. All other parameters are frozen, the temperature too.

Memory: optimizer state for rank x (rows + columns) per weight. FLOPs: the gradient of each chosen
weight is computed on the way, so they are those of full fine-tuning less the weight gradients of
the other weights (0.86 with the default of FoMo-in-Flux, as in its table).
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from methods import Task
from methods.tuning._computed import Computed, full_precision

# B and A of one weight
Pair = tuple[Tensor, Tensor]


class LowRank(nn.Module):
    """The update of one weight.

    It may continue with the pair of an earlier task, whose product the weight contains already.
    """

    held: Tensor | None

    def __init__(self, weight: Tensor, rank: int, scale: float, earlier: Pair | None) -> None:
        """Draw the update of a weight (rows, columns), or continue with an earlier one."""
        super().__init__()
        rows, columns = weight.shape
        # Drawn on the CPU whatever the device: the generator is the one that checkpoints restore
        down = nn.init.kaiming_uniform_(torch.empty(rank, columns), a=math.sqrt(5)).to(weight)
        up = weight.new_zeros(rows, rank)
        if earlier is not None:
            up, down = earlier[0].to(weight), earlier[1].to(weight)
        self.down = nn.Parameter(down)
        self.up = nn.Parameter(up)
        self.scale = scale
        self.register_buffer("held", None if earlier is None else self.product().detach())

    def product(self) -> Tensor:
        """Return the update itself, (rows, columns)."""
        return self.scale * (self.up @ self.down)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight in use."""
        with full_precision(weight):
            if self.held is None:
                return weight + self.product()
            return weight + (self.product() - self.held)


@dataclass
class Lora(Computed):
    """LoRA, by default of two matrices of each block in both towers.

    They are the projection of query, key and value, and the second matrix of the MLP, at the rank
    and scale of FoMo-in-Flux's table.
    """

    rank: int = 4
    alpha: float = 4.0
    targets: tuple[str, ...] = (
        "attn.in_proj_weight",
        "mlp.c_proj.weight",
    )
    # False: one pair for all tasks
    merge_after_task: bool = True
    # The pairs that continue in the next task, as <weight>.down and <weight>.up
    _pairs: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.alpha > 0 or not self.targets:
            raise ValueError(f"lora takes rank >= 1, alpha > 0 and one target or more, not {self}")

    def update(self, name: str, weight: Tensor, task: Task) -> nn.Module:
        """Return a new pair, or the one that continues."""
        earlier = None
        if f"{name}.up" in self._pairs:
            earlier = self._pairs[f"{name}.up"], self._pairs[f"{name}.down"]
        return LowRank(weight, self.rank, self.alpha / self.rank, earlier)

    def end(self, model: nn.Module) -> None:
        """Fold the updates in, and keep the pairs if they continue."""
        if not self.merge_after_task:
            pairs = {}
            for name, update in self.updates(model):
                if isinstance(update, LowRank):
                    pairs[f"{name}.down"] = update.down.detach().clone()
                    pairs[f"{name}.up"] = update.up.detach().clone()
            self._pairs = pairs
        super().end(model)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the pairs that continue in the next task."""
        return dict(self._pairs)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state_dict` returned."""
        self._pairs = dict(state)
