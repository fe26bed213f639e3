"""How a model retrieves on the line from what the task before deployed to what a task does (linear
mode connectivity of tasks: https://arxiv.org/abs/2010.04495).

    between25_r1, between25_r5, ..., between75_r5   `r1` and `r5` of `evals.retrieval` there

The line and its cost are those of `evals.between`. Measured only where a suite asks for it.
"""

from collections.abc import Iterator

from evals import Encoder, TestSet, retrieval
from evals._on_line import measured, names

KINDS = ("retrieval",)
METRICS = ("r1", "r5")
PROBES = names(METRICS)


def measure(model: Encoder, dataset: TestSet) -> Iterator[tuple[str, float]]:
    """Yield the metrics at each place. `model`, which is the end of the line, is not asked.

    Raises:
        ValueError: the test set comes without a line.
    """
    yield from measured(retrieval.measure, METRICS, dataset)
