"""Averages as walks over a history: each weights with the share they take of the average so far.

The first share plays no part.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from methods import Weights

# How the share of the i-th of n grows, i from 1
GROWTH: dict[str, Callable[[int, int], float]] = {
    "uniform": lambda i, n: 1.0,
    "log": lambda i, n: math.log1p(i),
    "sqrt": lambda i, n: math.sqrt(i),
    "linear": lambda i, n: i,
    "quadratic": lambda i, n: i**2,
    "cubic": lambda i, n: i**3,
    "exp": lambda i, n: math.exp(i - n),
}
SHARES = (*GROWTH, *(f"reverse_{name}" for name in GROWTH if name != "uniform"))


def walk(
    history: Sequence[Weights], weight: float | None, shares: str | None, initial: bool
) -> Iterator[tuple[Weights, float]]:
    """Yield what is averaged of a history, in order, each with its share.

    Raises:
        ValueError: both `weight` and `shares`, a weight outside [0, 1], or unknown shares.
    """
    if weight is not None and shares is not None:
        raise ValueError(
            f"weight ({weight}) and shares ({shares!r}) are two ways to say the same; leave one out"
        )
    if weight is not None and not 0 <= weight <= 1:
        raise ValueError(f"weight is the share of the newest, in [0, 1], not {weight}")
    if shares is not None and shares not in SHARES:
        raise ValueError(f"unknown shares {shares!r}. Allowed: {', '.join(SHARES)}.")
    # Before a single one there is nothing but the untouched backbone to average with
    alone = shares is None and len(history) == 2
    first = 0 if initial or alone else 1
    newest = 0.5 if weight is None else weight
    for index, share in enumerate(_shares(len(history) - first, newest, shares), first):
        yield history[index], share


def _shares(count: int, weight: float, name: str | None) -> list[float]:
    """Return the share that each of `count` takes of the average up to it."""
    if name is None:
        return [1 / i for i in range(1, count)] + [weight]
    growth = GROWTH[name.removeprefix("reverse_")]
    grown = [growth(i, count) for i in range(1, count + 1)]
    if name.startswith("reverse_"):
        grown.reverse()
    shares = []
    for share, total in zip(grown, accumulate(grown), strict=True):
        shares.append(share / total if total else 1.0)
    return shares
