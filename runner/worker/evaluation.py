"""Measuring weights on a suite: rows of the tables `result` and `statistic`."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

import evals
from runner.worker.backbone import Backbone
from runner.worker.items import ItemRecord
from runner.worker.suites import among, part_of

Row = dict[str, Any]


class MetricError(ValueError):
    """A suite counts a metric that no evaluation of the dataset's kind yields."""


@dataclass(frozen=True, kw_only=True)
class SuiteTests:
    """A suite with what it is measured on."""

    suite: Mapping[str, Any]
    # By dataset
    tests: Mapping[str, evals.TestSet]
    # Of each dataset the task that brings a class, (C,) int64
    brought: Mapping[str, np.ndarray]
    # Where what became of each item goes; None: the suite does not keep it
    items: ItemRecord | None = None

    def metrics(self) -> dict[tuple[str, str], set[str]]:
        """Return the metrics that the suite counts, by dataset and label space."""
        metrics = defaultdict[tuple[str, str], set[str]](set)
        for member in self.suite["members"]:
            metrics[member["dataset"], member["label_space"]].add(member["metric"])
        return dict(metrics)

    def keep_items(
        self, model: evals.Encoder, seen: evals.TestSet, space: str, places: np.ndarray
    ) -> None:
        """Add what became of the items of a test set, or of a part of it, to the record.

        `seen` is what was measured in a label space, and `places` (n,) says which items of the
        whole test set it has. `model` has the embeddings of the metrics, so that the means of the
        items are the results.
        """
        if self.items is None:
            return
        for judged in evals.judged(model, seen, self.metrics()[seen.name, space]):
            self.items.add(judged, space, self.tests[seen.name], places)


class OtherWeights:
    """The backbone with other weights than those that are measured, as an encoder.

    They are put into the model while it encodes, and taken out again.
    """

    def __init__(self, backbone: Backbone, weights: Mapping[str, torch.Tensor]) -> None:
        self.backbone, self.weights = backbone, weights

    @contextmanager
    def _in_place(self) -> Iterator[Backbone]:
        model = self.backbone.model
        measured = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        model.load_state_dict(dict(self.weights))
        try:
            yield self.backbone
        finally:
            model.load_state_dict(measured)

    def encode_images(self, images: evals.Images) -> torch.Tensor:
        """Return what `Backbone.encode_images` returns for these weights."""
        with self._in_place() as backbone:
            return backbone.encode_images(images)

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        """Return what `Backbone.encode_texts` returns for these weights."""
        with self._in_place() as backbone:
            return backbone.encode_texts(texts)


class Once:
    """An encoder that encodes the same texts, and the images it was given last, only once."""

    def __init__(self, model: evals.Encoder) -> None:
        self.model = model
        self.texts: dict[tuple[str, ...], torch.Tensor] = {}
        self.images: tuple[evals.Images, torch.Tensor] | None = None

    def encode_images(self, images: evals.Images) -> torch.Tensor:
        """Return the embeddings of images, as the model's own method does."""
        if self.images is None or self.images[0] is not images:
            self.images = images, self.model.encode_images(images)
        return self.images[1]

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        """Return the embeddings of texts, as the model's own method does."""
        key = tuple(texts)
        if key not in self.texts:
            self.texts[key] = self.model.encode_texts(texts)
        return self.texts[key]

    def similarities(self, queries: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        """Return (N, M) how near embeddings are to each other, as the model compares them."""
        return evals.similar_of(self.model)(queries, candidates)


def measure_suite(
    backbone: evals.Encoder,
    measured: SuiteTests,
    parts: Sequence[float],
    task: int,
    step: int,
    others: evals.Others | None = None,
) -> list[Row]:
    """Return every metric of every dataset of a suite, in the label spaces that the suite names.

    The weights are those that `backbone` holds: the deployed ones after `step` steps of `task`.
    `parts` are shares of the test sets; a part that is the whole test set is measured once.
    `others` are for probes that compare. Where `measured.items` is a record, what became of each
    item is added to it.

    Raises:
        MetricError: the suite names a metric that no evaluation yields.
    """
    rows: list[Row] = []
    model, compared = Once(backbone), vars(others) if others is not None else {}
    metrics = measured.metrics()
    for name in sorted({dataset for dataset, _ in metrics}):
        test = measured.tests[name]
        spaces = sorted(space for dataset, space in metrics if dataset == name)
        for items in _parts(test, parts):
            whole = len(items) == len(test.labels)
            part = test if whole else test.some(items)
            tests = {**measured.tests, name: part}
            for space in spaces:
                seen = replace(among(space, name, tests, measured.brought), **compared)
                values = dict(evals.measure(model, seen, metrics[name, space]))
                _check_metrics(measured.suite, name, space, values, test.kind)
                measured.keep_items(model, seen, space, items)
                about = {
                    "task": task,
                    "step": step,
                    "dataset": name,
                    "label_space": space,
                    "weights": "deployed",
                    "examples": len(items),
                    "fraction": len(items) / len(test.labels),
                }
                for metric, value in values.items():
                    rows.append(about | {"metric": metric, "value": float(value)})
    return rows


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The outcome of measuring weights on a suite."""

    # Rows of the table `result`
    results: list[Row]
    # What became of each test item; None: the suite does not keep it
    items: ItemRecord | None

    def state(self) -> dict[str, Any]:
        """Return it as the store keeps it for other trials."""
        state: dict[str, Any] = {"results": self.results}
        if self.items is not None:
            state["items"] = self.items.state()
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Evaluation":
        """Return what another trial left in the store."""
        items = None
        if "items" in state:
            items = ItemRecord.from_state(state["items"])
        return cls(results=list(state["results"]), items=items)


def examples_of(rows: Sequence[Row]) -> int:
    """Return how many test items rows of `result` are of, each counted once per part."""
    examples = {(row["dataset"], row["fraction"]): row["examples"] for row in rows}
    return sum(examples.values())


def _parts(test: evals.TestSet, shares: Sequence[float]) -> list[np.ndarray]:
    """Return the items of each share of a test set; of shares that are of one size, one."""
    parts: dict[int, np.ndarray] = {}
    for share in shares:
        items = part_of(test, share)
        parts[len(items)] = items
    return list(parts.values())


def _check_metrics(
    suite: Mapping[str, Any], name: str, label_space: str, values: Mapping[str, float], kind: str
) -> None:
    for member in suite["members"]:
        if (member["dataset"], member["label_space"]) != (name, label_space):
            continue
        if member["metric"] not in values:
            raise MetricError(
                f"suite {suite['name']!r}: metric {member['metric']!r} of {name!r} ({kind}) is not "
                f"measured; measured are {', '.join(values) or 'none'}"
            )


def drift(
    weights: Mapping[str, torch.Tensor], initial: Mapping[str, torch.Tensor], task: int
) -> list[Row]:
    """Return rows of `statistic`: how far weights are from the untouched backbone.

    `drift_l2` is the Euclidean distance, of all weights and of either tower's.
    """
    squares = {"all": 0.0, "image": 0.0, "text": 0.0}
    for name, tensor in weights.items():
        if tensor.is_floating_point():
            square = float((tensor.double().cpu() - initial[name].double().cpu()).square().sum())
            squares["all"] += square
            squares["image" if name.startswith("visual.") else "text"] += square
    rows = []
    for part, square in squares.items():
        rows.append({"task": task, "name": "drift_l2", "part": part, "value": square**0.5})
    return rows
