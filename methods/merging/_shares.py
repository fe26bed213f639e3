"""Weighted averages over a history, computed one model at a time.

Each model is taken into the average so far with a share in [0, 1]; the first share is not used.
Where no share depends on how many models are still to come, the average has a running form.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate

from torch import Tensor

from methods import Weights
from methods.foldings import Folding, Parts
from methods.merging._vectors import counted

# How the share of the i-th model grows with i, from 1; `exp` is relative to the newest of n
GROWTH: dict[str, Callable[[int, int], float]] = {
    "uniform": lambda i, n: 1.0,
    "log": lambda i, n: math.log1p(i),
    "sqrt": lambda i, n: math.sqrt(i),
    "linear": lambda i, n: i,
    "quadratic": lambda i, n: i**2,
    "cubic": lambda i, n: i**3,
    "exp": lambda i, n: math.exp(i - n),
}
REVERSE = "reverse_"
SHARES = (*GROWTH, *(f"{REVERSE}{name}" for name in GROWTH if name != "uniform"))

# Interpolates between two tensors: (first, second, the share of the second)
Between = Callable[[Tensor, Tensor, float], Tensor]


def averaging(
    between: Between, weight: float | None, shares: str | None, initial: bool
) -> Folding | None:
    """Return the running form of an average, or None for reversed shares, which it has none for.

    Raises:
        ValueError: both `weight` and `shares`, a weight outside [0, 1], or unknown shares.
    """
    _check(weight, shares)
    if shares is None:
        newest = 0.5 if weight is None else weight
        take = partial(_take_newest, between, initial)
        return Folding(take=take, finish=partial(_finish_newest, between, newest))
    if shares.startswith(REVERSE):
        return None
    take = partial(_take_share, between, shares, initial)
    return Folding(take=take, finish=_finish_share)


def average(between: Between, history: Sequence[Weights], shares: str, initial: bool) -> Weights:
    """Return the average of a whole history by reversed shares, the oldest taking the most.

    Raises:
        ValueError: unknown shares.
    """
    _check(None, shares)
    first = 0 if initial else 1
    averaged: dict[str, Tensor] = {}
    for index, share in enumerate(_reversed_shares(len(history) - first, shares), first):
        averaged = _between(between, averaged, history[index], share)
    return averaged


def _check(weight: float | None, shares: str | None) -> None:
    if weight is not None and shares is not None:
        raise ValueError(
            f"weight ({weight}) and shares ({shares!r}) are two ways to say the same; leave one out"
        )
    if weight is not None and not 0 <= weight <= 1:
        raise ValueError(f"weight is the share of the newest, in [0, 1], not {weight}")
    if shares is not None and shares not in SHARES:
        raise ValueError(f"unknown shares {shares!r}. Allowed: {', '.join(SHARES)}.")


def _between(
    between: Between, averaged: dict[str, Tensor], weights: Weights, share: float
) -> dict[str, Tensor]:
    """Return an average with one more model taken in; the first is copied."""
    if not averaged:
        return {name: tensor.clone() for name, tensor in weights.items()}
    return {name: between(averaged[name], tensor, share) for name, tensor in weights.items()}


def _take_newest(
    between: Between, initial: bool, parts: Parts, start: Weights, weights: Weights
) -> Parts:
    """Take in one model, keeping the newest apart from the mean of those before it."""
    earlier = counted(parts) - 1
    if "newest" in parts:
        # One model more where theta_0 takes part as the first
        place = earlier + 1 if initial else earlier
        before = parts.get("mean", dict(start) if initial else {})
        parts["mean"] = _between(between, before, parts["newest"], 1 / place)
    parts["newest"] = {name: tensor.clone() for name, tensor in weights.items()}
    return parts


def _finish_newest(between: Between, weight: float, parts: Parts, start: Weights) -> Weights:
    # The first model has only the untouched backbone to be averaged with
    before = parts.get("mean", start)
    return {name: between(before[name], parts["newest"][name], weight) for name in start}


def _take_share(
    between: Between, shares: str, initial: bool, parts: Parts, start: Weights, weights: Weights
) -> Parts:
    """Take one model into the average so far; its share follows from its place alone."""
    place = counted(parts) + int(initial)
    averaged = parts.get("average", {})
    if initial and not averaged:
        averaged = {name: tensor.clone() for name, tensor in start.items()}
    grown = [GROWTH[shares](i, place) for i in range(1, place + 1)]
    parts["average"] = _between(between, averaged, weights, grown[-1] / sum(grown))
    return parts


def _finish_share(parts: Parts, start: Weights) -> Weights:
    return {name: parts["average"][name].clone() for name in start}


def _reversed_shares(count: int, name: str) -> list[float]:
    """Return the share that each of `count` models takes of the average up to it, oldest first."""
    growth = GROWTH[name.removeprefix(REVERSE)]
    grown = [growth(i, count) for i in range(count, 0, -1)]
    shares = []
    for share, total in zip(grown, accumulate(grown), strict=True):
        shares.append(share / total if total else 1.0)
    return shares
