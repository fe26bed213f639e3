"""Remarks on how much a stream of shards mixes, for `python -m schema check`.

A batch draws from the shards that the lanes have at hand. Pairs of other shards come later, so that
shards which are sorted by content teach one part of it after another.
"""

import math
from collections.abc import Iterator

import numpy as np

from streams.formats._shard_pairs import ShardPairs

# How many pairs of a shard are looked at.
LOOKED = 2000
# A shard is called sorted if it has fewer than this share of the classes that a random one has.
SORTED_SHARE = 0.5


def of_shards(pairs: ShardPairs) -> Iterator[str]:
    """Yield a sentence on how many shards a batch draws from, and one if they seem to be sorted."""
    filled = np.flatnonzero(pairs.sizes)
    lanes = min(pairs.lanes, len(filled))
    at_hand = min(lanes * pairs.block_shards, len(filled))
    yield (
        f"train: a batch draws from {at_hand:,} of {len(filled):,} shards at a time, by {lanes} "
        f"lanes with blocks of {pairs.block_shards}"
    )
    classes, expected, known = _classes(pairs, int(filled[0]))
    # One class cannot be sorted, and all shards at hand are a shuffle of all pairs
    if classes >= SORTED_SHARE * expected or at_hand == len(filled):
        return
    enough = math.ceil(known / classes)
    yield (
        f"train: shard {pairs.shards.shards.name(int(filled[0]))} has {classes} of the {known} "
        f"classes, where one in random order would have about {expected:.0f}: the shards are "
        "sorted, and mix too little. Write them anew in a random order, or raise lanes and "
        f"block_shards: it takes {enough:,} such shards at least to have every class at hand"
    )


def _classes(pairs: ShardPairs, number: int) -> tuple[int, float, int]:
    """Return how many classes a shard has, how many one in random order would have, and of all.

    Classes are known where captions are made of their names; all three are 1 elsewhere.
    """
    shard = pairs.shards.open(number)
    known, count = len(shard.by_label), min(len(shard), LOOKED)
    if not (known and count):
        return 1, 1.0, 1
    # Spread over the shard, as the order within it does not matter
    places = np.linspace(0, len(shard) - 1, count).astype(int)
    captions = {tuple(shard.texts(place)) for place in places.tolist()}
    # Each class is drawn with the same chance: 1 - (1 - 1/C)^n of them are met
    expected = known * (1 - (1 - 1 / known) ** count)
    return len(captions), expected, known
