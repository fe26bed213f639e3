"""Steps of a task on tensors without contents: the real ones, on batches of nothing.

The tensors (`torch._subclasses.FakeTensorMode`) know shapes and storages but hold nothing, so no
weights and no data are needed, and a model that fits no machine here can be profiled. All of it
happens on a fake CPU, whatever the machine.

A part that asks for a number that a fake tensor does not have gets 1, and True where it asks
whether tensors are equal; which pairs a selection chooses is not asked at all. What `Batch.sources`
holds is real, and so is what is computed from it alone.
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
from runner.worker.profiler.fake_tensors import Memory
from runner.worker.profiler.sampling import Books, SampledPairs
from runner.worker.selection import candidates, selection_of
from runner.worker.training import TRAIN, Options, Training
from schema.spec import Spec
from streams import Batch
from streams.mixtures import shares


class ProfileError(RuntimeError):
    """A part needs values, and fake tensors have none."""


class BlankBatches:
    """A source of batches without contents, of the shapes that a task's steps are given."""

    def __init__(
        self, spec: Spec, backbone: Backbone, task: Task, books: Books | None = None
    ) -> None:
        """Draw the batches of a task.

        `books`: what an objective looks back at is sampled, and charged to these; None: it is given
        all of it.
        """
        self.model, self.books = backbone.model, books
        self.pairs = candidates(selection_of(spec), int(spec.recipe["batch_pairs"]))
        self.counts = shares(spec.mixture, self.pairs, task.number)

    def draw(self) -> Batch:
        """Return as many pairs of each source as the mixture has in a batch."""
        size = self.model.visual.image_size
        height, width = (size, size) if isinstance(size, int) else size
        sources = np.repeat(np.arange(3, dtype=np.int8), self.counts)
        return Batch(
            images=torch.zeros(self.pairs, 3, height, width),
            texts=torch.zeros(self.pairs, self.model.context_length, dtype=torch.int64),
            sources=torch.from_numpy(sources),
        )

    def fresh(self) -> FreshPairs:
        """Return batches for an objective that looks back at the task."""
        if self.books is None:
            return FreshPairs(self.draw)
        return SampledPairs(self.draw, self.books)

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: all batches are the same."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Do nothing: all batches are the same."""


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """A method that learns task after task on batches of nothing."""

    spec: Spec
    backbone: Backbone
    method: Method
    memory: Memory
    # Whether what an objective looks back at is computed for the first of what costs the same
    sampled: bool = True

    def begin(self, task: Task, phase: str = TRAIN) -> Training:
        """Begin a task, or its repair, whose costs are counted by `memory`."""
        books = Books(self.memory)
        batches = BlankBatches(self.spec, self.backbone, task, books if self.sampled else None)
        options = Options(phase=phase, ledger=books, has_values=False)
        return Training(self.spec, self.backbone, self.method, task, batches, options)

    def learn(self, task: Task, phase: str = TRAIN) -> Training:
        """Take all steps of a task and fold them; returns the training, with its costs."""
        training = self.begin(task, phase)
        for _ in training.steps_from(0):
            pass
        training.fold()
        return training


@contextmanager
def fake_backbone(spec: Spec) -> Iterator[Backbone]:
    """Give a backbone of fake tensors, which are in force meanwhile.

    Raises:
        ProfileError: what is done with it asks for what they do not have; says which operation.
    """
    with torch.device("meta"):
        backbone = backbones.build(spec.backbone["architecture"], 0, "meta")
    try:
        with warnings.catch_warnings(), FakeTensorMode(allow_non_fake_inputs=True):
            # Copies of models do that, to no harm
            warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")
            backbone.model.to_empty(device="cpu")
            yield backbone
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        raise ProfileError(
            f"method {spec.method['name']!r} cannot be profiled without values: it asks {error}. "
            "Write it without that, or use a budget in steps or pairs."
        ) from error
