"""Pairs that no step learns from, kept to see what training comes to: a part of every concept.

They are neither trained on nor test images. Which they are follows from the dataset's name, its
labels and the share alone, so every task, trial and process holds out the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams import DatasetError, Pairs
from streams.formats._shard_pairs import ShardPairs
from streams.pools import MixtureError, Portion
from streams.seeds import seed_of


@dataclass(frozen=True)
class HeldOut:
    """The part of each dataset's training pairs that is held out."""

    # Of each class of a dataset; 0: nothing is held out
    share: float = 0.0

    def split(self, name: str, portion: Portion) -> tuple[Portion, Portion]:
        """Return the pairs of a portion of dataset `name` to learn from, and those held out.

        Raises:
            DatasetError: a stream of shards, of which there is no table to hold pairs out of.
        """
        pairs, indices = portion
        if not self.share:
            return portion, (pairs, indices[:0])
        if isinstance(pairs, ShardPairs):
            raise DatasetError(
                f"dataset {name!r} is a stream of shards (lanes), of which no pairs can be held "
                "out. Take a mixture whose held_out_share is 0, or a dataset without lanes"
            )
        held = _held(name, pairs, self.share)[indices]
        return (pairs, indices[~held]), (pairs, indices[held])


def choose(
    mixture: str, source: str, portions: Sequence[Portion], count: int, seed: int
) -> list[Portion]:
    """Return `count` of the held-out pairs of a source, by dataset.

    Raises:
        MixtureError: there are fewer; names the mixture, the source and the number there is.
    """
    owners = np.repeat(np.arange(len(portions)), [len(indices) for _, indices in portions])
    if len(owners) < count:
        raise MixtureError(
            f"mixture {mixture!r}: {len(owners)} pairs of the {source} are held out, and its "
            f"mixing measures {count}. Raise held_out_share, or lower measured_pairs in "
            "mixing_params"
        )
    places = np.concatenate([indices for _, indices in portions])
    chosen = np.sort(np.random.default_rng(seed).choice(len(owners), count, replace=False))
    found = []
    for owner, (pairs, _) in enumerate(portions):
        own = places[chosen[owners[chosen] == owner]]
        if len(own):
            found.append((pairs, own))
    return found


def _held(name: str, pairs: Pairs, share: float) -> np.ndarray:
    """Return whether each pair of a dataset is held out, (N,) bool.

    Of every class that has two pairs or more at least one is, and at least one is not.
    """
    held = np.zeros(len(pairs), bool)
    for label in np.unique(pairs.labels):
        own = np.flatnonzero(pairs.labels == label)
        count = min(max(round(share * len(own)), 1), len(own) - 1)
        rng = np.random.default_rng(seed_of(0, "held out", name, int(label)))
        held[rng.permutation(own)[:count]] = True
    return held
