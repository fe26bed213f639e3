"""The plain mean of the weights at every so many steps: the weight ensemble of ZSCL
(https://arxiv.org/abs/2303.06628).

    average <- (n average + theta) / (n + 1)      after every `every` steps

n counts what is averaged so far, the weights at the start among them. The published interval is 100
steps (10 in class-incremental learning). `restart` false carries the average across tasks.

Memory: one more model on the device; no FLOPs to speak of.
"""


def share(step: int, *, every: int = 100) -> float:
    """Return the share of the weights after a step, which is 0 between the intervals.

    Raises:
        ValueError: an interval below 1.
    """
    if every < 1:
        raise ValueError(f"every is a number of steps, at least 1, not {every}")
    n, rest = divmod(step, every)
    return 0.0 if rest else 1 / (n + 1)
