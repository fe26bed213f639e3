"""HFT, half fine-tuning: in every task another random half of the matrices is frozen
(https://arxiv.org/abs/2404.18466).

The half is balanced by kind in every block: two of the four attention matrices (query, key, value,
output), one of the two of the MLP and one of the two norms are frozen, with their biases.
Embeddings, the first and last norms, the projections into the common space and the temperature are
always trained. The frozen half keeps earlier knowledge, the other half learns.

Memory: the optimizer state of what is trained, about half. FLOPs: those of full fine-tuning less
the weight gradients of what is frozen, a sixth; those of a frozen third of a fused query-key-value
matrix are computed all the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

import torch
from torch import nn
from torch.optim import Optimizer

from methods import Task, Tuning
from methods.parameters import freeze, moving, thaw
from methods.tuning._masked import Rows, held


@dataclass
class Hft(Tuning):
    """HFT, of half of each block, drawn for each task."""

    _frozen: list[str] = field(default_factory=list, init=False, repr=False)
    _held: list[Rows] = field(default_factory=list, init=False, repr=False)

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Draw the half that is frozen.

        Raises:
            ValueError: the backbone has no blocks of attention and an MLP.
        """
        stays: set[str] = set()
        self._held = []
        # torch's generator is seeded for the task before this, when it is resumed, too
        draw = Random(torch.initial_seed())
        for path, module in model.named_modules():
            if isinstance(module, nn.MultiheadAttention):
                stays |= self._draw(model, path, module, draw)
        if not stays:
            raise ValueError(
                "hft halves the blocks of transformers, and this backbone has none; "
                "use tuning 'full'"
            )
        self._frozen = freeze(model, lambda name: name.rpartition(".")[0] in stays)
        return moving(model)

    def _draw(
        self, model: nn.Module, path: str, attention: nn.MultiheadAttention, draw: Random
    ) -> set[str]:
        """Draw the modules of a block to freeze, and return their names.

        Frozen rows of the fused projection are recorded in `_held`.
        """
        drawn, block = draw.sample(range(4), 2), path.rpartition(".")[0]
        thirds = torch.tensor([part in drawn for part in range(3)])
        for parameter in (attention.in_proj_weight, attention.in_proj_bias):
            if parameter is not None and min(drawn) < 3:
                rows = thirds.to(parameter.device).repeat_interleave(parameter.shape[0] // 3)
                self._held.append((parameter, rows))
        stays = {f"{path}.out_proj"} if 3 in drawn else set()
        inside = dict(model.get_submodule(block).named_modules())
        for kind in ("mlp.c_", "ln_"):
            pair = [name for name in inside if name.startswith(kind)]
            if pair:
                stays.add(f"{block}.{draw.choice(pair)}")
        return stays

    @contextmanager
    def stepping(self, model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
        """Restore the frozen thirds of fused projections after the step."""
        with held(self._held):
            yield

    def end(self, model: nn.Module) -> None:
        """Make all parameters trainable again."""
        self._held = []
        thaw(model, self._frozen)
