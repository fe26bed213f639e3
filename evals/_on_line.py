"""Measuring models on the line from what the task before deployed to what a task does."""

from collections.abc import Callable, Iterator

from evals import Encoder, TestSet

# The names of the places on the line, each with its share of the way
PLACES = {"between25": 0.25, "between50": 0.5, "between75": 0.75}

Evaluation = Callable[[Encoder, TestSet], Iterator[tuple[str, float]]]


def names(metrics: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of some metrics at each place on the line."""
    return tuple(f"{place}_{metric}" for place in PLACES for metric in metrics)


def measured(
    evaluation: Evaluation, metrics: tuple[str, ...], dataset: TestSet
) -> Iterator[tuple[str, float]]:
    """Yield some metrics of an evaluation at each place on the line, named as `names` says.

    Raises:
        ValueError: the test set comes without a line.
    """
    if dataset.between is None:
        raise ValueError(
            f"dataset {dataset.name!r}: {names(metrics)[0]} is measured on the line from the "
            "weights that the task before deployed, and none was given"
        )
    for place, share in PLACES.items():
        values = dict(evaluation(dataset.between(share), dataset))
        for metric in metrics:
            yield f"{place}_{metric}", values[metric]
