"""The importance of each weight, and the pull back to an anchor, for penalties on weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods import FreshPairs
from methods.compute.distributed import Ranks
from methods.objectives._embeddings import evaluating, wide
from methods.parameters import weights_in_use
from streams import Batch

# One tensor for each parameter of the plain CLIP, by its name
PerWeight = dict[str, Tensor]
# The first loss scale under fp16: without it small gradients in the backward pass would be zero
FP16_SCALE = 2.0**16


def pull(model: nn.Module, anchor: PerWeight, importance: PerWeight | None = None) -> Tensor | None:
    """Return sum_i F_i (theta_i - anchor_i)^2 over the weights in use, () float32.

    F is 1 where no importance is given. Returns None where the anchor is empty.
    """
    used = weights_in_use(model)
    terms = []
    for name, held in anchor.items():
        square = (wide(used[name]) - held).square()
        if importance is not None:
            square = importance[name] * square
        terms.append(square.sum())
    return torch.stack(terms).sum() if terms else None


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How the importance of weights is measured on fresh pairs."""

    # How many pairs, rounded up to whole groups; 0: every weight's importance is zero
    pairs: int
    # Pairs whose terms are computed together; 0: a batch as it is drawn
    group_pairs: int
    # Returns the terms of a group, () each, each of which gets a backward pass
    terms: Callable[[Batch], Sequence[Tensor]]
    # Turns a gradient into what is averaged, elementwise: its square or its absolute value
    fold: Callable[[Tensor], Tensor]


def measured(model: nn.Module, fresh: FreshPairs, measure: Measure, ranks: Ranks) -> PerWeight:
    """Return the mean of `fold(gradient)` over all terms, for each trainable parameter; float32.

    Under fp16 a term is multiplied by a loss scale before its backward pass. Where a gradient is
    not finite, the scale is halved and the pass repeated. Gradients are unscaled before `fold`.
    """
    passes = _BackwardPasses(model, measure, ranks)
    total = {}
    for name, parameter in passes.parameters.items():
        total[name] = torch.zeros_like(wide(parameter.detach()))
    count = 0
    with evaluating(model):
        for group in fresh.groups(measure.pairs, measure.group_pairs):
            terms = list(measure.terms(group))
            count += len(terms)
            for place in fresh.passes(len(terms)):
                gradients, terms = passes.finite(group, terms, place)
                for name, gradient in zip(total, gradients, strict=True):
                    total[name] += measure.fold(passes.unscaled(gradient))
    return {name: folded / max(count, 1) for name, folded in total.items()}


class _BackwardPasses:
    """Takes backward passes from the terms of groups of pairs, with a loss scale under fp16."""

    def __init__(self, model: nn.Module, measure: Measure, ranks: Ranks) -> None:
        self.measure, self.ranks = measure, ranks
        self.parameters: dict[str, nn.Parameter] = {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                self.parameters[name] = parameter
        self.scale = FP16_SCALE if _is_half(model) else 1.0

    def finite(
        self, group: Batch, terms: list[Tensor], place: int
    ) -> tuple[tuple[Tensor, ...], list[Tensor]]:
        """Return the finite gradients of the term at a place, and the terms for the next pass.

        The terms are new where the pass had to be repeated, which needs a new graph.
        """
        while True:
            gradients = self._pass(terms[place], place > 0)
            finite = self.scale == 1 or all(bool(each.isfinite().all()) for each in gradients)
            if finite:
                return gradients, terms
            self.scale /= 2
            terms = list(self.measure.terms(group))

    def unscaled(self, gradient: Tensor) -> Tensor:
        """Return a gradient without the loss scale, in float32 at least."""
        return wide(gradient) if self.scale == 1 else wide(gradient) / self.scale

    def _pass(self, term: Tensor, more_follow: bool) -> tuple[Tensor, ...]:
        """Return the scaled gradients of one term; the last pass frees the group's graph."""
        gradients = torch.autograd.grad(
            term,
            list(self.parameters.values()),
            torch.full_like(term, self.scale),
            retain_graph=more_follow,
            allow_unused=True,
            materialize_grads=True,
        )
        gradients = tuple(gradient.contiguous() for gradient in gradients)
        self.ranks.average(gradients)
        return gradients


def _is_half(model: nn.Module) -> bool:
    """Return whether passes are in fp16, whose range is too small for gradients."""
    kind = next(model.parameters()).device.type
    return torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) is torch.float16


def anchored(model: nn.Module) -> PerWeight:
    """Return a plain CLIP's weights as they are now, in float32 at least."""
    weights = weights_in_use(model)
    return {name: wide(parameter.detach()).clone() for name, parameter in weights.items()}


def placed(tensors: PerWeight, device: torch.device) -> PerWeight:
    """Return the tensors on a device; those loaded from a checkpoint are on the CPU before."""
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def packed(**mappings: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return several mappings as one state, its keys `<mapping>.<name>`."""
    state = {}
    for which, tensors in mappings.items():
        for name, tensor in tensors.items():
            state[f"{which}.{name}"] = tensor
    return state


def unpacked(state: Mapping[str, Tensor], which: str) -> dict[str, Tensor]:
    """Return one mapping of a packed state."""
    prefix = f"{which}."
    tensors = {}
    for key, tensor in state.items():
        if key.startswith(prefix):
            tensors[key.removeprefix(prefix)] = tensor
    return tensors
