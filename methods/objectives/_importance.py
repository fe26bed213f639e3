"""What penalties on weights share: how much each weight matters, measured on batches, and the pull back to an anchor."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from methods.objectives._embeddings import evaluating, wide
from methods.parameters import weights_in_use
from streams import Batch

PerWeight = dict[str, Tensor]  # by the names of the plain CLIP's parameters


def pull(model: nn.Module, anchor: PerWeight, importance: PerWeight | None = None) -> Tensor | None:
    """sum_i F_i (theta_i - anchor_i)^2 over the weights in use, () float32; F is 1 where not given. None: nothing anchored."""
    used = weights_in_use(model)
    squares = ((name, (wide(used[name]) - held).square()) for name, held in anchor.items())
    terms = [(square if importance is None else importance[name] * square).sum() for name, square in squares]
    return torch.stack(terms).sum() if terms else None


def measured(
    model: nn.Module,
    batches: Iterator[Batch],
    pairs: int,
    group_pairs: int,
    terms: Callable[[Batch], Iterable[Tensor]],
    fold: Callable[[Tensor], Tensor],
) -> PerWeight:
    """The mean of `fold(gradient)` over the `terms` of groups of fresh pairs, of each parameter that moves; float32.

    Groups are cut from batches until `pairs` have been seen, rounded up to whole groups; none of them, and it is zero.
    Of each group all terms are taken, each with a backward pass of its own.
    """
    parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    total = {name: torch.zeros_like(wide(parameter.detach())) for name, parameter in parameters.items()}
    seen_pairs = passes = 0
    with evaluating(model):
        while seen_pairs < pairs:
            for group in _groups(next(batches), group_pairs):
                if seen_pairs >= pairs:
                    break
                wanted = list(terms(group))
                for left in range(len(wanted) - 1, -1, -1):  # the last pass lets go of the graph
                    term, kept = wanted[left], left > 0
                    found = torch.autograd.grad(
                        term, list(parameters.values()), retain_graph=kept, allow_unused=True, materialize_grads=True
                    )
                    for name, gradient in zip(total, found, strict=True):
                        total[name] += fold(wide(gradient))
                passes += len(wanted)
                seen_pairs += len(group.texts)
    return {name: folded / max(passes, 1) for name, folded in total.items()}


def anchored(model: nn.Module) -> PerWeight:
    """A plain CLIP's weights as they are now, in float32 at least."""
    return {name: wide(parameter.detach()).clone() for name, parameter in weights_in_use(model).items()}


def placed(tensors: PerWeight, device: torch.device) -> PerWeight:
    """The same on a device: what was loaded lies on the CPU until it is first needed."""
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def packed(**kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Several mappings as one state, its keys `<which>.<name>`."""
    return {f"{which}.{name}": tensor for which, tensors in kept.items() for name, tensor in tensors.items()}


def unpacked(state: Mapping[str, Tensor], which: str) -> dict[str, Tensor]:
    """One of them again."""
    return {key.removeprefix(f"{which}."): tensor for key, tensor in state.items() if key.startswith(f"{which}.")}


def _groups(batch: Batch, pairs: int) -> Iterator[Batch]:
    """Groups of at most `pairs` pairs, each with its share of every source; the batch itself where `pairs` is 0."""
    count = -(-len(batch.texts) // pairs) if pairs else 1
    if count == 1:
        yield batch
        return
    for first in range(count):
        yield Batch(images=batch.images[first::count], texts=batch.texts[first::count], sources=batch.sources[first::count])
