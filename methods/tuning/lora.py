"""LoRA: only low-rank updates of chosen weights move, W = W0 + (alpha / rank) B A (https://arxiv.org/abs/2106.09685).

A starts random and B at zero, so the function is unchanged at first; `end` folds the update into W0, bit for bit the weight that
training used, and the next task starts a fresh pair. All else is frozen, the temperature too. Memory: optimizer state for
rank x (rows + columns) per weight; the gradient of each chosen weight is formed in passing, so FLOPs are those of full
fine-tuning less the weight gradients of what was not chosen (0.86 with the default of FoMo-in-Flux, as in its table).

Built on torch's parametrizations rather than on peft: peft cannot reach the fused projection of `nn.MultiheadAttention` but by
adding the update to the frozen weight before each forward pass and subtracting it after, and the weight drifts by the rounding
(measured: 9,197 entries of a 2-layer CLIP after 200 steps). A frozen weight here does not move by a bit.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from methods import Task, Tuning, freeze, moving, thaw


class LowRank(nn.Module):
    """The update of one weight."""

    def __init__(self, weight: Tensor, rank: int, scale: float) -> None:
        super().__init__()
        rows, columns = weight.shape
        # Drawn on the CPU whatever the device: one generator, the one that checkpoints restore
        down = nn.init.kaiming_uniform_(torch.empty(rank, columns), a=math.sqrt(5))
        self.down = nn.Parameter(down.to(weight))
        self.up = nn.Parameter(weight.new_zeros(rows, rank))
        self.scale = scale

    def forward(self, weight: Tensor) -> Tensor:
        """The weight in use. In full precision under autocast too: what is trained is what is folded in."""
        with torch.autocast(weight.device.type, enabled=False):
            return weight + self.scale * (self.up @ self.down)


@dataclass
class Lora(Tuning):
    """Low-rank updates; by default of the query, key and value projections and of the second matrix of each MLP, in both towers,
    at the rank and scale of FoMo-in-Flux's table."""

    rank: int = 4
    alpha: float = 4.0
    targets: tuple[str, ...] = ("attn.in_proj_weight", "mlp.c_proj.weight")  # ends of parameter names; the weights are matrices
    _frozen: list[str] = field(default_factory=list, init=False, repr=False)
    _order: dict[str, list[str]] = field(default_factory=dict, init=False, repr=False)  # path of a module -> its parameters

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.alpha > 0 or not self.targets:
            raise ValueError(f"lora takes rank >= 1, alpha > 0 and one target or more, not {self}")

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze all, then give each chosen weight its update.

        Raises:
            ValueError: a target that matches no matrix; lists the ends of names that would.
        """
        matrices = [name for name, parameter in model.named_parameters() if parameter.ndim == 2]
        for target in self.targets:
            if not any(_ends(name, target) for name in matrices):
                ends = sorted({".".join(name.split(".")[-3:]) for name in matrices if "blocks." in name})
                raise ValueError(f"lora target {target!r} is the end of no matrix's name. In the blocks: {', '.join(ends)}.")
        self._frozen, self._order = freeze(model, lambda name: True), {}
        for name in matrices:
            if any(_ends(name, target) for target in self.targets):
                path, _, own = name.rpartition(".")
                module = model.get_submodule(path)
                self._order.setdefault(path, list(module._parameters))
                update = LowRank(model.get_parameter(name), self.rank, self.alpha / self.rank)
                parametrize.register_parametrization(module, own, update)
        return moving(model)

    def end(self, model: nn.Module) -> None:
        """Fold the updates in, and put the parameters back in their order, on which optimizers and sums over weights rely."""
        for path, names in self._order.items():
            module = model.get_submodule(path)
            for name in names:
                if parametrize.is_parametrized(module, name):
                    parametrize.remove_parametrizations(module, name, leave_parametrized=True)
            for name in names:
                module._parameters[name] = module._parameters.pop(name)
        thaw(model, self._frozen)


def _ends(name: str, target: str) -> bool:
    return f".{name}".endswith(f".{target}")
