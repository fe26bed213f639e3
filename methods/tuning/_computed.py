"""Tunings that compute chosen weights from new parameters, and fold them into plain weights at the
end.

They do so by torch's parametrizations rather than by peft. peft can reach the fused projection of
`nn.MultiheadAttention` only by adding the update to the frozen weight before each forward pass and
subtracting it after, so that the weight drifts by the rounding (measured: 9,197 entries of a
2-layer CLIP after 200 steps), and its DoRA and VeRA refuse attention. Here a frozen weight does not
change by a single bit.
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

    So the weight that is trained is the weight that is folded in.
    """
    return torch.autocast(weight.device.type, enabled=False)


def ends_with(name: str, targets: tuple[str, ...]) -> bool:
    """Return whether a parameter's name ends with one of the targets, by whole words."""
    return any(f".{name}".endswith(f".{target}") for target in targets)


def matrices(model: nn.Module, targets: tuple[str, ...], what: str) -> list[str]:
    """Return the names of the matrices that the targets match; the error message names `what`.

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
    """A tuning that freezes all parameters, and computes the target weights from new ones.

    A subclass says how, in `update`, and has `targets` among its fields.
    """

    # How the names of the target weights end; these are matrices
    targets: tuple[str, ...]
    _frozen: list[str]
    # The names of a module's parameters, in their order, by its path
    _order: dict[str, list[str]]

    def update(self, name: str, weight: Tensor, task: Task) -> nn.Module:
        """Return the module that computes the weight in use from the frozen one.

        At first its output must be bit-identical to its input.
        """
        raise NotImplementedError

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze all parameters, then register the update of each target.

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
        """Yield the registered updates, each with the name of its weight."""
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
            # A folded weight is registered last
            for name in names:
                module._parameters[name] = module._parameters.pop(name)
        thaw(model, self._frozen)
