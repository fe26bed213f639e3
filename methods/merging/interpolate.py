"""Weighted averages of weights: EMA-merge over tasks, interpolation with the start, and means of
all tasks (https://arxiv.org/abs/2109.01903, https://arxiv.org/abs/2208.05592; over time:
https://arxiv.org/abs/2412.06712).

    weight    the newest takes `weight`, those before it share the rest evenly; before a single one
              is theta_0 (default 0.5)
    shares    instead, theta_i takes a share that grows with its place i of n, over the sum of all
              shares: uniform 1, log ln(1 + i), sqrt, linear i, quadratic, cubic, exp e^i; with
              reverse_linear and the like the oldest takes the most
    initial   true: theta_0 takes part as the first of them

So over `running` it is r_t = (1 - weight) r_(t-1) + weight theta_t, EMA-merge; over `ends` it is
(1 - weight) theta_0 + weight theta_t, WiSE-FT and PAINT; over `all` with shares uniform it is the
mean of all tasks, in any order.

Memory: four models beside theta_0 and theta_t, however long the history; FLOPs: negligible. The
running form is the average; with `weight`, it is the newest model and the mean of those before it.
Reversed shares have none, as each share shrinks with every task. Each step is a + w (b - a), so
merging equal weights changes no bit.
"""

from collections.abc import Sequence

import torch

from methods import Weights
from methods.foldings import Folding
from methods.merging._shares import average, averaging


def merge(
    history: Sequence[Weights],
    *,
    weight: float | None = None,
    shares: str | None = None,
    initial: bool = False,
) -> Weights:
    """Return the weighted average of the history.

    Raises:
        ValueError: both `weight` and `shares`, a weight outside [0, 1], or unknown shares.
    """
    running = averaging(torch.lerp, weight, shares, initial)
    if running is not None:
        return running.merge(history)
    assert shares is not None
    return average(torch.lerp, history, shares, initial)


def folding(
    *, weight: float | None = None, shares: str | None = None, initial: bool = False
) -> Folding | None:
    """Return the running form, or None for reversed shares, which shrink with every task.

    Raises:
        ValueError: as `merge`.
    """
    return averaging(torch.lerp, weight, shares, initial)
