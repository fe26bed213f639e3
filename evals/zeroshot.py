"""Zero-shot classification: the class whose prompts are nearest to the image.

    top1    images given their own class

The source is https://arxiv.org/abs/2103.00020. Several templates are ensembled in embedding space:
the mean of the unit-norm embeddings of a class's prompts, renormalised. Candidates are all classes
of the dataset from the start, not only those learned so far. Where the test set has groups,
candidates are the classes of the group of the image's class: the task is given
(https://arxiv.org/abs/2303.06628). Where it has rivals, their classes are candidates too
(https://arxiv.org/abs/2406.18868), and a rival class of the same name is also correct. Among equals
the first class is taken.
"""

# N images, Q of a chunk, C classes, R of them and of rivals, T templates, D width

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evals import Encoder, Judged, TestSet, similar_of

KINDS = ("classification",)
# Rows of the N x R similarities held at once, which bounds their memory
CHUNK_ROWS = 8192


def measure(model: Encoder, dataset: TestSet) -> Iterator[tuple[str, float]]:
    """Yield `top1`, the fraction of images given their own class.

    Raises:
        ValueError: no images, or an image without a class.
    """
    yield "top1", float((before_own(model, dataset) == 0).mean())


def before_own(model: Encoder, dataset: TestSet) -> np.ndarray:
    """Return, per image, how many candidates rank before its class or a rival of the same name.

    Raises:
        ValueError: no images, or an image without a class.
    """
    counts = [_before(near, right) for near, right in _compared(model, dataset)]
    return torch.cat(counts).cpu().numpy()


def judged(model: Encoder, dataset: TestSet) -> Iterator[Judged]:
    """Yield what each image is taken for, whose own class has the rank of `before_own`.

    Raises:
        ValueError: as `measure`.
    """
    ranks, margins, answers, counts = [], [], [], []
    for near, right in _compared(model, dataset):
        ranks.append(_before(near, right).cpu())
        best = near.masked_fill(~right, -torch.inf).amax(dim=1)  # (Q,), as the next
        others = near.masked_fill(right, -torch.inf).amax(dim=1)
        margins.append((best - others).float().cpu())
        answers.append(first_of(near)[:, 0].cpu())
        counts.append((near > -torch.inf).sum(dim=1).cpu())
    yield Judged(
        way="class",
        labels=dataset.labels,
        rank=torch.cat(ranks).numpy(),
        margin=torch.cat(margins).numpy(),
        answer=torch.cat(answers).numpy(),
        candidates=torch.cat(counts).numpy(),
    )


def _compared(model: Encoder, dataset: TestSet) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield, part by part, how near images are to candidates, and which candidates are right.

    These are (Q, R), and (Q, R) bool. Candidates of another group than the image's are infinitely
    far.

    Raises:
        ValueError: no images, or an image without a class.
    """
    known = dataset.labels
    if not len(known) or known.min() < 0 or known.max() >= len(dataset.classes):
        raise ValueError(
            f"dataset {dataset.name!r} is of kind classification: its test split must hold images, "
            f"each with a label from 0 to {len(dataset.classes) - 1}; correct its labels or "
            "classes, or make its kind captions"
        )
    labels = torch.from_numpy(known)
    among = [(dataset.classes, dataset.templates), *dataset.rivals]
    classes = torch.cat([class_embeddings(model, *each) for each in among])  # (R, D)
    images = model.encode_images(dataset.images)  # (N, D)
    right = same_class(dataset)  # (C, R)
    similar = similar_of(model)
    for rows, own in zip(
        torch.split(images, CHUNK_ROWS), torch.split(labels, CHUNK_ROWS), strict=True
    ):
        near = similar(rows, classes)  # (Q, R)
        if dataset.groups is not None:
            groups = torch.from_numpy(dataset.groups)
            apart = groups[own][:, None] != groups[None, :]
            near = near.masked_fill(apart.to(near.device), -torch.inf)
        yield near, right[own].to(near.device)


def _before(near: Tensor, right: Tensor) -> Tensor:
    """Return (Q,) how many candidates come before the best of those that are right."""
    of_own = near.masked_fill(~right, -torch.inf)
    best, place = of_own.max(dim=1, keepdim=True)[0], first_of(of_own)  # (Q, 1) each
    places = torch.arange(near.shape[1], device=near.device)
    return ((near > best) | ((near == best) & (places < place))).sum(dim=1)


def first_of(scores: Tensor) -> Tensor:
    """Return the first index of the largest score of each row, (Q, 1)."""
    largest = scores == scores.amax(dim=1, keepdim=True)
    return largest.int().argmax(dim=1, keepdim=True)


def same_class(dataset: TestSet) -> Tensor:
    """Return which candidates are correct for each class, (C, R) bool.

    Those are the class itself, and rivals of the same name.
    """
    own = list(map(_written, dataset.classes))
    columns = [torch.eye(len(own), dtype=torch.bool)]
    for names, _ in dataset.rivals:
        for name in map(_written, names):
            columns.append(torch.tensor([[known == name] for known in own]))
    return torch.cat(columns, dim=1)


def _written(name: str) -> str:
    """Return a class's name in lower case and without outer spaces, for comparison."""
    return name.strip().casefold()


def class_embeddings(model: Encoder, classes: list[str], templates: list[str]) -> Tensor:
    """Return the classes' text embeddings (C, D), of unit norm.

    A `{}` in a template is replaced by the class; other braces are kept.
    """
    prompts = [template.replace("{}", name) for name in classes for template in templates or ["{}"]]
    texts = functional.normalize(model.encode_texts(prompts), dim=-1)
    of_class = texts.reshape(len(classes), -1, texts.shape[-1])  # (C, T, D)
    return functional.normalize(of_class.mean(dim=1), dim=-1)
