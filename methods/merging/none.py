"""No merging: the weights after the last task, which plain sequential fine-tuning deploys (the
baseline of FoMo-in-Flux, https://arxiv.org/abs/2408.14471).
"""

from collections.abc import Sequence

from methods import Weights


def merge(history: Sequence[Weights]) -> Weights:
    """Return the last model of the history."""
    return dict(history[-1])
