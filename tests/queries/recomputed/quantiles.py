"""Recompute the table of quantiles: by the incomplete beta function, not by integrating the density."""

import math
from functools import cache

from tests.queries.recomputed.facts import Facts, Row, answers

DF = (1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 20, 25, 30, 40, 60, 120, 1000)


@cache
def beyond(t: float, df: float) -> float:
    """Return the probability that |t| is above this: the incomplete beta function, by its
    continued fraction (Abramowitz and Stegun 26.5.8, evaluated by Lentz's method)."""
    a, b = df / 2, 0.5
    x = df / (df + t * t)
    if x > (a + 1) / (a + b + 2):
        return 1 - _fraction(b, a, 1 - x)
    return _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    beta = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(beta + a * math.log(x) + b * math.log1p(-x)) / a
    value, numerator, denominator = 1.0, 1.0, 0.0
    for step in range(400):
        k = step // 2
        if step == 0:
            term = 1.0
        elif step % 2 == 0:
            term = k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k))
        else:
            term = -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1))
        denominator = 1 / (1 + term * denominator)
        numerator = 1 + term / numerator
        value *= numerator * denominator
        if abs(numerator * denominator - 1) < 1e-15:
            break
    return front * (value - 1)


@cache
def printed(df: float, halvings: int) -> float:
    """Return the quantile at level 0.05 / 2 ** halvings, with the five digits of the table."""
    level, low, high = 0.05 * 2.0**-halvings, 1e-3, 1e13
    for _ in range(120):
        middle = math.sqrt(low * high)
        if beyond(middle, df) > level:
            low = middle
        else:
            high = middle
    return float(f"{low:.5g}")


def critical_t(df: float, halvings: float) -> float:
    """Return the quantile for the next lower df of the table, between two levels."""
    row = max(known for known in DF if known <= df)
    whole = math.floor(halvings)
    part = halvings - whole
    return float(printed(row, whole) ** (1 - part) * printed(row, whole + 1) ** part)


@answers
def critical(facts: Facts) -> list[Row]:
    found = []
    for place, df in enumerate(DF):
        for halvings in range(31):
            found.append(
                {
                    "df": float(df),
                    "next_df": float(DF[place + 1]) if place + 1 < len(DF) else math.inf,
                    "halvings": halvings,
                    "t": printed(df, halvings),
                    "next_t": printed(df, halvings + 1),
                }
            )
    return found
