"""Optimizers: one function each, whose keyword-only arguments are the keys that `optimizer_params`
of a recipe may set.

Two more keys hold for every optimizer. `carry` says whether its state is kept for the next task.
`decay` says what weight decay acts on: `all` (the default) is every trainable parameter, biases and
temperature too, as in FoMo-in-Flux (https://arxiv.org/abs/2408.14471); `matrices` leaves out
parameters of fewer than two dimensions, that is gains, biases and the temperature, as in TiC-CLIP
(https://arxiv.org/abs/2310.16226); `open_clip` also leaves out parameters with one of the words of
OPEN_CLIP_SPARES in their name, as open_clip's training does. For a ViT both are the same.

The schedule sets `lr` of every group before each step: all groups share one learning rate.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import getmembers, isfunction, signature
from typing import Any, cast, overload

import torch
from torch import nn
from torch.optim import Optimizer

from methods import arguments
from methods.parameters import IN_BLOCK, NAME
from methods.schedule_free import ScheduleFree
from methods.soap import Bases, Soap
from schema.checks.parts import CARRY, DECAY, PartError
from schema.words import nearest

# Words in the names of parameters that open_clip's training leaves without weight decay
OPEN_CLIP_SPARES = ("bn", "ln", "bias", "logit_scale")
# The optimizer state of each parameter, by the parameter's name
Memory = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """The peak learning rate and the weight decay of a recipe."""

    lr: float
    weight_decay: float


def optimizer(name: str, parameters: list[nn.Parameter], recipe: Mapping[str, Any]) -> Optimizer:
    """Return the optimizer of a recipe row: its `lr`, `weight_decay` and `optimizer_params`.

    Raises:
        PartError: an unknown optimizer or key; names what is allowed and what is nearest.
    """
    known = dict(getmembers(sys.modules[__name__], _is_optimizer))
    if name not in known:
        raise PartError(
            f"unknown {name!r}. Known in methods/optimizers.py: {', '.join(known)}."
            f"{nearest(name, list(known))}"
        )
    if not parameters:
        # torch requires a parameter to optimize, even in a task that trains none
        parameters = [nn.Parameter(torch.empty(0))]
        setattr(parameters[0], IN_BLOCK, False)
    params = dict(recipe["optimizer_params"])
    params.pop(CARRY, None)
    decay = params.pop(DECAY, "all")
    keys = arguments(f"optimizer {name!r}", known[name], params)
    rates = Rates(lr=recipe["lr"], weight_decay=recipe["weight_decay"])
    whole: Optimizer = known[name](parameters, rates, **keys)
    return whole if decay == "all" else _sparing(whole, SPARES[decay])


def _sparing(optimizer: Optimizer, spares: Callable[[nn.Parameter], bool]) -> Optimizer:
    """Return an optimizer without weight decay for the parameters that `spares` is true of."""
    if isinstance(optimizer, Joined):
        return Joined([_sparing(part, spares) for part in optimizer.parts])
    for group in list(optimizer.param_groups):
        decaying = [parameter for parameter in group["params"] if not spares(parameter)]
        spared = [parameter for parameter in group["params"] if spares(parameter)]
        if not decaying:
            group["weight_decay"] = 0.0
        elif spared:
            group["params"] = decaying
            optimizer.add_param_group(group | {"params": spared, "weight_decay": 0.0})
    return optimizer


def _is_no_matrix(parameter: nn.Parameter) -> bool:
    return parameter.ndim < 2


def _is_spared_by_open_clip(parameter: nn.Parameter) -> bool:
    """Return whether open_clip's training applies no weight decay to a parameter.

    Raises:
        ValueError: the parameter is not marked with its name (see `moving`).
    """
    if _is_no_matrix(parameter):
        return True
    name = getattr(parameter, NAME, None)
    if name is None:
        raise ValueError(
            "decay 'open_clip' goes by names, and these parameters do not say theirs: "
            "return moving(model)"
        )
    return any(word in name for word in OPEN_CLIP_SPARES)


# Which parameters get no weight decay, by the recipe's word
SPARES = {"matrices": _is_no_matrix, "open_clip": _is_spared_by_open_clip}


def memory(optimizer: Optimizer, names: Mapping[str, nn.Parameter]) -> Memory:
    """Return the state of each parameter, by its name, in plain torch tensors."""
    plain = getattr(optimizer, "plain", dict)
    states = {}
    for name, parameter in names.items():
        if parameter in optimizer.state:
            states[name] = plain(optimizer.state[parameter])
    return states


def settle(optimizer: Optimizer) -> None:
    """Put into the parameters what the steps have come to, where that is an average of them.

    No step may follow.
    """
    if isinstance(optimizer, ScheduleFree):
        optimizer.settle()


def remember(optimizer: Optimizer, names: Mapping[str, nn.Parameter], memory: Memory) -> None:
    """Copy the state `memory` of an earlier optimizer into one that has not stepped yet.

    Parameters that were not trained before start without state.
    """
    packed = getattr(optimizer, "packed", dict)
    known = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in names.items():
        if name not in memory or id(parameter) not in known:
            continue
        state = packed(memory[name])
        for key, value in state.items():
            # A tensor subclass was already copied when it was packed
            if type(value) is torch.Tensor:
                state[key] = value.clone()
        optimizer.state[parameter] = state


def adamw(
    parameters: list[nn.Parameter],
    rates: Rates,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    fused: bool = False,
) -> Optimizer:
    """Return Adam with decoupled weight decay (https://arxiv.org/abs/1711.05101).

    `fused` runs a whole step in one kernel, which rounds differently.
    """
    return torch.optim.AdamW(
        parameters,
        lr=rates.lr,
        weight_decay=rates.weight_decay,
        betas=betas,
        eps=eps,
        fused=fused or None,
    )


def adamw_8bit(
    parameters: list[nn.Parameter],
    rates: Rates,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> Optimizer:
    """Return `adamw` with its moments in 8 bits, by torchao.

    The moments take a quarter of the memory (https://arxiv.org/abs/2110.02861).

    Raises:
        PartError: torchao is not installed.
    """
    try:
        from methods.eight_bit import EightBit
    except ImportError as error:
        raise PartError(
            f"adamw_8bit needs torchao, which cannot be imported ({error}). "
            "Install it, or use adamw"
        ) from error
    return cast(
        Optimizer,
        EightBit(parameters, lr=rates.lr, weight_decay=rates.weight_decay, betas=betas, eps=eps),
    )


def adamw_schedule_free(
    parameters: list[nn.Parameter],
    rates: Rates,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> Optimizer:
    """Return AdamW whose steps are averaged (https://arxiv.org/abs/2405.15682).

    The average takes the place of a decay: take the schedule `constant`. See `schedule_free`.
    """
    return ScheduleFree(parameters, rates.lr, rates.weight_decay, betas, eps)


def sgd(
    parameters: list[nn.Parameter],
    rates: Rates,
    *,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> Optimizer:
    """Return stochastic gradient descent with momentum; weight decay is part of its gradient."""
    return torch.optim.SGD(
        parameters,
        lr=rates.lr,
        weight_decay=rates.weight_decay,
        momentum=momentum,
        nesterov=nesterov,
    )


def muon(
    parameters: list[nn.Parameter],
    rates: Rates,
    *,
    momentum: float = 0.95,
    ns_steps: int = 5,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> Optimizer:
    """Return Muon for the matrices of transformer blocks, and AdamW for all other parameters.

    Muon orthogonalises the momentum (https://kellerjordan.github.io/posts/muon/); `betas` and `eps`
    are AdamW's. Updates are scaled to AdamW's size (https://arxiv.org/abs/2502.16982), so one `lr`
    and one `weight_decay` serve both; the iterations themselves run in bfloat16.

    Raises:
        ValueError: the parameters are not marked as inside or outside of a block (see `moving`).
    """
    if not all(hasattr(parameter, IN_BLOCK) for parameter in parameters):
        raise ValueError(
            "muon asks which matrices are in blocks, and these parameters do not say: "
            "return moving(model)"
        )
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in parameters:
        in_block = parameter.ndim == 2 and getattr(parameter, IN_BLOCK)
        (matrices if in_block else others).append(parameter)
    both: list[Optimizer] = []
    if matrices:
        adjusted = partial(torch.optim.Muon, adjust_lr_fn="match_rms_adamw")
        both.append(
            adjusted(matrices, rates.lr, rates.weight_decay, momentum=momentum, ns_steps=ns_steps)
        )
    if others:
        both.append(adamw(others, rates, betas=betas, eps=eps))
    return Joined(both)


def soap(
    parameters: list[nn.Parameter],
    rates: Rates,
    *,
    betas: tuple[float, float] = (0.95, 0.95),
    eps: float = 1e-8,
    every: int = 10,
    largest: int = 10_000,
) -> Optimizer:
    """Return Adam in the eigenbases of Shampoo's preconditioner (https://arxiv.org/abs/2409.11321).

    The bases turn once in `every` steps, and sides longer than `largest` have none. See `soap`.
    """
    bases = Bases(every=every, largest=largest)
    return Soap(parameters, (rates.lr, rates.weight_decay), betas, eps, bases)


class Joined(Optimizer):
    """Several optimizers used as one, each for its own parameters.

    The groups and the state are held here, where `torch.optim.Optimizer` saves and loads them, and
    passed to the parts for each step.
    """

    def __init__(self, parts: Sequence[Optimizer]) -> None:
        super().__init__([group for part in parts for group in part.param_groups], {})
        self.parts = parts

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step of every part."""
        loss = closure() if closure is not None else None
        first = 0
        for part in self.parts:
            last = first + len(part.param_groups)
            part.param_groups, part.state = self.param_groups[first:last], self.state
            part.step()
            first = last
        return loss


def _is_optimizer(member: object) -> bool:
    """Return whether a member of this module is an optimizer's function."""
    return (
        isfunction(member)
        and not member.__name__.startswith("_")
        and next(iter(signature(member).parameters)) == "parameters"
    )
