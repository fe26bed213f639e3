"""The order of concepts that `runner.order` asks for: the half of it that opens pairs and weights.

As a process it reads a request as JSON from standard input and writes the answer, as JSON, to
standard output: the concepts in their order, and the scores that it came from. A score belongs to a
concept: its zero-shot accuracy among the classes of its dataset, how many captions of a pool hold
its name, the cosine to the concept before it in the chain, or its dataset's year of release. A
random order has none.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evals.zeroshot import class_embeddings
from runner.worker import backbone as backbones
from runner.worker.backbone import Backbone
from runner.worker.datasets import Datasets
from schema.spec import EVERYTHING, Spec
from streams import Pairs, orderings
from streams.formats._files import Files
from streams.formats._shard_pairs import ShardPairs
from streams.orderings import OrderingError
from streams.tasks import Concept

Scores = list[Any]
# A row's place in the order -> its index among the concepts
Order = np.ndarray
# How many captions are read at once
CHUNK = 4096


def arranged(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `concepts` of a request in the order that it asks for, and the `scores` of each.

    Scores are empty where chance alone decided.

    Raises:
        ValueError: what the order needs is not there; says what.
    """
    concepts = [(dataset, concept) for dataset, concept in request["concepts"]]
    order, scores = _ordered(request, concepts)
    if request["reverse"]:
        order = order[::-1]
    return {
        "concepts": [concepts[index] for index in order],
        "scores": [scores[index] for index in order] if scores else [],
    }


def _ordered(request: Mapping[str, Any], concepts: Sequence[Concept]) -> tuple[Order, Scores]:
    """Return an order of concepts, and the score of each concept in the request's own order."""
    by, seed, datasets = request["by"], request["seed"], _datasets(request, concepts)
    if by == "random":
        return orderings.random(concepts, seed), []
    if by in ("time", "dataset"):
        years = [datasets.rows[dataset]["year"] for dataset, _ in concepts]
        arrange = orderings.time if by == "time" else orderings.dataset
        return arrange(concepts, years, seed), years
    if by == "frequency":
        pool = datasets.open(request["pool"])
        counts = mentions(_classes(concepts, by), captions(pool))
        return orderings.frequency(concepts, np.array(counts)), list(counts)
    backbone = backbones.load(request["backbone"], request["weights"], seed, Path(request["data"]))
    if by == "easy_to_hard":
        scores = accuracies(backbone, datasets, concepts, request["pairs"])
        return orderings.easy_to_hard(concepts, np.array(scores)), list(scores)
    embeddings = prompts(backbone, datasets, concepts, _classes(concepts, by))
    if by == "similarity":
        order = orderings.similarity(concepts, embeddings, seed)
    else:
        extreme = orderings.edge_hard if by == "edge_hard" else orderings.edge_easy
        order = extreme(concepts, embeddings, request["tasks"])
    return order, cosines_along(embeddings, order)


def _datasets(request: Mapping[str, Any], concepts: Sequence[Concept]) -> Datasets:
    stream = {
        "datasets": request["datasets"],
        "tasks": request["tasks"],
        "sequence": {"concepts": concepts},
        "suite": {"members": []},
    }
    spec = Spec(
        backbone={},
        stream=stream,
        mixture={},
        method={},
        recipe={},
        budget={},
        seed=request["seed"],
    )
    return Datasets(spec, Path(request["data"]))


def accuracies(
    backbone: Backbone, datasets: Datasets, concepts: Sequence[Concept], pairs: int
) -> list[float]:
    """Return of each concept the fraction of its training images that are given their own class.

    `pairs` images of each are looked at, chosen by chance.

    Raises:
        OrderingError: a dataset has images without a label.
    """
    scores = []
    classes: dict[str, Any] = {}
    numbers = {concept: number for number, concept in enumerate(sorted(concepts))}
    for dataset, concept in concepts:
        row = datasets.rows[dataset]
        ((opened, indices),) = datasets.sources.portions([(dataset, concept)])
        labels = opened.labels[indices]
        if labels.min() < 0:
            raise OrderingError(
                f"easy_to_hard asks for the class of each image, and dataset {dataset!r} has "
                "images without one"
            )
        if dataset not in classes:
            names, templates = list(row["classes"]), list(row["templates"])
            classes[dataset] = class_embeddings(backbone, names, templates)
        # Each concept draws from a generator of its own, so that its score is the same in any set
        rng = np.random.default_rng([datasets.spec.seed, numbers[dataset, concept]])
        chosen = rng.permutation(len(indices))[:pairs]
        images = backbone.encode_images(opened.images(indices[chosen]))
        predicted = (images @ classes[dataset].T).argmax(dim=1).cpu().numpy()
        scores.append(float((predicted == labels[chosen]).mean()))
    return scores


