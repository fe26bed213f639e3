"""The test sets of a suite: loading them, and which part is measured among which classes.

Which items belong to a part is decided by a hash of the dataset's name and the item's place alone,
so it is the same for every trial and machine.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

import evals
from evals import fewshot
from runner.worker.decoded_images import DecodedImages
from runner.worker.pixel_store import PixelStore
from streams import DatasetError, Pairs
from streams.formats._shard_pairs import ShardPairs

# The least of a part of a test set: images in all, and images of each class, as in FoMo-in-Flux
# (https://arxiv.org/abs/2408.14471)
LEAST_IMAGES = 300
LEAST_OF_A_CLASS = 2
# A product of a share and a count may lie this much above the whole number that is meant
ROUNDING = 1e-9


def load_test(
    dataset: Mapping[str, Any], pairs: Pairs, store: PixelStore | None = None
) -> evals.TestSet:
    """Return a dataset's test split as evaluations take it.

    For retrieval it has the first caption of each image, and all captions where the format has
    several; other kinds are measured without captions.
    """
    every = np.arange(len(pairs))
    images = DecodedImages(pairs, every, store)
    captions, every_caption = list[str](), None
    if dataset["kind"] == "retrieval":
        # Before the captions: it finds out which items show another's image
        images.digests()
        captions = pairs.captions(every, np.random.default_rng(0))
        # Formats that have one caption of an image do not list several
        if hasattr(pairs, "every_caption"):
            every_caption = pairs.every_caption()
    return evals.TestSet(
        name=dataset["name"],
        kind=dataset["kind"],
        classes=list(dataset["classes"]),
        templates=list(dataset["templates"]),
        images=images,
        labels=pairs.labels,
        captions=captions,
        every_caption=every_caption,
    )


def load_shots(
    dataset: Mapping[str, Any], pairs: Pairs, store: PixelStore | None = None
) -> evals.TestSet:
    """Return the training pairs that `fewshot` learns from: the first of each class by the hash."""
    if isinstance(pairs, ShardPairs):
        raise DatasetError(
            f"dataset {pairs.name!r} is a stream of shards (lanes), of which there is no table of "
            "classes to learn a probe from. Take another metric, or leave lanes out."
        )
    shots: list[int] = []
    taken: Counter[int] = Counter()
    for place in hashed(dataset["name"], len(pairs.labels)).tolist():
        label = int(pairs.labels[place])
        if label >= 0 and taken[label] < max(fewshot.SHOTS):
            taken[label] += 1
            shots.append(place)
    chosen = np.array(shots, np.int64)
    return evals.TestSet(
        name=dataset["name"],
        kind=dataset["kind"],
        classes=list(dataset["classes"]),
        templates=[],
        images=DecodedImages(pairs, chosen, store),
        labels=pairs.labels[chosen],
        captions=[],
    )


def hashed(name: str, count: int) -> np.ndarray:
    """Return the places of a dataset, (N,) int64, in an order that its name alone decides."""
    hashes = []
    for place in range(count):
        hashes.append(hashlib.blake2b(f"{name}/{place}".encode(), digest_size=8).digest())
    return np.array(sorted(range(count), key=hashes.__getitem__), np.int64)


def among(
    label_space: str,
    name: str,
    tests: Mapping[str, evals.TestSet],
    brought: Mapping[str, np.ndarray],
) -> evals.TestSet:
    """Return a test set whose candidates are those of a label space.

    They are `all` classes of the dataset, those of the image's `task`, or the `union` of all
    classification datasets of the suite. `brought` has the task that brings each class, (C,) of
    each dataset.
    """
    test = tests[name]
    if label_space == "task":
        return replace(test, groups=brought[name])
    if label_space == "union":
        rivals = []
        for key, other in sorted(tests.items()):
            if key != name and other.kind == "classification":
                rivals.append((other.classes, other.templates))
        return replace(test, rivals=rivals)
    return test


def part_of(test: evals.TestSet, share: float) -> np.ndarray:
    """Return the places, (n,) int64 ascending, of a share of a test set.

    A part has at least 300 images, and two of each class where the class has two.
    """
    count = len(test.labels)
    size = max(LEAST_IMAGES, math.ceil(share * count - ROUNDING))
    if share >= 1 or size >= count:
        return np.arange(count)
    order = hashed(test.name, count)
    seen: Counter[int] = Counter()
    # Whether a place is one of the first of its class, in the order of the hash
    first = []
    for label in test.labels[order].tolist():
        seen[label] += label >= 0
        first.append(0 < seen[label] <= LEAST_OF_A_CLASS)
    ranked = order[np.argsort(~np.array(first), kind="stable")]
    return np.sort(ranked[: max(size, sum(first))])


def shares(suite: Mapping[str, Any], task: int, tasks: int) -> tuple[float, ...]:
    """Return which shares of its test sets a suite measures after a task.

    At the ends it measures all. Where it has a `subset`, that is measured after every task, the
    ends too, so that there is something to compare it with.
    """
    subset = float(suite.get("subset", 1.0))
    if subset >= 1:
        return (1.0,)
    if task in (0, tasks):
        return (1.0, subset)
    return (subset,)
