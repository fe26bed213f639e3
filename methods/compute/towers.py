"""How the towers are run over a batch: at once, in chunks, compiled, by one process or by several.

A loss of CLIP is a function of all embeddings of a batch, so a batch cannot be cut as in plain
gradient accumulation. Here only the towers' passes are cut: embeddings are computed chunk by chunk
and no activations are kept, the loss is taken of all of them, and in the backward pass each chunk
is run again, with the random state it had, to carry the gradient of its embeddings on
(cached-embedding gradients, https://arxiv.org/abs/2101.06983; here by torch's checkpointing of each
chunk, so that a penalty on weights, a hook or a weight that is computed from others are what they
are in a plain backward pass). Memory: the activations of one chunk, and all embeddings. FLOPs: one
forward pass more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from methods.compute import compiled
from methods.compute.compiled import CompiledTowers
from methods.compute.distributed import ALONE, Ranks
from methods.parameters import weights_in_use
from schema.checks.compute import Compute, ComputeError
from streams import Batch

PLAIN = Compute()


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """What a tower of a model gives for certain rows, found before a loss asks for it."""

    model: nn.Module
    encode: str  # `encode_image` or `encode_text`
    rows: Tensor  # (B, ...), this very tensor and no copy of it
    embeddings: Tensor  # (B, D), on the model's device

    def answers(self, model: nn.Module, encode: str, rows: Tensor) -> bool:
        """Return whether this is what the tower of that model gives for those very rows."""
        return self.model is model and self.encode == encode and self.rows is rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """What both towers of a model give for a batch."""

    model: nn.Module
    batch: Batch
    images: Tensor  # (B, D)
    texts: Tensor  # (B, D)


@dataclass(frozen=True, kw_only=True, eq=False)
class Towers:
    """How the towers of a CLIP, of its teachers and of its copies are run.

    An objective is given one of these and runs no tower but through it. With its defaults every
    pass is the model's own `encode_image` or `encode_text`.
    """

    compute: Compute = PLAIN
    ranks: Ranks = ALONE
    # Used where `compute.compile` is "on"
    kernels: CompiledTowers | None = None
    known: Known | None = None
    # Features computed so far; None: each request computes them
    shared: list[Features] | None = None

    @classmethod
    def of(cls, compute: Compute, model: nn.Module, ranks: Ranks = ALONE) -> "Towers":
        """Prepare to run the towers of a plain CLIP so, for as long as the model lives.

        Raises:
            ComputeError: the model has statistics of a batch, which are not those of its parts; or
                there is nothing to compile it with.
        """
        if compute.chunk_pairs or compute.ranks > 1 or ranks.count > 1:
            _check_parts(model)
        kernels = None
        if compute.compile != "off" and not compiled.watched():
            compiled.compiler(next(model.parameters()).device.type)
            kernels = CompiledTowers(model, compute.checkpointing)
        return cls(compute=compute, ranks=ranks, kernels=kernels)

    def sharing(self) -> "Towers":
        """Return towers that compute the features of one model on one batch once.

        For the terms of a sum within one loss, where neither weights nor batches change.
        """
        return replace(self, shared=[])

    def encode_image(self, model: nn.Module, images: Tensor, normalize: bool = False) -> Tensor:
        """Return (B, D) for (B, 3, H, W) images; each row by one of the processes that train."""
        return self._encode(model, "encode_image", images, normalize)

    def encode_text(self, model: nn.Module, texts: Tensor, normalize: bool = False) -> Tensor:
        """Return (B, D) for (B, L) token ids; each row by one of the processes that train."""
        return self._encode(model, "encode_text", texts, normalize)

    def features(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return (B, D) for the images and (B, D) for the texts, not normalised."""
        for features in self.shared or ():
            if features.model is model and features.batch is batch:
                return features.images, features.texts
        images = self.encode_image(model, batch.images)
        texts = self.encode_text(model, batch.texts)
        if self.shared is not None:
            self.shared.append(Features(model=model, batch=batch, images=images, texts=texts))
        return images, texts

    def _encode(self, model: nn.Module, encode: str, rows: Tensor, normalize: bool) -> Tensor:
        if self.known is not None and not normalize and self.known.answers(model, encode, rows):
            return self.known.embeddings
        own = self._chunked(model, encode, self.ranks.padded(rows), normalize)
        return self.ranks.gathered(own, len(rows))

    def _chunked(self, model: nn.Module, encode: str, rows: Tensor, normalize: bool) -> Tensor:
        if self.compute.recomputes and torch.is_grad_enabled():
            # Computed once, before a pass that is repeated: the cache of parametrizations then
            # holds the weights in use
            weights_in_use(model)
        run = partial(self._pass, model, encode, normalize=normalize)
        if not self.compute.chunk_pairs or len(rows) <= self.compute.chunk_pairs:
            return run(rows)
        chunks = torch.split(rows, self.compute.chunk_pairs)
        if not torch.is_grad_enabled():
            return torch.cat([run(chunk) for chunk in chunks])
        return torch.cat([checkpoint(run, chunk, use_reentrant=False) for chunk in chunks])

    def _pass(self, model: nn.Module, encode: str, rows: Tensor, normalize: bool) -> Tensor:
        """Run a tower over all rows at once.

        Where images have their channels last, torch's convolutions and what follows them keep to
        that, and turn their weights for the call: parameters, gradients and what an optimizer
        remembers lie in memory as always.
        """
        if self.compute.channels_last and encode == "encode_image":
            rows = rows.contiguous(memory_format=torch.channels_last)
        options = {"normalize": True} if normalize else {}
        if self._compiles(model):
            assert self.kernels is not None
            return self.kernels(model, encode, rows, **options)
        with checkpointing(model, self.compute.checkpointing and torch.is_grad_enabled()):
            embeddings: Tensor = getattr(model, encode)(rows, **options)
        return embeddings

    def _compiles(self, model: nn.Module) -> bool:
        """Return whether compiled code runs: nobody listens to the modules, and nobody counts."""
        if self.kernels is None or self.compute.compile != "on":
            return False
        return not compiled.watched() and not compiled.listened(model)


@contextmanager
def checkpointing(model: nn.Module, wanted: bool) -> Iterator[None]:
    """Let the blocks of both towers recompute their activations, for a pass that begins within."""
    if not wanted:
        yield
        return
    model.set_grad_checkpointing(True)  # type: ignore[operator]
    try:
        yield
    finally:
        model.set_grad_checkpointing(False)  # type: ignore[operator]


def _check_parts(model: nn.Module) -> None:
    """Refuse a model in which a row's embedding depends on the rows beside it."""
    for path, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise ComputeError(
                f"{path} is a batch normalisation, whose statistics are those of a whole batch: "
                "chunk_pairs and ranks would change the loss. Leave them out, use checkpointing, "
                "or a ViT backbone."
            )
