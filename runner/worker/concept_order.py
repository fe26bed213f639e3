"""The order of concepts that `runner.order` asks for, with the scores it came from: the half of it that opens pairs and weights.

Reads a request as JSON from standard input and writes the answer, as JSON, to standard output. A score belongs to a concept:
its zero-shot accuracy among the classes of its dataset, how many captions of a pool hold its name, the cosine to the concept
before it in the chain, or its dataset's year of release; a random order has none.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evals.zeroshot import class_embeddings
from runner.worker import backbone as backbones
from runner.worker.backbone import Backbone
from runner.worker.datasets import Desk
from schema.spec import EVERYTHING, Spec
from streams import Pairs, orderings
from streams.formats._files import Files
from streams.orderings import OrderingError
from streams.tasks import Concept

Scores = list[Any]
CHUNK = 4096  # captions asked for at once


def arranged(said: dict[str, Any]) -> dict[str, Any]:
    """`concepts` in the order asked for, and the `scores` of each, empty where chance alone decided.

    Raises:
        ValueError: what the order needs is not there; says what.
    """
    concepts = [(dataset, concept) for dataset, concept in said["concepts"]]
    stream = {
        "datasets": said["datasets"],
        "tasks": said["tasks"],
        "sequence": {"concepts": concepts},
        "suite": {"members": []},
    }
    desk = Desk(Spec({}, stream, {}, {}, {}, {}, said["seed"]), Path(said["data"]))
    by, seed = said["by"], said["seed"]
    scores: Scores = []
    if by == "random":
        order = orderings.random(concepts, seed)
    elif by in ("time", "dataset"):
        scores = [desk.rows[dataset]["year"] for dataset, _ in concepts]
        order = (orderings.time if by == "time" else orderings.dataset)(concepts, scores, seed)
    elif by == "frequency":
        scores = mentions(_classes(concepts, by), spoken(desk.open(said["pool"])))
        order = orderings.frequency(concepts, np.array(scores))
    else:
        backbone = backbones.load(said["backbone"], said["weights"], seed, Path(said["data"]))
        if by == "easy_to_hard":
            scores = accuracies(backbone, desk, concepts, said["pairs"])
            order = orderings.easy_to_hard(concepts, np.array(scores))
        else:
            embeddings = prompts(backbone, desk, concepts, _classes(concepts, by))
            order = orderings.similarity(concepts, embeddings, seed)
            scores = along(embeddings, order)
    order = order[::-1] if said["reverse"] else order
    return {
        "concepts": [concepts[n] for n in order],
        "scores": [scores[n] for n in order] if scores else [],
    }


def accuracies(
    backbone: Backbone, desk: Desk, concepts: Sequence[Concept], pairs: int
) -> list[float]:
    """Of each concept: the fraction of its training images, `pairs` of them by chance, given their own class.

    Raises:
        OrderingError: images without a label.
    """
    found, classes = [], {}
    numbers = {concept: number for number, concept in enumerate(sorted(concepts))}
    for dataset, concept in concepts:
        row, ((opened, indices),) = desk.rows[dataset], desk.portions([(dataset, concept)])
        if (labels := opened.labels[indices]).min() < 0:
            raise OrderingError(
                f"easy_to_hard asks for the class of each image, and dataset {dataset!r} has images without one"
            )
        if dataset not in classes:
            classes[dataset] = class_embeddings(
                backbone, list(row["classes"]), list(row["templates"])
            )
        chosen = np.random.default_rng([desk.spec.seed, numbers[dataset, concept]]).permutation(
            len(indices)
        )[:pairs]
        named = (
            backbone.encode_images(opened.images(indices[chosen])) @ classes[dataset].T
        ).argmax(dim=1)
        found.append(float((named.cpu().numpy() == labels[chosen]).mean()))
    return found


def prompts(
    backbone: Backbone, desk: Desk, concepts: Sequence[Concept], classes: Sequence[str]
) -> np.ndarray:
    """(N, D) float32 of unit norm: the mean over its dataset's templates of each class."""
    found: dict[Concept, np.ndarray] = {}
    for dataset in sorted({dataset for dataset, _ in concepts}):
        own = [name for (of, _), name in zip(concepts, classes, strict=True) if of == dataset]
        rows = class_embeddings(backbone, own, list(desk.rows[dataset]["templates"])).cpu().numpy()
        found |= {(dataset, name): row for name, row in zip(own, rows, strict=True)}
    return np.stack([found[concept] for concept in concepts])


def along(embeddings: np.ndarray, order: np.ndarray) -> Scores:
    """The cosine of each concept to the one before it in the order; None for the first. By concept, not by place."""
    cosines = np.round(
        (embeddings[order[1:]] * embeddings[order[:-1]]).sum(axis=1).astype(float),
        orderings.DECIMALS,
    )
    scores: Scores = [None] * len(order)
    for place, cosine in zip(order[1:].tolist(), cosines.tolist(), strict=True):
        scores[place] = cosine
    return scores


def mentions(names: Sequence[str], captions: Iterable[str]) -> list[int]:
    """How many captions hold each name, as whole words one after another, whatever their case."""
    phrases = [words(name) for name in names]
    wanted, lengths = set(phrases), sorted({len(phrase) for phrase in phrases if phrase})
    counts: Counter[tuple[str, ...]] = Counter()
    for caption in captions:
        said = words(caption)
        counts.update(
            {said[n : n + size] for size in lengths for n in range(len(said) - size + 1)} & wanted
        )
    return [counts[phrase] for phrase in phrases]


def words(text: str) -> tuple[str, ...]:
    """Letters and digits, in lower case; what is between them parts words."""
    return tuple(re.findall(r"[^\W_]+", text.lower()))


def spoken(pairs: Pairs) -> Iterator[str]:
    """Every caption of a dataset of files, without reading its images; one of each pair where captions are made up."""
    if isinstance(pairs, Files):
        for item in pairs.items.tolist():
            yield from pairs.source.texts(item)
        return
    rng = np.random.default_rng(0)
    for first in range(0, len(pairs), CHUNK):
        yield from pairs.captions(np.arange(first, min(first + CHUNK, len(pairs))), rng)


def _classes(concepts: Sequence[Concept], by: str) -> list[str]:
    """The names of classes.

    Raises:
        OrderingError: a concept that is all of a dataset.
    """
    for dataset, concept in concepts:
        if concept == EVERYTHING:
            raise OrderingError(
                f"{by} reads the names of classes, and concept {EVERYTHING} of {dataset!r} is all of them; use another"
            )
    return [concept for _, concept in concepts]


def main() -> int:
    """Exit code 0; 2 when there is no such order (the message says why)."""
    try:
        print(json.dumps(arranged(json.load(sys.stdin))))
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
