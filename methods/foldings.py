"""Running forms of mergings: what a technique keeps of the models so far, however many they are.

A technique that has one takes each model in once, in order, and can be finished after any of them.
So the merge over all of T tasks reads the running form and the newest model, and not T models, and
neither memory nor disk grows with T.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

Weights = Mapping[str, Tensor]
# What is kept, by what it is (a sum, a count, ...), and there by the name of a weight
Parts = dict[str, dict[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class Folding:
    """A technique in its running form. Both functions see floating point in float32 at least."""

    # Takes one more model in: what is kept so far ({} before the first), theta_0, the model.
    # Returns what is kept then. It may change the tensors that were kept, and nothing else, and
    # keeps no memory of the models themselves.
    take: Callable[[Parts, Weights, Weights], Parts]
    # Returns the merge of what was taken in, in new memory: what is kept, theta_0
    finish: Callable[[Parts, Weights], Weights]

    def merge(self, history: Sequence[Weights]) -> Weights:
        """Return the merge of a history; `history[0]` is theta_0, and is not merged."""
        initial, parts = history[0], Parts()
        for index in range(1, len(history)):
            parts = self.take(parts, initial, history[index])
        return self.finish(parts, initial)


def flat(parts: Parts) -> dict[str, Tensor]:
    """Return what is kept under one name each, `part/weight`, for a file."""
    tensors = {}
    for part, weights in parts.items():
        for name, tensor in weights.items():
            tensors[f"{part}/{name}"] = tensor
    return tensors


def unflat(tensors: Weights) -> Parts:
    """Return what `flat` was given. No name of a part has a slash."""
    parts = Parts()
    for key, tensor in tensors.items():
        part, _, name = key.partition("/")
        parts.setdefault(part, {})[name] = tensor
    return parts
