"""Zero-shot classification beyond the nearest class (https://arxiv.org/abs/2103.00020).

    top5                   images whose own class is among the five nearest, of five or more
                           candidates
    mean_per_class_recall  `top1` of each class that has images, averaged over these classes

The names and values are those of https://github.com/LAION-AI/CLIP_benchmark. Prompts, candidates
and ties are as in `evals.zeroshot`. Measured only where a suite asks for it.
"""

from collections.abc import Iterator

import numpy as np

from evals import Encoder, TestSet
from evals.zeroshot import before_own

KINDS = ("classification",)
PROBES = ("top5", "mean_per_class_recall")
TOP = 5


def measure(model: Encoder, dataset: TestSet) -> Iterator[tuple[str, float]]:
    """Yield both metrics; `top5` only where every image has five candidates or more.

    Raises:
        ValueError: as `evals.zeroshot.measure`.
    """
    before = before_own(model, dataset)
    if candidates(dataset) >= TOP:
        yield "top5", float((before < TOP).mean())
    labels = dataset.labels
    recalls = []
    for label in np.unique(labels):
        recalls.append(float((before[labels == label] == 0).mean()))
    yield "mean_per_class_recall", float(np.mean(recalls))


def candidates(dataset: TestSet) -> int:
    """Return how many candidate classes each image has.

    Where the test set has groups, it is the size of the smallest group that has images.
    """
    rivals = sum(len(names) for names, _ in dataset.rivals)
    if dataset.groups is None:
        return len(dataset.classes) + rivals
    sizes = np.bincount(dataset.groups)[dataset.groups[dataset.labels]]
    return int(sizes.min())
