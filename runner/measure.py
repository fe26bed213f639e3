"""Measuring weights on a suite: rows of `result`, and of `statistic` for what can be read off the weights themselves."""

from collections.abc import Mapping
from typing import Any

import torch

import evals
from runner.backbone import Backbone
from streams import Pairs

Row = dict[str, Any]


class MetricError(ValueError):
    """A suite counts a metric that no evaluation of the dataset's kind yields."""


def load_test(dataset: Mapping[str, Any], pairs: Pairs) -> evals.TestSet:
    """A dataset's test split as the evaluations take it, its first caption per image."""
    import numpy as np

    every = np.arange(len(pairs))
    return evals.TestSet(
        name=dataset["name"],
        kind=dataset["kind"],
        classes=list(dataset["classes"]),
        templates=list(dataset["templates"]),
        images=pairs.images(every),
        labels=pairs.labels,
        captions=pairs.captions(every, np.random.default_rng(0)),
    )


def measure_suite(
    backbone: Backbone, suite: Mapping[str, Any], tests: Mapping[str, evals.TestSet], task: int, step: int
) -> list[Row]:
    """Every metric of every dataset of the suite, for the weights that `backbone` holds (the deployed ones).

    Raises:
        MetricError: the suite names a metric that is not among them.
    """
    rows = []
    for name in sorted({member["dataset"] for member in suite["members"]}):
        values = dict(evals.measure(backbone, tests[name]))
        for member in suite["members"]:
            if member["dataset"] == name and member["metric"] not in values:
                raise MetricError(
                    f"suite {suite['name']!r}: metric {member['metric']!r} of {name!r} ({tests[name].kind}) is not measured; "
                    f"measured are {', '.join(values) or 'none'}"
                )
        about = {"task": task, "step": step, "dataset": name, "label_space": "all", "weights": "deployed"}
        rows += [
            about | {"metric": metric, "value": float(value), "examples": len(tests[name].labels), "fraction": 1.0}
            for metric, value in values.items()
        ]
    return rows


def drift(weights: Mapping[str, torch.Tensor], initial: Mapping[str, torch.Tensor], task: int) -> list[Row]:
    """`drift_l2`: the euclidean distance of weights from the untouched backbone, of all, image tower and text tower."""
    squares = {"all": 0.0, "image": 0.0, "text": 0.0}
    for name, tensor in weights.items():
        if tensor.is_floating_point():
            square = float((tensor.double().cpu() - initial[name].double().cpu()).square().sum())
            squares["all"] += square
            squares["image" if name.startswith("visual.") else "text"] += square
    return [{"task": task, "name": "drift_l2", "part": part, "value": square**0.5} for part, square in squares.items()]
