"""Measuring weights on a suite: rows of `result`, and of `statistic` for what can be read off the weights themselves."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

import evals
from evals import fewshot
from runner.worker.backbone import Backbone
from streams import Pairs

Row = dict[str, Any]
LEAST_IMAGES, LEAST_OF_A_CLASS = (
    300,
    2,
)  # of a part of a test set; those of FoMo-in-Flux, arXiv 2408.14471


class MetricError(ValueError):
    """A suite counts a metric that no evaluation of the dataset's kind yields."""


def load_test(dataset: Mapping[str, Any], pairs: Pairs) -> evals.TestSet:
    """A dataset's test split as the evaluations take it, its first caption per image."""
    every = np.arange(len(pairs))
    several = dataset["kind"] == "retrieval" and hasattr(pairs, "every_caption")
    return evals.TestSet(
        name=dataset["name"],
        kind=dataset["kind"],
        classes=list(dataset["classes"]),
        templates=list(dataset["templates"]),
        images=pairs.images(every),
        labels=pairs.labels,
        captions=pairs.captions(every, np.random.default_rng(0)),
        every_caption=pairs.every_caption() if several else None,
    )


def load_shots(dataset: Mapping[str, Any], pairs: Pairs) -> evals.TestSet:
    """The training pairs that `fewshot` learns from: of each class the first by a hash of name and place alone."""
    ranked, taken, seen = hashed(dataset["name"], len(pairs.labels)), list[int](), Counter[int]()
    for place in ranked.tolist():
        label = int(pairs.labels[place])
        if label >= 0 and seen[label] < max(fewshot.SHOTS):
            seen[label] += 1
            taken.append(place)
    chosen = np.array(taken, np.int64)
    return evals.TestSet(
        dataset["name"],
        dataset["kind"],
        list(dataset["classes"]),
        [],
        pairs.images(chosen),
        pairs.labels[chosen],
        [],
    )


def hashed(name: str, count: int) -> np.ndarray:
    """(N,) the places of a dataset in an order that its name alone decides, the same for every trial and machine."""
    drawn = [
        hashlib.blake2b(f"{name}/{place}".encode(), digest_size=8).digest()
        for place in range(count)
    ]
    return np.array(sorted(range(count), key=drawn.__getitem__), np.int64)


class Untouched:
    """The backbone before its first task, as an encoder: its weights are put into the model while it encodes, and taken out."""

    def __init__(self, backbone: Backbone, initial: Mapping[str, torch.Tensor]) -> None:
        self.backbone, self.initial = backbone, initial

    @contextmanager
    def _in_place(self) -> Iterator[Backbone]:
        model = self.backbone.model
        updated = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        model.load_state_dict(dict(self.initial))
        try:
            yield self.backbone
        finally:
            model.load_state_dict(updated)

    def encode_images(self, images: np.ndarray) -> torch.Tensor:
        """As the backbone's own."""
        with self._in_place() as backbone:
            return backbone.encode_images(images)

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        """As the backbone's own."""
        with self._in_place() as backbone:
            return backbone.encode_texts(texts)


class Once:
    """An encoder that encodes the same texts, and the images it was given last, only once."""

    def __init__(self, model: evals.Encoder) -> None:
        self.model = model
        self.texts: dict[tuple[str, ...], torch.Tensor] = {}
        self.images: tuple[np.ndarray, torch.Tensor] | None = None

    def encode_images(self, images: np.ndarray) -> torch.Tensor:
        """As the encoder's own."""
        if self.images is None or self.images[0] is not images:
            self.images = images, self.model.encode_images(images)
        return self.images[1]

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        """As the encoder's own."""
        key = tuple(texts)
        if key not in self.texts:
            self.texts[key] = self.model.encode_texts(texts)
        return self.texts[key]


def among(
    label_space: str,
    name: str,
    tests: Mapping[str, evals.TestSet],
    brought: Mapping[str, np.ndarray],
) -> evals.TestSet:
    """A test set whose candidates are those of a label space: `all` classes of the dataset, those of the image's `task`, or the
    `union` of all classification datasets of the suite. `brought`: of each dataset, (C,) the task that brings a class."""
    test = tests[name]
    if label_space == "task":
        return replace(test, groups=brought[name])
    if label_space == "union":
        others = [
            other
            for key, other in sorted(tests.items())
            if key != name and other.kind == "classification"
        ]
        return replace(test, rivals=[(other.classes, other.templates) for other in others])
    return test


