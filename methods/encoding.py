"""How the towers are run over a batch: at once, in chunks that are run again for their gradients, by one process or by several.

A loss of CLIP is a function of all embeddings of a batch, so a batch cannot be cut as in plain gradient accumulation. Here only
the towers' passes are cut: embeddings are made chunk by chunk and no activations are kept, the loss is taken of all of them,
and in the backward pass each chunk is run again, with the random state it had, to carry the gradient of its embeddings on
(cached-embedding gradients, https://arxiv.org/abs/2101.06983; here by torch's checkpointing of each chunk, so that a penalty on
weights, a hook or a weight that is computed from others are what they are in a plain backward pass). Memory: the activations of
one chunk, and all embeddings. FLOPs: one forward pass more.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from methods import parallel
from methods.parameters import weights_in_use
from schema.compute import Compute, ComputeError

Encode = Callable[[Tensor], Tensor]
PLAINLY = Compute()
_how = PLAINLY


@contextmanager
def computing(how: Compute, model: nn.Module) -> Iterator[None]:
    """Within it, forward and backward passes are made so."""
    global _how
    before, _how = _how, how
    if how.checkpointing:
        model.set_grad_checkpointing(True)  # type: ignore[operator]
    try:
        yield
    finally:
        _how = before
        if how.checkpointing:
            model.set_grad_checkpointing(False)  # type: ignore[operator]


def encoded(model: nn.Module, encode: Encode, rows: Tensor) -> Tensor:
    """(B, D) of (B, ...) rows, by a tower of the model; of each row by one of the processes that train together."""
    return parallel.gathered(_chunked(model, encode, parallel.padded(rows)), len(rows))


def _chunked(model: nn.Module, encode: Encode, rows: Tensor) -> Tensor:
    if _how.recomputes and torch.is_grad_enabled():
        weights_in_use(model)  # computed once, before a pass that is repeated: the cache of parametrizations holds them
    if not _how.chunk_pairs or len(rows) <= _how.chunk_pairs:
        return encode(rows)
    pieces = torch.split(rows, _how.chunk_pairs)
    if not torch.is_grad_enabled():
        return torch.cat([encode(piece) for piece in pieces])
    made: list[Tensor] = [checkpoint(encode, piece, use_reentrant=False) for piece in pieces]
    return torch.cat(made)


def check(how: Compute, model: nn.Module) -> None:
    """Whether a model can be computed so.

    Raises:
        ComputeError: it has statistics of a batch, which are not those of its parts.
    """
    for path, module in model.named_modules() if how.chunk_pairs or how.ranks > 1 or parallel.ranks() > 1 else ():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise ComputeError(
                f"{path} is a batch normalisation, whose statistics are those of a whole batch: chunk_pairs and ranks would "
                "change the loss. Leave them out, use checkpointing, or a ViT backbone."
            )
