"""Tunings that compute chosen weights from others, and fold them into plain weights in the end.

They do so by torch's parametrizations rather than by peft. peft cannot reach the fused projection
of `nn.MultiheadAttention` but by adding the update to the frozen weight before each forward pass
and subtracting it after, so that the weight drifts by the rounding (measured: 9,197 entries of a
2-layer CLIP after 200 steps), and its DoRA and VeRA refuse attention. A frozen weight here does not
move by a bit.
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
    """Return a context in which a weight is computed in its own precision, under autocast too.

    So what is trained is what is folded in.
    """
    return torch.autocast(weight.device.type, enabled=False)


def ends_with(name: str, targets: tuple[str, ...]) -> bool:
    """Return whether a parameter's name ends with a target, by whole words."""
    return any(f".{name}".endswith(f".{target}") for target in targets)


def matrices(model: nn.Module, targets: tuple[str, ...], what: str) -> list[str]:
    """Return the names of the matrices that the targets mean; `what` is named in the message.

    Raises:
        ValueError: a target that matches no matrix; lists the ends of names that would.
    """
    known = [name for name, parameter in model.named_parameters() if parameter.ndim == 2]
    for target in targets:
        if not any(ends_with(name, (target,)) for name in known):
            ends = sorted({".".join(name.split(".")[-3:]) for name in known if "blocks." in name})
            raise ValueError(
                f"{what} target {target!r} is the end of no matrix's name. "
                f"In the blocks: {', '.join(ends)}."
            )
    return [name for name in known if ends_with(name, targets)]


class Computed(Tuning):
    """A tuning that freezes all parameters, and computes the targets from new ones.

    A file says how, in `update`, and has `targets` among its fields.
    """

    # The ends of parameter names; the weights are matrices
    targets: tuple[str, ...]
    _frozen: list[str]
    # The names of a module's parameters, in their order, by its path
    _order: dict[str, list[str]]

    def update(self, name: str, weight: Tensor, task: Task) -> nn.Module:
        """Return the module that computes a weight in use from the frozen one.

        At first it must give back the same bits.
        """
        raise NotImplementedError

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze all parameters, then give each target its update.

        Raises:
            ValueError: a target that matches no matrix; lists the ends of names that would.
        """
        chosen = matrices(model, self.targets, named(self))
        self._frozen, self._order = freeze(model, lambda name: True), {}
        for name in chosen:
            path, _, own = name.rpartition(".")
            module = model.get_submodule(path)
            self._order.setdefault(path, list(module._parameters))
            update = self.update(name, model.get_parameter(name), task)
            parametrize.register_parametrization(module, own, update)
        return moving(model)

    def updates(self, model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
        """Yield the updates at work, each with the name of its weight."""
        for path, names in self._order.items():
            module = model.get_submodule(path)
            for name in names:
                if parametrize.is_parametrized(module, name):
                    update: nn.Module = getattr(module.parametrizations, name)[0]
                    yield f"{path}.{name}", update

    def end(self, model: nn.Module) -> None:
        """Fold the updates in, and put the parameters back in their order.

        Optimizers and sums over weights rely on that order.
        """
        for path, names in self._order.items():
            module = model.get_submodule(path)
            for name in names:
                if parametrize.is_parametrized(module, name):
                    parametrize.remove_parametrizations(module, name, leave_parametrized=True)
            # A folded weight has come last
            for name in names:
                module._parameters[name] = module._parameters.pop(name)
        thaw(model, self._frozen)
