"""Zero-shot classification: the class whose prompts are nearest to the image (https://arxiv.org/abs/2103.00020).

Several templates are ensembled in embedding space: the mean of the unit-norm embeddings of a class's prompts, renormalised.
All classes of the dataset are candidates from the start, not only those learned so far; among equals the first class is taken.
"""

# N images, C classes, T templates, D width

from collections.abc import Iterator

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
    classes = class_embeddings(model, dataset.classes, dataset.templates)  # (C, D)
    images = model.encode_images(dataset.images)  # (N, D)
    named = torch.cat([(rows @ classes.T).argmax(dim=1) for rows in torch.split(images, CHUNK_ROWS)])  # (N,)
    yield "top1", float((named.cpu().numpy() == labels).mean())


def class_embeddings(model: Encoder, classes: list[str], templates: list[str]) -> Tensor:
    """(C, D) of unit norm. A `{}` in a template stands for the class; other braces stay."""
    prompts = [template.replace("{}", name) for name in classes for template in templates or ["{}"]]
    texts = functional.normalize(model.encode_texts(prompts), dim=-1)
    return functional.normalize(texts.reshape(len(classes), -1, texts.shape[-1]).mean(dim=1), dim=-1)  # over (C, T, D)
