"""Runs the real steps of a task on tensors without contents.

These tensors (`torch._subclasses.FakeTensorMode`) have shapes and storages but no values, so
neither weights nor data are needed, and models of any size can be profiled. The device is always a
fake CPU.

A part that reads a number from a fake tensor gets 1, and True where it compares tensors; a
selection's choice of pairs is not computed. `Batch.sources` is real, and so is everything computed
from it alone.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)

from methods import FreshPairs, Method, Task
from runner.worker import backbone as backbones
from runner.worker.backbone import Backbone
from runner.worker.mixing import MIX
from runner.worker.profiler.fake_tensors import Memory
from runner.worker.profiler.sampling import Books, SampledPairs
from runner.worker.selection import candidates, selection_of
from runner.worker.training import TRAIN, Options, Training
from schema.spec import Spec
from streams import Batch
from streams.shares import Segments, shares


class ProfileError(RuntimeError):
    """A part needs values, which fake tensors do not have."""


class BlankBatches:
    """A source of batches without contents, with the shapes of a task's batches."""

    def __init__(
        self, spec: Spec, backbone: Backbone, task: Task, books: Books | None = None
    ) -> None:
        """Prepare the batches of a task.

        An objective's look-back is sampled, and extrapolated in the ledger `books`; None: it is run
        completely.
        """
        self.model, self.books = backbone.model, books
        self.pairs = candidates(selection_of(spec), int(spec.recipe["batch_pairs"]))
        self.counts = shares(spec.mixture, self.pairs, task.number)
        # All segments cost the same, so a task is one
        self.segments = Segments(self.pairs, task.number)

    def draw(self) -> Batch:
        """Return a batch with the mixture's number of pairs of each source."""
        return _blank(self.model, np.repeat(np.arange(3, dtype=np.int8), self.counts))

    def fresh(self) -> FreshPairs:
        """Return batches for an objective that looks back at the task."""
        if self.books is None:
            return FreshPairs(self.draw)
        return SampledPairs(self.draw, self.books)

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state, as all batches are the same."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Do nothing, as all batches are the same."""


class BlankValidation:
    """Held-out pairs without contents, of the sources that a task has."""

    def __init__(self, spec: Spec, backbone: Backbone, task: Task) -> None:
        counts = shares(spec.mixture, int(spec.recipe["batch_pairs"]), task.number)
        self.model = backbone.model
        self.sources = [name for name, count in counts._asdict().items() if count]

    def batches(self, pairs: int) -> dict[str, Batch]:
        """Return a batch of so many pairs of each source."""
        return {name: _blank(self.model, np.zeros(pairs, np.int8)) for name in self.sources}

    def counts(self) -> dict[str, int]:
        """Return nothing, as no pairs are held out."""
        return {}


def _blank(model: Any, sources: np.ndarray) -> Batch:
    """Return a batch of zeros, of pairs from these sources (B,)."""
    size = model.visual.image_size
    height, width = (size, size) if isinstance(size, int) else size
    return Batch(
        images=torch.zeros(len(sources), 3, height, width),
        texts=torch.zeros(len(sources), model.context_length, dtype=torch.int64),
        sources=torch.from_numpy(sources),
    )


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """A method that is trained task after task on batches without contents."""

    spec: Spec
    backbone: Backbone
    method: Method
    memory: Memory
    # Whether an objective's look-back is computed only for the first of equal groups and passes
    sampled: bool = True

    def begin(self, task: Task, phase: str = TRAIN) -> Training:
        """Begin a task or its repair, and count its costs with `memory`."""
        books = Books(self.memory)
        batches = BlankBatches(self.spec, self.backbone, task, books if self.sampled else None)
        validation = BlankValidation(self.spec, self.backbone, task)
        options = Options(phase=phase, ledger=books, has_values=False, validation=validation)
        return Training(self.spec, self.backbone, self.method, task, batches, options)

    def learn(self, task: Task, phase: str = TRAIN) -> Training:
        """Take all steps of a task, end it, and return its training with the costs."""
        training = self.begin(task, phase)
        for _ in training.steps_from(0):
            pass
        if phase == TRAIN and training.parameters:
            _measure_segments(training)
        training.fold()
        return training


def _measure_segments(training: Training) -> None:
    """Measure held-out pairs once, and charge it for every segment but the last."""
    mixing = training.mixer.mixing
    if mixing.measured_pairs:
        ledger = training.costs.ledger
        training.mixer.measure(ledger, training.model, training.choice.towers)
        ledger.entries[MIX].flops *= mixing.pieces - 1


@contextmanager
def fake_backbone(spec: Spec) -> Iterator[Backbone]:
    """Provide a backbone of fake tensors; within the block all new tensors are fake.

    Raises:
        ProfileError: the block needs values of fake tensors; names the operation.
    """
    with torch.device("meta"):
        backbone = backbones.build(spec.backbone["architecture"], 0, "meta")
    try:
        with warnings.catch_warnings(), FakeTensorMode(allow_non_fake_inputs=True):
            # Copying a model warns about this, which is harmless
            warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")
            backbone.model.to_empty(device="cpu")
            yield backbone
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        raise ProfileError(
            f"method {spec.method['name']!r} cannot be profiled without values: it asks {error}. "
            "Write it without that, or use a budget in steps or pairs."
        ) from error
