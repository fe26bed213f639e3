"""Where the batches of a task come from: its mixture, brought to the model's device."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor

from methods import FreshPairs, Task
from methods.compute import devices
from methods.compute.distributed import Ranks, joined
from runner.worker.backbone import Backbone
from runner.worker.datasets import Datasets
from runner.worker.embedding_cache import EmbeddingCache
from runner.worker.mixing import Segmented, pieces_of
from runner.worker.selection import candidates, selection_of
from schema.spec import Spec
from streams import Batch
from streams.loading import Loader
from streams.shares import Segments

# Names what runs within it, for whoever looks at a step
Marker = Callable[[str], AbstractContextManager[Any]]


class BatchSource(Segmented, Protocol):
    """A source of batches without end."""

    def draw(self) -> Batch:
        """Return the next batch as an objective sees it, on the model's device."""
        ...

    def fresh(self) -> FreshPairs:
        """Return the batches that follow, for an objective that looks back at the task."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return where the source stands, for a checkpoint."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another source, begun alike, stood."""
        ...


class Transfer:
    """The way of tensors to a device; to a GPU beside the steps that it is still taking."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.gpu = devices.module_of(device)
        # The stream on which pairs come to a GPU, or are decoded there
        self.beside = None if self.gpu is None else self.gpu.Stream()

    def stream(self) -> AbstractContextManager[Any]:
        """Return a context in which work on a GPU runs beside its steps."""
        return nullcontext() if self.gpu is None else self._stream()

    def _stream(self) -> AbstractContextManager[Any]:
        context: AbstractContextManager[Any] = self.gpu.stream(self.beside)
        return context

    def place(self, rows: Tensor) -> Tensor:
        """Return the rows on the device, without waiting for it."""
        if self.gpu is None:
            return rows.to(self.device)
        with self._stream():
            placed = rows
            if rows.device.type == "cpu":
                placed = rows.pin_memory().to(self.device, non_blocking=True)
        # Steps use the rows once they have arrived, and their memory is free only after that
        steps = self.gpu.current_stream()
        steps.wait_stream(self.beside)
        placed.record_stream(steps)
        return placed


class MixtureBatches:
    """The batches of a task's mixture: normalised images and token ids."""

    def __init__(
        self,
        loader: Loader,
        backbone: Backbone,
        pairs: int,
        embeddings: EmbeddingCache | None = None,
        mark: Marker = nullcontext,
        ranks: Ranks | None = None,
    ) -> None:
        """Read from a loader batches of `pairs` pairs, of which each process reads its part.

        `embeddings` is told which items each batch holds.
        """
        self.loader, self.backbone, self.pairs = loader, backbone, pairs
        self.embeddings, self.mark = embeddings, mark
        self.ranks = ranks or joined()
        self.transfer = Transfer(backbone.device)

    def draw(self) -> Batch:
        """Return the next batch of the mixture."""
        with self.mark("data"), self.transfer.stream():
            draw = self.loader.draw()
        with self.mark("tokenize"):
            tokens = self.backbone.tokenize(draw.captions)
        if self.embeddings is not None:
            self.embeddings.note(draw, tokens)
        with self.mark("transfer"):
            # Each process has read its part, and the objective sees the whole batch
            images = self.ranks.gathered(self.transfer.place(draw.images), self.pairs)
            texts = self.ranks.gathered(self.transfer.place(tokens), self.pairs)
            sources = torch.from_numpy(draw.sources)
            return Batch(self.backbone.normalise(images), texts, sources)

    def fresh(self) -> FreshPairs:
        """Return the batches that follow, for an objective that looks back at the task."""
        return FreshPairs(self.draw)

    @property
    def segments(self) -> Segments:
        """Return the pieces of the task as the mixture has them."""
        return self.loader.mixture.segments

    def state_dict(self) -> dict[str, Any]:
        """Return the cursors of the mixture."""
        return self.loader.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another loader of the same mixture was."""
        self.loader.load_state_dict(state)


def mixture_batches(
    spec: Spec,
    datasets: Datasets,
    backbone: Backbone,
    task: Task,
    embeddings: EmbeddingCache | None = None,
    mark: Marker = nullcontext,
) -> MixtureBatches:
    """Return the batches of a task as its definition's mixture has them, from their beginning.

    Where a selection chooses pairs, a batch holds its candidates.

    Raises:
        MixtureError: as `pieces_of` and `Mixture.begin`.
    """
    pairs = candidates(selection_of(spec), int(spec.recipe["batch_pairs"]))
    pieces = pieces_of(spec, task.steps)
    loader = datasets.batches(task.number, spec.mixture, pairs, task.steps, pieces)
    return MixtureBatches(loader, backbone, pairs, embeddings, mark, task.ranks)