def part_of(test: evals.TestSet, share: float) -> np.ndarray:
    """(n,) ascending places of a share of a test set: at least 300 images, and two of each class where it has two.

    Which ones is decided by a hash of the dataset's name and the place alone, so it is the same for every trial and machine.
    """
    count = len(test.labels)
    wanted = max(LEAST_IMAGES, math.ceil(share * count - 1e-9))
    if share >= 1 or wanted >= count:
        return np.arange(count)
    order = hashed(test.name, count)
    seen: Counter[int] = Counter()
    first = []  # whether a place is one of the first of its class, in the order of the hash
    for label in test.labels[order].tolist():
        seen[label] += label >= 0
        first.append(0 < seen[label] <= LEAST_OF_A_CLASS)
    ranked = order[np.argsort(~np.array(first), kind="stable")]
    return np.sort(ranked[: max(wanted, sum(first))])


def shares(suite: Mapping[str, Any], task: int, tasks: int) -> tuple[float, ...]:
    """Which shares of its test sets a suite measures after a task: all at the ends and, where it has a `subset`, that after every
    task, the ends too, so that there is something to compare it with."""
    subset = float(suite.get("subset", 1.0))
    return ((1.0,) if subset == 1 or task in (0, tasks) else ()) + ((subset,) if subset < 1 else ())


def measure_suite(
    backbone: evals.Encoder,
    suite: Mapping[str, Any],
    tests: Mapping[str, evals.TestSet],
    brought: Mapping[str, np.ndarray],
    parts: Sequence[float],
    task: int,
    step: int,
    untouched: evals.Encoder | None = None,
) -> list[Row]:
    """Every metric of every dataset of the suite, in the label spaces that the suite names and on these parts of the test sets,
    for the weights that `backbone` holds (the deployed ones). A part that is the whole test set is measured once. `untouched` is
    what an index was made with.

    Raises:
        MetricError: the suite names a metric that is not among them.
    """
    rows: list[Row] = []
    model = Once(backbone)
    asked = defaultdict[tuple[str, str], set[str]](set)
    for member in suite["members"]:
        asked[member["dataset"], member["label_space"]].add(member["metric"])
    spaces = sorted(asked)
    for name in sorted({dataset for dataset, _ in spaces}):
        for items in {
            len(some): some for some in (part_of(tests[name], share) for share in parts)
        }.values():
            whole = len(items) == len(tests[name].labels)
            test = tests[name] if whole else tests[name].some(items)
            for label_space in [space for dataset, space in spaces if dataset == name]:
                seen_by = replace(
                    among(label_space, name, {**tests, name: test}, brought), untouched=untouched
                )
                values = dict(evals.measure(model, seen_by, asked[name, label_space]))
                _check_metrics(suite, name, label_space, values, test.kind)
                about = {
                    "task": task,
                    "step": step,
                    "dataset": name,
                    "label_space": label_space,
                    "weights": "deployed",
                }
                size = {"examples": len(items), "fraction": len(items) / len(tests[name].labels)}
                rows += [
                    about | {"metric": metric, "value": float(value)} | size
                    for metric, value in values.items()
                ]
    return rows


def _check_metrics(
    suite: Mapping[str, Any], name: str, label_space: str, values: Mapping[str, float], kind: str
) -> None:
    for member in suite["members"]:
        if (member["dataset"], member["label_space"]) == (name, label_space) and member[
            "metric"
        ] not in values:
            raise MetricError(
                f"suite {suite['name']!r}: metric {member['metric']!r} of {name!r} ({kind}) is not measured; "
                f"measured are {', '.join(values) or 'none'}"
            )


def drift(
    weights: Mapping[str, torch.Tensor], initial: Mapping[str, torch.Tensor], task: int
) -> list[Row]:
    """`drift_l2`: the euclidean distance of weights from the untouched backbone, of all, image tower and text tower."""
    squares = {"all": 0.0, "image": 0.0, "text": 0.0}
    for name, tensor in weights.items():
        if tensor.is_floating_point():
            square = float((tensor.double().cpu() - initial[name].double().cpu()).square().sum())
            squares["all"] += square
            squares["image" if name.startswith("visual.") else "text"] += square
    return [
        {"task": task, "name": "drift_l2", "part": part, "value": square**0.5}
        for part, square in squares.items()
    ]
