"""Zero-shot classification: the class whose prompts are nearest to the image (https://arxiv.org/abs/2103.00020).

Several templates are ensembled in embedding space: the mean of the unit-norm embeddings of a class's prompts, renormalised.
Candidates are all classes of the dataset from the start, not only those learned so far. Where the test set has groups, they are
those of the group that the image's class is in: the evaluation is told the task (https://arxiv.org/abs/2303.06628). Where it has
rivals, theirs are candidates too (https://arxiv.org/abs/2406.18868), and one of the same name is right as well: nothing in the
words tells them apart. Among equals the first class is taken.
"""

# N images, C classes, R of them and of rivals, T templates, D width

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evals import Encoder, TestSet

KINDS = ("classification",)
CHUNK_ROWS = 8192  # of the N x C similarities held at once


def measure(model: Encoder, dataset: TestSet) -> Iterator[tuple[str, float]]:
    """`top1`: the fraction of images given their own class.

    Raises:
        ValueError: no images, or an image without a class.
    """
    labels = dataset.labels
    if not len(labels) or labels.min() < 0 or labels.max() >= len(dataset.classes):
        raise ValueError(
            f"dataset {dataset.name!r} is of kind classification: its test split must hold images, each with a label from 0 to "
            f"{len(dataset.classes) - 1}; correct its labels or classes, or make its kind captions"
        )
    among = [(dataset.classes, dataset.templates), *dataset.rivals]
    classes = torch.cat(
        [class_embeddings(model, names, templates) for names, templates in among]
    )  # (R, D)
    images = model.encode_images(dataset.images)  # (N, D)
    groups = None if dataset.groups is None else torch.from_numpy(dataset.groups)  # (C,)
    named = []
    for rows, own in zip(
        torch.split(images, CHUNK_ROWS),
        torch.split(torch.from_numpy(labels), CHUNK_ROWS),
        strict=True,
    ):
        near = rows @ classes.T
        if groups is not None:
            near = near.masked_fill(
                (groups[own][:, None] != groups[None, :]).to(near.device), -torch.inf
            )
        named.append(near.argmax(dim=1))
    called = np.array([name.strip().casefold() for names, _ in among for name in names])  # (R,)
    found = torch.cat(named).cpu().numpy()  # (N,)
    yield (
        "top1",
        float(
            (
                (found == labels)
                | ((found >= len(dataset.classes)) & (called[found] == called[labels]))
            ).mean()
        ),
    )


def class_embeddings(model: Encoder, classes: list[str], templates: list[str]) -> Tensor:
    """(C, D) of unit norm. A `{}` in a template stands for the class; other braces stay."""
    prompts = [template.replace("{}", name) for name in classes for template in templates or ["{}"]]
    texts = functional.normalize(model.encode_texts(prompts), dim=-1)
    return functional.normalize(
        texts.reshape(len(classes), -1, texts.shape[-1]).mean(dim=1), dim=-1
    )  # over (C, T, D)
