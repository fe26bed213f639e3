"""The mean of the weights taken once every `every` steps: the weight ensemble of ZSCL
(https://arxiv.org/abs/2303.06628).

    average <- (n average + theta) / (n + 1)      after every `every` steps

n is the number of weights averaged so far, those at the start included. The published interval is
100 steps (10 in class-incremental learning). `restart` false carries the average across tasks.

Memory: one more model on the device; no FLOPs to speak of.
"""


def share(step: int, *, every: int = 100) -> float:
    """Return the share of the new average that the weights after this step take; mostly 0.

    Raises:
        ValueError: an interval below 1.
    """
    if every < 1:
        raise ValueError(f"every is a number of steps, at least 1, not {every}")
    n, rest = divmod(step, every)
    return 0.0 if rest else 1 / (n + 1)
