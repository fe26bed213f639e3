"""What penalties on weights share: how much each weight matters, measured on batches, and the pull back to an anchor."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from methods.compute.distributed import Ranks
from methods.objectives._embeddings import evaluating, wide
from methods.parameters import weights_in_use
from streams import Batch

PerWeight = dict[str, Tensor]  # by the names of the plain CLIP's parameters
FP16_SCALE = (
    2.0**16
)  # of a loss under fp16, to begin with: without it small gradients on the way are zero


def pull(model: nn.Module, anchor: PerWeight, importance: PerWeight | None = None) -> Tensor | None:
    """sum_i F_i (theta_i - anchor_i)^2 over the weights in use, () float32; F is 1 where not given. None: nothing anchored."""
    used = weights_in_use(model)
    squares = ((name, (wide(used[name]) - held).square()) for name, held in anchor.items())
    terms = [
        (square if importance is None else importance[name] * square).sum()
        for name, square in squares
    ]
    return torch.stack(terms).sum() if terms else None


def measured(
    model: nn.Module,
    batches: Iterator[Batch],
    pairs: int,
    group_pairs: int,
    terms: Callable[[Batch], Iterable[Tensor]],
    fold: Callable[[Tensor], Tensor],
    ranks: Ranks,
) -> PerWeight:
    """The mean of `fold(gradient)` over the `terms` of groups of fresh pairs, of each parameter that moves; float32.

    Groups are cut from batches until `pairs` have been seen, rounded up to whole groups; none of them, and it is zero.
    Of each group all terms are taken, each with a backward pass of its own. Under fp16 it is that of the enlarged term, taken
    anew from half as much wherever it is not finite, and the gradient is made small again before it is folded.
    """
    parameters = {
        name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad
    }
    total = {
        name: torch.zeros_like(wide(parameter.detach())) for name, parameter in parameters.items()
    }
    seen_pairs = passes = 0
    scale = FP16_SCALE if _half(model) else 1.0
    with evaluating(model):
        while seen_pairs < pairs:
            for group in _groups(next(batches), group_pairs):
                if seen_pairs >= pairs:
                    break
                wanted = list(terms(group))
                passes += len(wanted)
                while wanted:  # from the last to the first; the last pass lets go of the graph
                    term, kept = wanted[-1], len(wanted) > 1
                    found = torch.autograd.grad(
                        term,
                        list(parameters.values()),
                        torch.full_like(term, scale),
                        retain_graph=kept,
                        allow_unused=True,
                        materialize_grads=True,
                    )
                    found = tuple(gradient.contiguous() for gradient in found)
                    ranks.average(found)
                    if scale > 1 and not all(bool(gradient.isfinite().all()) for gradient in found):
                        scale, wanted = scale / 2, list(terms(group))[: len(wanted)]
                        continue
                    for name, gradient in zip(total, found, strict=True):
                        total[name] += fold(
                            wide(gradient) if scale == 1 else wide(gradient) / scale
                        )
                    wanted.pop()
                seen_pairs += len(group.texts)
    return {name: folded / max(passes, 1) for name, folded in total.items()}


def _half(model: nn.Module) -> bool:
    """Whether passes through the model are in fp16, whose range is too small for gradients."""
    kind = next(model.parameters()).device.type
    return torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) is torch.float16


def anchored(model: nn.Module) -> PerWeight:
    """A plain CLIP's weights as they are now, in float32 at least."""
    return {
        name: wide(parameter.detach()).clone() for name, parameter in weights_in_use(model).items()
    }


def placed(tensors: PerWeight, device: torch.device) -> PerWeight:
    """The same on a device: what was loaded lies on the CPU until it is first needed."""
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def packed(**kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Several mappings as one state, its keys `<which>.<name>`."""
    return {
        f"{which}.{name}": tensor
        for which, tensors in kept.items()
        for name, tensor in tensors.items()
    }


def unpacked(state: Mapping[str, Tensor], which: str) -> dict[str, Tensor]:
    """One of them again."""
    return {
        key.removeprefix(f"{which}."): tensor
        for key, tensor in state.items()
        if key.startswith(f"{which}.")
    }


def _groups(batch: Batch, pairs: int) -> Iterator[Batch]:
    """Groups of at most `pairs` pairs, each with its share of every source; the batch itself where `pairs` is 0."""
    count = -(-len(batch.texts) // pairs) if pairs else 1
    if count == 1:
        yield batch
        return
    for first in range(count):
        yield Batch(
            images=batch.images[first::count],
            texts=batch.texts[first::count],
            sources=batch.sources[first::count],
        )
