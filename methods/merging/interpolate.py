"""Weighted averages of weights: EMA-merge over tasks, interpolation with the start, and the mean of all tasks
(https://arxiv.org/abs/2109.01903, https://arxiv.org/abs/2208.05592; over time: https://arxiv.org/abs/2412.06712).

`weight` is the share of what was learned, `1 - weight` of what was there before; `over` says what is averaged:

    running   r_0 = theta_0;  r_i = (1 - weight) r_(i-1) + weight theta_i          EMA-merge
    ends      (1 - weight) theta_0 + weight theta_t                                WiSE-FT, PAINT
    all       (1 - weight) theta_0 + weight mean(theta_1 .. theta_t)               ZS-merge with weight 1; in any order

Memory: two models, however long the history. Averages are kept in float32 at least, and each step is a + w (b - a), so merging
equal weights changes no bit.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from methods import Weights


def merge(history: Sequence[Weights], *, weight: float = 0.5, over: str = "running") -> Weights:
    """New tensors with the keys and dtypes of the last weights; what is not floating point is the last's.

    Raises:
        ValueError: a weight outside [0, 1] or an unknown `over`.
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"interpolate: weight is the share of what was learned, in [0, 1], not {weight}")
    walks = {"running": _running, "ends": _ends, "all": _all}
    if over not in walks:
        raise ValueError(f"interpolate: unknown over {over!r}. Allowed: {', '.join(walks)}.")
    last = history[-1]
    kinds = {name: tensor.dtype for name, tensor in last.items()}
    merged = {name: tensor.clone() for name, tensor in last.items() if not tensor.is_floating_point()}
    del last  # so that no more than two models are held while walking
    average: dict[str, Tensor] = {}
    for weights, share in walks[over](history, weight):
        for name, tensor in weights.items():
            if tensor.is_floating_point():
                wide = tensor.to(torch.promote_types(tensor.dtype, torch.float32))
                average[name] = torch.lerp(average[name], wide, share) if name in average else wide.clone()
    return {name: merged[name] if name in merged else average[name].to(kinds[name]) for name in kinds}


def _running(history: Sequence[Weights], weight: float) -> Iterator[tuple[Weights, float]]:
    """Each weights with the share they take of the average so far; the first share plays no part."""
    for index in range(len(history)):
        yield history[index], weight


def _ends(history: Sequence[Weights], weight: float) -> Iterator[tuple[Weights, float]]:
    yield history[0], weight
    if len(history) > 1:
        yield history[-1], weight


def _all(history: Sequence[Weights], weight: float) -> Iterator[tuple[Weights, float]]:
    """The mean of the tasks step by step, then theta_0 with what is left."""
    for index in range(1, len(history)):
        yield history[index], 1 / index
    yield history[0], 1 - weight
