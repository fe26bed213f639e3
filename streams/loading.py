"""Batches decoded ahead by worker processes; batches do not depend on the number of workers.

The pairs of a batch follow from counters alone, so worker w of N makes batches w, w + N, ... and
only advances its counters for the others; torch's DataLoader returns them in order. The saved
cursor counts the batches taken, not those made ahead, so a resumed trial gets the next batch again.
Where a device decodes JPEGs, a batch made ahead consists of encoded files: workers do not use the
device, and the training process finds and replaces unreadable images.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from streams import DatasetError, Draw, Pairs
from streams.mixtures import Mixture
from streams.pools import Portion, runs_of

# How many batches a worker makes ahead.
AHEAD = 2
# What a worker sends of a batch: the fields of a Draw (images as a tensor, because that goes
# through shared memory) and of each portion of `Mixture.next` what its `met` is told, such as the
# names of items met first that cannot be read, and how many pictures were left to Pillow; or what
# `Mixture.opened` gives.
Sent = tuple[Tensor, list[str], np.ndarray, list[Any], int] | list[Any]
# These are sent as they are: torch's own report of an error begins with a traceback, and the
# reason comes last.
FAILED = (
    DatasetError,
    OSError,
)
Failed = DatasetError | OSError


class Loader:
    """Loads the batches of a mixture with `workers` processes (0: in this process).

    The mixture is at a task's beginning, or at a restored state. Only the pairs of a batch in
    `part` are read. At most `steps` batches are made ahead, and none of a segment whose shares are
    not said yet; further ones may still be drawn.
    """

    def __init__(
        self,
        mixture: Mixture,
        workers: int = 0,
        part: slice | None = None,
        steps: int | None = None,
    ) -> None:
        self.mixture, self.workers, self.part, self.steps = mixture, workers, part, steps
        self.ahead: Iterator[Sent | Failed] = iter(())

    def draw(self) -> Draw:
        """Return the next batch.

        Raises:
            DatasetError: too many of its images cannot be decoded.
            OSError: a disk fails.
        """
        if not self.workers:
            return self.mixture.draw(self.part)
        try:
            return self._taken()
        except FAILED:
            # Ends the worker processes now.
            self.ahead = iter(())
            raise

    def _taken(self) -> Draw:
        sent = next(self.ahead, None) or self._first_ahead()
        if isinstance(sent, FAILED):
            raise sent
        # The cursor advances when a batch is taken, not when it is made ahead.
        chosen = self.mixture.next()
        if isinstance(sent, list):
            return self.mixture.read(chosen, self.part, sent)
        images, captions, sources, every, left = sent
        self.mixture.host.note(left)
        for (pairs, indices), own, news in zip(
            chosen, self.mixture.owned(chosen, self.part), every, strict=True
        ):
            if hasattr(pairs, "met"):
                pairs.met(indices[own], news)
        return Draw(images, captions, sources, runs_of(chosen))

    def _first_ahead(self) -> Sent | Failed:
        """Return the next batch from the workers, which are started at the first call.

        They are not started earlier, as the state may still be restored.
        """
        end = sys.maxsize
        if self.steps is not None and self.mixture.drawn < self.steps:
            end = self.steps
        # What follows is drawn by shares that nobody has said yet
        end = min(end, self.mixture.segments.known_steps())
        source = _Made(self.mixture, self.part, end)
        self.ahead = iter(
            DataLoader(
                source, None, num_workers=self.workers, prefetch_factor=AHEAD, collate_fn=_as_it_is
            )
        )
        return next(self.ahead)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the mixture."""
        return self.mixture.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from the state of another loader, with any number of workers."""
        self.ahead = iter(())
        self.mixture.load_state_dict(state)


def _corrupt(pairs: Pairs) -> list[str]:
    """Return the names of unreadable items; generated pairs have none."""
    corrupt: list[str] = getattr(pairs, "corrupt", [])
    return corrupt


def _as_it_is(sent: Any) -> Any:
    return sent


class _Made(IterableDataset[Sent | Failed]):
    """The batches that one worker makes, up to batch `end` of the task."""

    def __init__(self, mixture: Mixture, part: slice | None, end: int) -> None:
        self.mixture, self.part, self.end = mixture, part, end

    def __iter__(self) -> Iterator[Sent | Failed]:
        worker = get_worker_info()
        assert worker is not None
        torch.set_num_threads(1)
        self._pass_over(worker.id)
        while self.mixture.drawn < self.end:
            try:
                batch = self._made(self.mixture.next())
            except FAILED as problem:
                yield problem
                return
            yield batch
            self._pass_over(worker.num_workers - 1)

    def _made(self, chosen: list[Portion]) -> Sent:
        if self.mixture.device is not None:
            return self.mixture.opened(chosen, self.part)
        # The training process counts unreadable items, so it is sent those first found in this
        # batch.
        known = [len(_corrupt(pairs)) for pairs, _ in chosen]
        left = self.mixture.host.left
        draw = self.mixture.read(chosen, self.part, shared=True)
        news = list[Any]()
        for (pairs, _), count in zip(chosen, known, strict=True):
            # Streams of shards keep counts, other pairs keep names
            news.append(pairs.news() if hasattr(pairs, "news") else _corrupt(pairs)[count:])
        left = self.mixture.host.left - left
        return draw.images, draw.captions, draw.sources, news, left

    def _pass_over(self, batches: int) -> None:
        for _ in range(batches):
            self.mixture.next()
