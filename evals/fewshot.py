"""Few-shot classification: a linear classifier of frozen image features.

It is fitted to k training images per class (the linear probe of https://arxiv.org/abs/2103.00020,
with as few images as in https://arxiv.org/abs/2411.15099).

The classifier is a ridge regression onto the classes, in closed form: X are the shots' features
minus their mean, Y is one-hot (a column per class) minus its mean, and the prediction is the class
with the largest x' (X'X + lambda I)^-1 X'Y + mean of Y, the first among equals. lambda is a tenth
of the mean of those eigenvalues of X'X that can be above 0. Nothing is random or iterative: the
shots are chosen by a hash, the same for every trial.

It measures what image features can distinguish, independently of the text tower. Measured only
where a suite asks for it.
"""

# S shots, N images, C classes, D width

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evals import Encoder, TestSet

KINDS = ("classification",)
# Training images of each class
SHOTS = (4, 16)
PROBES = tuple(f"fewshot{k}_top1" for k in SHOTS)
# The factor of the mean eigenvalue; and a floor that keeps the matrix regular where all features
# are equal
RIDGE, LEAST_RIDGE = 0.1, 1e-9


def measure(model: Encoder, dataset: TestSet) -> Iterator[tuple[str, float]]:
    """Yield `fewshot<k>_top1`, the fraction of images classified correctly.

    It is measured for each k of SHOTS for which every class has k training images.

    Raises:
        ValueError: no training images, or a class with fewer than the least k.
    """
    shots, classes = dataset.shots, len(dataset.classes)
    least = 0
    if shots is not None:
        least = int(np.bincount(shots.labels, minlength=classes).min())
    if shots is None or least < SHOTS[0]:
        raise ValueError(
            f"dataset {dataset.name!r}: {PROBES[0]} needs {SHOTS[0]} training images of every "
            f"class, and one has {least}; give it a training split that has them, or take the "
            "probe out of the suite"
        )
    known = model.encode_images(shots.images).double().cpu()  # (S, D)
    labels = torch.from_numpy(shots.labels)
    images = model.encode_images(dataset.images).double().cpu()  # (N, D)
    # (S,) the position of a shot in its class, so that the shots of a smaller k are the first k
    same = labels[:, None] == labels[None, :]
    place = same.tril(diagonal=-1).sum(dim=1)
    for k, metric in zip(SHOTS, PROBES, strict=True):
        if least >= k:
            nearest = classified(known[place < k], labels[place < k], images, classes)
            yield metric, float((nearest.numpy() == dataset.labels).mean())


def classified(known: Tensor, labels: Tensor, images: Tensor, classes: int) -> Tensor:
    """Return the predicted classes (N,) of image features (N, D).

    The ridge regression is fitted to the features `known` (S, D) of shots of classes `labels` (S,).
    """
    mean = known.mean(dim=0)
    features = known - mean  # (S, D)
    targets = functional.one_hot(labels, classes).to(known.dtype)  # (S, C)
    # (S, S): as many unknowns as shots, whatever the width
    inner = features @ features.T
    ridge = RIDGE * inner.trace() / max(1, min(len(labels) - 1, known.shape[1]))
    penalty = (ridge + LEAST_RIDGE) * torch.eye(len(labels), dtype=known.dtype)
    weights = torch.linalg.solve(inner + penalty, targets - targets.mean(dim=0))
    scores: Tensor = (images - mean) @ features.T @ weights + targets.mean(dim=0)  # (N, C)
    return scores.argmax(dim=1)