def prompts(
    backbone: Backbone, datasets: Datasets, concepts: Sequence[Concept], classes: Sequence[str]
) -> np.ndarray:
    """Return (N, D) float32 of unit norm: of each class the mean over its dataset's templates."""
    embeddings: dict[Concept, np.ndarray] = {}
    for dataset in sorted({dataset for dataset, _ in concepts}):
        names = [name for (of, _), name in zip(concepts, classes, strict=True) if of == dataset]
        templates = list(datasets.rows[dataset]["templates"])
        rows = class_embeddings(backbone, names, templates).cpu().numpy()
        for name, row in zip(names, rows, strict=True):
            embeddings[dataset, name] = row
    return np.stack([embeddings[concept] for concept in concepts])


def cosines_along(embeddings: np.ndarray, order: Order) -> Scores:
    """Return of each concept, in the order of `embeddings`, the cosine to the one before it.

    The first one in the order has None.
    """
    pairs = embeddings[order[1:]] * embeddings[order[:-1]]
    cosines = np.round(pairs.sum(axis=1).astype(float), orderings.DECIMALS)
    scores: Scores = [None] * len(order)
    for index, cosine in zip(order[1:].tolist(), cosines.tolist(), strict=True):
        scores[index] = cosine
    return scores


def mentions(names: Sequence[str], captions: Iterable[str]) -> list[int]:
    """Return how many captions hold each name, as whole words one after another.

    Upper and lower case are the same.
    """
    phrases = [words(name) for name in names]
    sizes = sorted({len(phrase) for phrase in phrases if phrase})
    counts: Counter[tuple[str, ...]] = Counter()
    for caption in captions:
        spoken = words(caption)
        # A caption counts once for a name, however often it has it
        runs = set[tuple[str, ...]]()
        for size in sizes:
            runs.update(spoken[start : start + size] for start in range(len(spoken) - size + 1))
        counts.update(runs.intersection(phrases))
    return [counts[phrase] for phrase in phrases]


def words(text: str) -> tuple[str, ...]:
    """Return the runs of letters and digits in a text, in lower case."""
    return tuple(re.findall(r"[^\W_]+", text.lower()))


def captions(pairs: Pairs) -> Iterator[str]:
    """Yield every caption of a dataset of files, without reading its images.

    Where captions are made up, one of each pair.
    """
    if isinstance(pairs, Files):
        for item in map(int, pairs.items):
            yield from pairs.source.texts(item)
        return
    if isinstance(pairs, ShardPairs):
        yield from pairs.shards.every_text()
        return
    rng = np.random.default_rng(0)
    for first in range(0, len(pairs), CHUNK):
        yield from pairs.captions(np.arange(first, min(first + CHUNK, len(pairs))), rng)


def _classes(concepts: Sequence[Concept], by: str) -> list[str]:
    """Return the names of classes.

    Raises:
        OrderingError: a concept that is all of a dataset.
    """
    for dataset, concept in concepts:
        if concept == EVERYTHING:
            raise OrderingError(
                f"{by} reads the names of classes, and concept {EVERYTHING} of {dataset!r} is all "
                "of them; use another"
            )
    return [concept for _, concept in concepts]


def main() -> int:
    """Answer one request; returns the exit code, which is 2 where there is no such order.

    Then standard error says why.
    """
    try:
        print(json.dumps(arranged(json.load(sys.stdin))))
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
