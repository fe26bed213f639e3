"""How the towers are run over a batch: at once, in chunks that are run again for their gradients, by one process or by several.

A loss of CLIP is a function of all embeddings of a batch, so a batch cannot be cut as in plain gradient accumulation. Here only
the towers' passes are cut: embeddings are made chunk by chunk and no activations are kept, the loss is taken of all of them,
and in the backward pass each chunk is run again, with the random state it had, to carry the gradient of its embeddings on
(cached-embedding gradients, https://arxiv.org/abs/2101.06983; here by torch's checkpointing of each chunk, so that a penalty on
weights, a hook or a weight that is computed from others are what they are in a plain backward pass). Memory: the activations of
one chunk, and all embeddings. FLOPs: one forward pass more.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from methods.compute import compiled, distributed
from methods.compute.compiled import Towers
from methods.parameters import weights_in_use
from schema.checks.compute import Compute, ComputeError

PLAINLY = Compute()
_how = PLAINLY
_towers: Towers | None = None  # those in use, compiled
_known: dict[
    tuple[int, str], tuple[Tensor, Tensor]
] = {}  # (id of a model, tower) -> rows, and what it makes of them
_made: WeakKeyDictionary[nn.Module, Towers] = (
    WeakKeyDictionary()
)  # by the model that a trial has from its beginning to its end


def prepare(how: Compute, model: nn.Module) -> None:
    """Before a plain CLIP is first computed so.

    Raises:
        ComputeError: it has statistics of a batch, which are not those of its parts; or there is nothing to compile it with.
    """
    for path, module in (
        model.named_modules() if how.chunk_pairs or how.ranks > 1 or distributed.ranks() > 1 else ()
    ):
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise ComputeError(
                f"{path} is a batch normalisation, whose statistics are those of a whole batch: chunk_pairs and ranks would "
                "change the loss. Leave them out, use checkpointing, or a ViT backbone."
            )
    if how.compile != "off" and model not in _made and not compiled.watched():
        compiled.compiler(next(model.parameters()).device.type)
        _made[model] = Towers(model, how.checkpointing)


@contextmanager
def computing(how: Compute, model: nn.Module) -> Iterator[None]:
    """Within it, forward and backward passes are made so; compiled where `compile` is on, nobody listens and nobody counts."""
    global _how, _towers
    before, _how, _towers = (_how, _towers), how, _made.get(model) if how.compile == "on" else None
    if how.checkpointing:
        model.set_grad_checkpointing(True)  # type: ignore[operator]
    try:
        yield
    finally:
        _how, _towers = before
        if how.checkpointing:
            model.set_grad_checkpointing(False)  # type: ignore[operator]


@contextmanager
def knowing(model: nn.Module, found: Mapping[str, tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Within it, what a tower of the model makes of certain rows is there already: tower -> the rows themselves, (B, D)."""
    global _known
    before, _known = _known, {(id(model), encode): known for encode, known in found.items()}
    try:
        yield
    finally:
        _known = before


def encoded(model: nn.Module, encode: str, rows: Tensor, **how: Any) -> Tensor:
    """(B, D) of (B, ...) rows, by `encode_image` or `encode_text` of a model; each row by one of the processes that train
    together."""
    asked, known = _known.get((id(model), encode), (None, rows))
    if asked is rows and not how:
        return known
    return distributed.gathered(
        _chunked(model, partial(_pass, model, encode, **how), distributed.padded(rows)), len(rows)
    )


def _pass(model: nn.Module, encode: str, rows: Tensor, **how: Any) -> Tensor:
    """All rows at once. Where images have their channels last, torch's convolutions and what follows them keep to that, and turn
    their weights for the call: parameters, gradients and what an optimizer remembers lie as always."""
    if _how.channels_last and encode == "encode_image":
        rows = rows.contiguous(memory_format=torch.channels_last)
    if _towers is not None and not compiled.watched() and not compiled.listened(model):
        return _towers(model, encode, rows, **how)
    made: Tensor = getattr(model, encode)(rows, **how)
    return made


def _chunked(model: nn.Module, encode: partial[Tensor], rows: Tensor) -> Tensor:
    if _how.recomputes and torch.is_grad_enabled():
        weights_in_use(
            model
        )  # computed once, before a pass that is repeated: the cache of parametrizations holds them
    if not _how.chunk_pairs or len(rows) <= _how.chunk_pairs:
        return encode(rows)
    pieces = torch.split(rows, _how.chunk_pairs)
    if not torch.is_grad_enabled():
        return torch.cat([encode(piece) for piece in pieces])
    made: list[Tensor] = [checkpoint(encode, piece, use_reentrant=False) for piece in pieces]
    return torch.cat(made)
