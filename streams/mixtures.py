"""Mixtures: endless batches of a task, with exact shares of its own pairs, of earlier tasks' pairs
(the buffer) and of a pretraining pool.

Every random choice is a function of (seed, task, pool, epoch) or (seed, task, number of the draw).
So the state of a mixture is a few counters, and a restored mixture continues exactly.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from schema.checks.augmentation import Augmentation
from streams import Draw, buffers
from streams.augmentation import box, coloured
from streams.batch_images import HostImages, Request
from streams.decoding import opened, placed
from streams.formats._shard_pairs import ShardPairs
from streams.pictures import Crop
from streams.pools import (
    Drawn,
    LanePool,
    MixtureError,
    Portion,
    expect,
    pool_of,
    runs_of,
)
from streams.seeds import seed_of
from streams.shares import Counts, Segments, row_shares, shares

AS_THEY_ARE = Augmentation()


class Mixture:
    """The batches of one trial, task after task."""

    def __init__(
        self,
        mixture: Mapping[str, Any],
        batch_pairs: int,
        seed: int,
        pretraining: Sequence[Portion] | None,
        augmentation: Augmentation = AS_THEY_ARE,
        device: torch.device | None = None,
    ) -> None:
        """Prepare the mixture; JPEGs are decoded on `device`, or on the host by Pillow if None."""
        if mixture["pretraining_share"] and not pretraining:
            raise MixtureError(
                f"mixture {mixture['name']!r}: a pretraining_share above 0 needs a "
                "pretraining_dataset"
            )
        self.mixture, self.batch_pairs = mixture, batch_pairs
        self.seed, self.pretraining = seed, list(pretraining or ())
        self.augmentation, self.device = augmentation, device
        self.host = HostImages(augmentation)
        self.task = self.drawn = 0
        # The numbers of pairs in the batch that was drawn last
        self.counts = Counts(0, 0, 0)
        self.segments = Segments(batch_pairs, self.task)
        self.pools: list[Drawn] = []

    def begin(
        self,
        task: int,
        update: Sequence[Portion],
        earlier: Sequence[Sequence[Portion]],
        steps: int | None = None,
        pieces: int = 1,
    ) -> None:
        """Begin a task, counted from 1: `update` are its pairs, `earlier` those of tasks before it.

        Of several `pieces`, cut from `steps` batches, `segments` must be told the shares.

        Raises:
            MixtureError: a source that the batch needs is empty, or segments cannot be cut.
            BufferError: the buffer's settings are invalid.
        """
        self.task, self.drawn = task, 0
        self.host.begin()
        self.counts = shares(self.mixture, self.batch_pairs, task)
        self.segments = Segments(self.batch_pairs, task, pieces, steps or 0)
        if pieces == 1:
            self.segments.say(row_shares(self.mixture))
        sources = (
            (update, None),
            (list(chain.from_iterable(earlier)), _buffered(self.mixture, self.seed, task, earlier)),
            (self.pretraining, None),
        )
        self.pools = []
        each = zip(Counts._fields, self.counts, sources, strict=True)
        for name, count, (portions, places) in each:
            about = f"mixture {self.mixture['name']!r}: the {name} of task {task}"
            seed = [self.seed, task, len(self.pools)]
            pool = pool_of(about, portions, seed, count, places)
            self.pools.append(pool)
            if count and not len(pool):
                raise _nothing_to_draw(self.mixture["name"], task, f"{count} {name}")
        _check_segments(self.mixture["name"], self.segments, self.pools)

    def draw(self, part: slice | None = None) -> Draw:
        """Return the next batch, with update, buffer and pretraining pairs in this order."""
        return self.read(self.next(), part)

    def next(self) -> list[Portion]:
        """Choose the pairs of the next batch, and advance the cursor."""
        # Every process advances all pools, so that cursors do not depend on the part it reads.
        chosen = list[Portion]()
        self.counts = self.segments.at(self.drawn)
        for pool, count in zip(self.pools, self.counts, strict=True):
            chosen += pool.draw(count)
        self.drawn += 1
        return chosen

    def opened(self, chosen: Sequence[Portion], part: slice | None = None) -> list[Any]:
        """Return each portion's images before a device decodes them, for `read` in any process."""
        expect(self.pools, self.counts, part or slice(0, self.batch_pairs))
        return [opened(pairs, mine, crops) for pairs, mine, crops in _asked(self, chosen, part)]

    def read(
        self,
        chosen: Sequence[Portion],
        part: slice | None = None,
        ahead: list[Any] | None = None,
        shared: bool = False,
    ) -> Draw:
        """Return the batch that `next` chose last; of its pairs only a part, where others read the
        rest. `ahead`: its images, if they are `opened`. `shared`: another process is handed them.
        """
        rng = np.random.default_rng([self.seed, self.task, 3, self.drawn - 1])
        expect(self.pools, self.counts, part or slice(0, self.batch_pairs))
        images = self._images(chosen, part, ahead, shared)
        captions: list[str] = []
        for (pairs, indices), own in zip(chosen, self.owned(chosen, part), strict=True):
            captions += pairs.captions(indices, rng, own)
        # A pair's seed depends on its place in the whole batch, and not on the process that reads
        # it.
        first = _beginning(part)
        seed = partial(seed_of, self.seed, "augmentation", self.task, self.drawn - 1)
        images = coloured(images, self.augmentation, lambda place: seed(first + place))
        return Draw(
            images, captions, np.repeat(np.arange(3, dtype=np.int8), self.counts), runs_of(chosen)
        )

    def _images(
        self,
        chosen: Sequence[Portion],
        part: slice | None,
        ahead: list[Any] | None,
        shared: bool,
    ) -> Tensor:
        """Return (n, 3, P, P) uint8 of a part of the batch."""
        requests = list(_asked(self, chosen, part))
        if self.device is None:
            return self.host.read(requests, shared)
        each = zip(requests, ahead or self.opened(chosen, part), strict=True)
        return torch.cat([placed(*request, decoded, self.device) for request, decoded in each])

    def owned(self, chosen: Sequence[Portion], part: slice | None) -> list[slice]:
        """Return which rows of each portion are of a part of the batch."""
        return _owned(chosen, part or slice(0, self.batch_pairs))

    def state_dict(self) -> dict[str, Any]:
        """Return the counters, as JSON values."""
        return {
            "task": self.task,
            "drawn": self.drawn,
            "pools": [pool.state() for pool in self.pools],
            **self.host.state(),
            **self.segments.state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from the state of another mixture in the same task."""
        if state["task"] != self.task:
            raise MixtureError(
                f"the state is of task {state['task']}, the mixture is in task {self.task}"
            )
        self.drawn = state["drawn"]
        self.segments.load_state(state)
        self.counts = self.segments.at(max(self.drawn - 1, 0))
        self.host.load_state(state)
        for pool, stood in zip(self.pools, state["pools"], strict=True):
            pool.load_state(stood)


def _asked(mixture: Mixture, chosen: Sequence[Portion], part: slice | None) -> Iterator[Request]:
    """Yield whose images are of a part of the batch, which of them, and how they are cut."""
    place = _beginning(part)
    seed = partial(seed_of, mixture.seed, "crop", mixture.task, mixture.drawn - 1)
    crops = partial(_crops, mixture.augmentation, seed)
    for (pairs, indices), own in zip(chosen, mixture.owned(chosen, part), strict=True):
        mine = indices[own]
        if len(mine):
            yield pairs, mine, crops(range(place, place + len(mine)))
        place += len(mine)


def _check_segments(name: str, segments: Segments, pools: Sequence[Drawn]) -> None:
    """Refuse segments of a task of unknown length, or of streams of shards."""
    if segments.pieces == 1:
        return
    if not segments.steps or any(isinstance(pool, LanePool) for pool in pools):
        raise MixtureError(
            f"mixture {name!r}: segments are pieces of a task whose steps are known, drawn from "
            "tables of pairs and not from a stream of shards (lanes). Take a mixture without a "
            "mixing, or datasets without lanes"
        )


def _owned(chosen: Sequence[Portion], part: slice) -> list[slice]:
    """Return which rows of each portion are of a part of the batch."""
    owned, begin = [], 0
    for _, indices in chosen:
        end = begin + len(indices)
        # The part's two ends, moved into this portion and counted from its beginning.
        start, stop = (min(max(at, begin), end) - begin for at in (part.start, part.stop))
        owned.append(slice(start, stop))
        begin = end
    return owned


def _check_buffer(mixture: Mapping[str, Any], earlier: Sequence[Sequence[Portion]]) -> None:
    """Check that a bounded buffer is not over a stream of shards, which has no table of pairs.

    Raises:
        MixtureError: it is; names the mixture and the dataset.
    """
    if mixture["buffer_pairs"] is None:
        return
    for pairs, _ in chain.from_iterable(earlier):
        if isinstance(pairs, ShardPairs):
            raise MixtureError(
                f"mixture {mixture['name']!r}: buffer_pairs chooses pairs of {pairs.name!r}, a "
                "stream of shards (lanes), of which there is no table. Take a mixture whose "
                "buffer_pairs is NULL, or a dataset without lanes"
            )


def _nothing_to_draw(mixture: str, task: int, needed: str) -> MixtureError:
    """Return the error for a mixture that needs pairs of an empty source."""
    return MixtureError(
        f"mixture {mixture!r}: task {task} needs {needed} pairs a batch and has none"
    )


def _beginning(part: slice | None) -> int:
    """Return the first place of a part of a batch; None means the whole batch."""
    if part is None:
        return 0
    return int(part.start)


def _concepts(earlier: Sequence[Sequence[Portion]]) -> list[np.ndarray]:
    """Return a number for the concept (dataset, label) of each pair, (n_t,) int64 per task."""
    numbers: dict[tuple[int, int], int] = {}
    tasks = []
    for portions in earlier:
        numbered = [np.empty(0, np.int64)]
        for pairs, indices in portions:
            labels, each = np.unique(pairs.labels[indices], return_inverse=True)
            # Concepts are numbered in order of first appearance, so numbers stay the same in later
            # tasks.
            known = []
            for label in labels:
                known.append(numbers.setdefault((id(pairs), int(label)), len(numbers)))
            numbered.append(np.array(known, np.int64)[each])
        tasks.append(np.concatenate(numbered))
    return tasks


def _buffered(
    mixture: Mapping[str, Any], seed: int, task: int, earlier: Sequence[Sequence[Portion]]
) -> np.ndarray | None:
    """Return the indices of the earlier pairs in the buffer, (K,); None where it holds all."""
    size_pairs, policy = mixture["buffer_pairs"], mixture.get("buffer_policy")
    if mixture["buffer_share"]:
        _check_buffer(mixture, earlier)
    if policy is not None and size_pairs is not None:
        return buffers.kept(policy, _concepts(earlier), size_pairs, [seed, 0])
    count = sum(len(indices) for portions in earlier for _, indices in portions)
    if size_pairs is None or size_pairs >= count:
        return None
    rng = np.random.default_rng([seed, task, 1, 0])
    return np.sort(rng.choice(count, size_pairs, replace=False))


def _crops(
    augmentation: Augmentation, seed: Callable[[int], int], places: range
) -> list[Crop] | None:
    """Return the crops of the images at these places of the batch; None without cropping."""
    if augmentation.scale is None:
        return None
    return [partial(box, augmentation, seed(place)) for place in places]
