"""How far a model's answers are from those of the untouched backbone (RL's Razor,
https://arxiv.org/abs/2509.04259: on a new task's inputs it foretells what is forgotten).

    divergence   1 - exp(-KL),  KL = mean over images of sum_c p0(c) (log p0(c) - log p(c))

p and p0 are the softmax over the classes of the dataset of 100 times the cosines, 100 being the
bound of CLIP's temperature, for the updated model and for the untouched backbone. The mean is not
a fraction, so it is mapped to one: KL = -ln(1 - divergence), in nats. Labels are not looked at, and
all classes of the dataset are candidates, whatever the label space is. Measured only where a suite
asks for it.
"""

# N images, C classes

import math
from collections.abc import Iterator

from torch import Tensor

from evals import Encoder, TestSet, similar_of
from evals.zeroshot import class_embeddings

KINDS = ("classification",)
PROBES = ("divergence",)
SCALE = 100.0


def measure(model: Encoder, dataset: TestSet) -> Iterator[tuple[str, float]]:
    """Yield the metric.

    Raises:
        ValueError: the test set comes without the untouched backbone.
    """
    if dataset.untouched is None:
        raise ValueError(
            f"dataset {dataset.name!r}: {PROBES[0]} compares with the untouched backbone, and none "
            "was given"
        )
    before = log_probabilities(dataset.untouched, dataset)
    now = log_probabilities(model, dataset)
    divergences = (before.exp() * (before - now)).sum(dim=1)
    # Rounding may leave a number below 0 where nothing has changed
    yield "divergence", -math.expm1(-max(float(divergences.mean()), 0.0))


def log_probabilities(model: Encoder, dataset: TestSet) -> Tensor:
    """Return the log of each class's probability for each image, (N, C) float64."""
    texts = class_embeddings(model, dataset.classes, dataset.templates)
    cosines = similar_of(model)(model.encode_images(dataset.images), texts)
    return (SCALE * cosines.double()).log_softmax(dim=1)
