"""Tunings that compute chosen weights from others, by torch's parametrizations, and fold them into plain weights in the end.

On torch's parametrizations rather than on peft: peft cannot reach the fused projection of `nn.MultiheadAttention` but by adding
the update to the frozen weight before each forward pass and subtracting it after, and the weight drifts by the rounding
(measured: 9,197 entries of a 2-layer CLIP after 200 steps), and its DoRA and VeRA refuse attention. A frozen weight here does
not move by a bit.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from methods import Task, Tuning
from methods.parameters import freeze, moving, named, thaw

ATTENTION = ("attn.in_proj_weight", "attn.out_proj.weight")
MLP = ("mlp.c_fc.weight", "mlp.c_proj.weight")


def full_precision(weight: Tensor) -> torch.autocast:
    """Under autocast too, what is trained is what is folded in."""
    return torch.autocast(weight.device.type, enabled=False)


def ends_with(name: str, targets: tuple[str, ...]) -> bool:
    """Whether a parameter's name ends with a target, by whole words."""
    return any(f".{name}".endswith(f".{target}") for target in targets)


def matrices(model: nn.Module, targets: tuple[str, ...], what: str) -> list[str]:
    """The names of the matrices that the targets mean.

    Raises:
        ValueError: a target that matches no matrix; lists the ends of names that would.
    """
    known = [name for name, parameter in model.named_parameters() if parameter.ndim == 2]
    for target in targets:
        if not any(ends_with(name, (target,)) for name in known):
            ends = sorted({".".join(name.split(".")[-3:]) for name in known if "blocks." in name})
            raise ValueError(
                f"{what} target {target!r} is the end of no matrix's name. In the blocks: {', '.join(ends)}."
            )
    return [name for name in known if ends_with(name, targets)]


class Computed(Tuning):
    """Freezes all, then computes the targets; a file says how, in `update`, and has `targets` among its fields."""

    targets: tuple[str, ...]  # ends of parameter names; the weights are matrices
    _frozen: list[str]
    _order: dict[str, list[str]]  # path of a module -> its parameters

    def update(self, name: str, weight: Tensor, task: Task) -> nn.Module:
        """The module that computes a weight in use from the frozen one; at first it must give back the same bits."""
        raise NotImplementedError

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze all, then give each target its update.

        Raises:
            ValueError: a target that matches no matrix; lists the ends of names that would.
        """
        chosen = matrices(model, self.targets, named(self))
        self._frozen, self._order = freeze(model, lambda name: True), {}
        for name in chosen:
            path, _, own = name.rpartition(".")
            module = model.get_submodule(path)
            self._order.setdefault(path, list(module._parameters))
            parametrize.register_parametrization(
                module, own, self.update(name, model.get_parameter(name), task)
            )
        return moving(model)

    def updates(self, model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
        """The updates at work, by the name of their weight."""
        for path, names in self._order.items():
            module = model.get_submodule(path)
            for name in names:
                if parametrize.is_parametrized(module, name):
                    made: nn.Module = getattr(module.parametrizations, name)[0]
                    yield f"{path}.{name}", made

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
