"""Running forms of mergings: summaries of all models so far, of a size that does not grow.

A technique with a running form takes in each model once, in order, and can return the merge after
any of them. So a merge over all of T tasks reads the running form and the newest model instead of T
models, and neither memory nor disk grows with T.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

Weights = Mapping[str, Tensor]
# A running form: kind of summary (a sum, a count, ...) to name of a weight to tensor
Parts = dict[str, dict[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class Folding:
    """A technique in its running form; both functions get tensors in float32 at least."""

    # Takes in one more model. Arguments: the running form so far ({} before the first), theta_0 and
    # the model. Returns the new running form. It may change the tensors of the old one in place,
    # and nothing else, and must not keep references to the models.
    take: Callable[[Parts, Weights, Weights], Parts]
    # Returns the merge of all models so far, in new memory. Arguments: the running form, theta_0
    finish: Callable[[Parts, Weights], Weights]

    def merge(self, history: Sequence[Weights]) -> Weights:
        """Return the merge of a history; `history[0]` is theta_0, and is not merged."""
        initial, parts = history[0], Parts()
        for index in range(1, len(history)):
            parts = self.take(parts, initial, history[index])
        return self.finish(parts, initial)


def flat(parts: Parts) -> dict[str, Tensor]:
    """Return the tensors of a running form under flat names, `part/weight`, for a file."""
    tensors = {}
    for part, weights in parts.items():
        for name, tensor in weights.items():
            tensors[f"{part}/{name}"] = tensor
    return tensors


def unflat(tensors: Weights) -> Parts:
    """Invert `flat`. No name of a part has a slash."""
    parts = Parts()
    for key, tensor in tensors.items():
        part, _, name = key.partition("/")
        parts.setdefault(part, {})[name] = tensor
    return parts
