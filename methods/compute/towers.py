"""Running towers over a batch: at once, in chunks, compiled, by one process or by several.

A loss of CLIP is a function of all embeddings of a batch, so a batch cannot be cut as in plain
gradient accumulation. Here only the towers' passes are cut: embeddings are computed chunk by chunk
and no activations are kept, the loss is taken of all of them, and in the backward pass each chunk
is run again, with the random state it had, to carry the gradient of its embeddings on
(cached-embedding gradients, https://arxiv.org/abs/2101.06983; here by torch's checkpointing of each
chunk, so that a penalty on weights, a hook or a weight that is computed from others are what they
are in a plain backward pass). Memory: the activations of one chunk, and all embeddings. FLOPs: one
forward pass more.
"""

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
    """Embeddings of certain rows, computed before the loss: which tower, which rows, the result."""

    model: nn.Module
    encode: str  # `encode_image` or `encode_text`
    rows: Tensor  # (B, ...); compared by identity, so a copy of this tensor does not match
    embeddings: Tensor  # (B, D), on the model's device

    def answers(self, model: nn.Module, encode: str, rows: Tensor) -> bool:
        """Return whether these embeddings are of this model, tower and very tensor of rows."""
        return self.model is model and self.encode == encode and self.rows is rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """The features of a batch by both towers of a model, kept while one loss is computed."""

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
        """Return the towers of a plain CLIP as a `compute` row wants them run.

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
        """Return towers that compute the features of a model on a batch only once.

        They are for the terms of a sum within one loss, where neither weights nor batches change.
        """
        return replace(self, shared=[])

    def encode_image(self, model: nn.Module, images: Tensor, normalize: bool = False) -> Tensor:
        """Return the embeddings (B, D) of images (B, 3, H, W).

        Where several processes train, each computes its part of the rows and all get all rows.
        """
        return self._encode(model, "encode_image", images, normalize)

    def encode_text(self, model: nn.Module, texts: Tensor, normalize: bool = False) -> Tensor:
        """Return the embeddings (B, D) of texts, given as token ids (B, L).

        Where several processes train, each computes its part of the rows and all get all rows.
        """
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

        Where images are in channels-last format, torch's convolutions and later layers keep that
        format and convert their weights for the call. Parameters, gradients and optimizer state
        keep their usual memory format.
        """
        if self.compute.channels_last and encode == "encode_image":
            rows = rows.contiguous(memory_format=torch.channels_last)
        options = {"normalize": True} if normalize else {}
        if self._compiles(model):
            assert self.kernels is not None
            return self.kernels(model, encode, rows, **options)
        recomputes_blocks = self.compute.checkpointing and torch.is_grad_enabled()
        if recomputes_blocks:
            model.set_grad_checkpointing(True)  # type: ignore[operator]
        # No context manager: a chunk that is run again is left by an exception of torch's, which
        # would keep its activations alive together with the manager's frame
        try:
            embeddings: Tensor = getattr(model, encode)(rows, **options)
        finally:
            if recomputes_blocks:
                model.set_grad_checkpointing(False)  # type: ignore[operator]
        return embeddings

    def _compiles(self, model: nn.Module) -> bool:
        """Return whether compiled code is used: there are no hooks, and no operation is counted."""
        if self.kernels is None or self.compute.compile != "on":
            return False
        return not compiled.watched() and not compiled.listened(model)


def _check_parts(model: nn.Module) -> None:
    """Refuse a model in which a row's embedding depends on the rows beside it."""
    for path, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise ComputeError(
                f"{path} is a batch normalisation, whose statistics are those of a whole batch: "
                "chunk_pairs and ranks would change the loss. Leave them out, use checkpointing, "
                "or a ViT backbone."
            )
