"""Held-out pairs of each source of a task, as a model sees them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch

from runner.worker.backbone import Backbone
from runner.worker.datasets import Datasets
from schema.spec import Spec
from streams import UPDATE, Batch
from streams.held_out import choose
from streams.pools import Portion
from streams.seeds import seed_of


class Validation(Protocol):
    """What a mixing's measurements are taken on."""

    def batches(self, pairs: int) -> dict[str, Batch]:
        """Return a batch of so many pairs of each source, the same at every call."""
        ...

    def counts(self) -> dict[str, int]:
        """Return how many pairs of each source are held out."""
        ...


class HeldOutPairs:
    """The held-out pairs of a task's sources; every process reads all that are measured."""

    def __init__(self, spec: Spec, datasets: Datasets, backbone: Backbone, task: int) -> None:
        self.spec, self.backbone, self.task = spec, backbone, task
        self.portions: Mapping[str, Sequence[Portion]] = datasets.sources.validation(
            task, spec.mixture
        )
        # By source, once they are read
        self.read: dict[str, Batch] = {}

    def batches(self, pairs: int) -> dict[str, Batch]:
        """Return so many pairs of each source, chosen by the trial's seed.

        Raises:
            MixtureError: a source has fewer.
        """
        for source, portions in self.portions.items():
            if source not in self.read:
                seed = seed_of(self.spec.seed, "validation", self.task, source)
                chosen = choose(self.spec.mixture["name"], source, portions, pairs, seed)
                self.read[source] = self._batch(chosen, np.random.default_rng(seed))
        return self.read

    def counts(self) -> dict[str, int]:
        """Return how many pairs of each source are held out."""
        found = {}
        for source, portions in self.portions.items():
            found[source] = sum(len(indices) for _, indices in portions)
        return found

    def _batch(self, chosen: Sequence[Portion], rng: np.random.Generator) -> Batch:
        """Return pairs as an objective sees them, without augmentation."""
        images, captions = [], list[str]()
        for pairs, indices in chosen:
            images.append(torch.from_numpy(pairs.images(indices)))
            captions += pairs.captions(indices, rng)
        texts = self.backbone.tokenize(captions).to(self.backbone.device)
        placed = torch.cat(images).to(self.backbone.device)
        # Nothing that is measured asks where they come from
        sources = torch.full((len(captions),), UPDATE, dtype=torch.int8)
        return Batch(self.backbone.normalise(placed), texts, sources)
