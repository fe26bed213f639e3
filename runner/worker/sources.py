"""Which pairs each source of a mixture has in a task: to learn from, and held out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schema.checks.stream_rows import distilled_class
from schema.spec import EVERYTHING, Row
from streams import DatasetError, Pairs
from streams.formats._shard_pairs import ShardPairs
from streams.held_out import HeldOut
from streams.pools import Portion, all_of
from streams.tasks import Concept

# Pairs of a dataset, with its name
Named = tuple[str, Portion]


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The sources that the tasks of a trial draw from."""

    # Opens the training pairs of a dataset's row
    open: Callable[[Row], Pairs]
    # The stream's datasets, by name
    rows: Mapping[str, Row]
    # The concepts of each task
    tasks: Sequence[Sequence[Concept]]
    held_out: HeldOut

    def update(self, task: int) -> list[Portion]:
        """Return the pairs that are new in a task, counted from 1."""
        return self.portions(self.tasks[task - 1])

    def buffer(self, task: int, mixture: Mapping[str, Any]) -> list[list[Portion]]:
        """Return what the buffer of a task may hold, of each task before it."""
        return [self._learned(self._kept(mixture, concepts)) for concepts in self.tasks[: task - 1]]

    def pool(self, mixture: Mapping[str, Any]) -> list[Portion]:
        """Return the pretraining pool; empty where nothing is drawn from it."""
        return self._learned(self._pool(mixture))

    def portions(self, concepts: Sequence[Concept]) -> list[Portion]:
        """Return the training pairs of concepts, by dataset and label, without those held out.

        The concept * is all of a dataset.

        Raises:
            ValueError: a concept has no training pairs.
        """
        return self._learned(self._taught(concepts))

    def validation(self, task: int, mixture: Mapping[str, Any]) -> dict[str, list[Portion]]:
        """Return the held-out pairs of each source that a task may draw from, by source."""
        named = {"update": self._taught(self.tasks[task - 1])}
        if mixture["buffer_share"] and task > 1:
            named["buffer"] = []
            for concepts in self.tasks[: task - 1]:
                named["buffer"] += self._kept(mixture, concepts)
        if mixture["pretraining_share"]:
            named["pretraining"] = self._pool(mixture)
        held = {}
        for source, each in named.items():
            held[source] = [self.held_out.split(*own)[1] for own in each]
        return held

    def _learned(self, named: Sequence[Named]) -> list[Portion]:
        return [self.held_out.split(*own)[0] for own in named]

    def _taught(self, concepts: Sequence[Concept]) -> list[Named]:
        """Return all training pairs of concepts."""
        return [(name, _portion(self.rows[name], concept, self.open)) for name, concept in concepts]

    def _kept(self, mixture: Mapping[str, Any], concepts: Sequence[Concept]) -> list[Named]:
        """Return what there is of earlier concepts: their own pairs, or distilled ones.

        A dataset of distilled pairs has a class for each concept; see `distilled_class`.
        """
        # Definitions older than this column lack it
        row = mixture.get("buffer_dataset")
        if row is None:
            return self._taught(concepts)
        name = str(row["name"])
        return [(name, _portion(row, distilled_class(*each), self.open)) for each in concepts]

    def _pool(self, mixture: Mapping[str, Any]) -> list[Named]:
        """Return all pairs of the pretraining pool."""
        if not mixture["pretraining_share"]:
            return []
        row = mixture["pretraining_dataset"]
        pairs = self.open(row)
        return [(row["name"], (pairs, all_of(pairs)))]


def _portion(row: Row, concept: str, open_row: Callable[[Row], Pairs]) -> Portion:
    """Return the pairs of a concept of a dataset row.

    Raises:
        DatasetError: a class of a stream of shards.
        ValueError: the concept has no training pairs.
    """
    pairs = open_row(row)
    stream = isinstance(pairs, ShardPairs)
    if stream and concept != EVERYTHING:
        raise DatasetError(
            f"dataset {row['name']!r} is a stream of shards (lanes), of which there is no table of "
            f"classes: {concept!r} cannot be taught alone. Name {EVERYTHING!r} as the concept in "
            "sequence_concept, or leave lanes out of the row's params."
        )
    if concept == EVERYTHING:
        indices = all_of(pairs)
    else:
        indices = np.flatnonzero(pairs.labels == row["classes"].index(concept))
    if not len(indices) and not stream:
        raise ValueError(_no_pairs(row["name"], concept, pairs))
    return pairs, indices


def _no_pairs(dataset: str, concept: str, pairs: Pairs) -> str:
    """Return why a task cannot be learned: its concept has no training pairs."""
    sentence = f"dataset {dataset!r} has no training pairs of concept {concept!r}"
    if (pairs.labels < 0).all():
        sentence += (
            f": none of its {len(pairs)} pairs has a class. Name {EVERYTHING!r} as the concept in "
            "sequence_concept, which is every pair of the dataset"
        )
    return sentence
