"""How a model classifies on the line from what the task before deployed to what a task does
(linear mode connectivity: https://arxiv.org/abs/1912.05671; of tasks
https://arxiv.org/abs/2010.04495).

    theta(a) = theta_before + a (theta_now - theta_before)

    between25_top1, between50_top1, between75_top1   `top1` of theta(a), a = 1/4, 1/2, 3/4

Where the line leads over a ridge of the loss, its middle is worse than both ends, and so is an
average of the two. Before the first task, and after a task that moved nothing, the values are those
of the model itself. They cost three more evaluations of the dataset. The question `connectivity`
has the height of the ridge. Measured only where a suite asks for it.
"""

from collections.abc import Iterator

from evals import Encoder, TestSet, zeroshot
from evals._on_line import measured, names

KINDS = ("classification",)
METRICS = ("top1",)
PROBES = names(METRICS)


def measure(model: Encoder, dataset: TestSet) -> Iterator[tuple[str, float]]:
    """Yield the metric at each place. `model`, which is the end of the line, is not asked.

    Raises:
        ValueError: the test set comes without a line.
    """
    yield from measured(zeroshot.measure, METRICS, dataset)
