"""How often comparisons of methods are wrong, and how often they find what is there, by simulation.

    python -m benchmarks.decisions            # the tables of docs/statistics.md, in two minutes
    python -m benchmarks.decisions --critical # the rows of queries/parts/critical.sql

The rules are written here a second time, in numpy over thousands of studies at once: the rule of
`queries/parts/compared.sql` (`moderated`), and the ones that it was chosen over. A test compares it
with the answers of the questions, study by study.
"""

import argparse
import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVEL = 0.05
# Of more than two methods the level is a little stricter: pooling believes in spreads that are alike,
# and where some methods share their noise the error of the family would come to 6 %.
STRICTER = 1.25
LARGEST_DF = 40.0
HALVINGS = 32
PER_LINE = 7
DF = (1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 20, 25, 30, 40, 60, 120, 1000)
FIRST_LOOK = 3


# ---------------------------------------------------------------- quantiles


@cache
def tail(df: float) -> tuple[Array, Array]:
    """Return points t > 0 and the probability that |t| of Student's distribution is above each.

    The density is integrated over log t by trapezoids, from the far end, where it is small.
    """
    farthest = 40.0 if df < 3 else 25.0
    log_t = np.linspace(math.log(1e-3), farthest, 1_000_001)
    scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    height = np.exp(scale - (df + 1) / 2 * np.log1p(np.exp(2 * log_t) / df) + log_t)
    pieces = (height[1:] + height[:-1]) / 2 * np.diff(log_t)
    beyond = np.append(np.cumsum(pieces[::-1])[::-1], 0.0)
    return np.exp(log_t), 2 * beyond


def quantile(df: float, level: float) -> float:
    """Return t such that |t| is above it with probability `level`."""
    points, beyond = tail(df)
    there = beyond > 0
    log_beyond = np.log(beyond[there])[::-1]
    return float(np.exp(np.interp(math.log(level), log_beyond, np.log(points[there])[::-1])))


@cache
def table() -> Array:
    """Return (len(DF), HALVINGS) quantiles at levels 0.05, 0.025, 0.0125, ..."""
    rows = [[quantile(df, LEVEL * 2.0**-h) for h in range(HALVINGS)] for df in DF]
    return np.array(rows)


def critical(df: Array, halvings: float) -> Array:
    """Return the quantile from the table: the next lower df, log-linear between two levels."""
    row = np.searchsorted(DF, df, side="right") - 1
    whole = math.floor(halvings)
    part = halvings - whole
    logs = np.log(table()[row][..., whole : whole + 2])
    mixed: Array = np.exp((1 - part) * logs[..., 0] + part * logs[..., 1])
    return mixed


def critical_sql() -> str:
    """Return the lines of the table for queries/parts/critical.sql, none above 100 characters."""
    lines = []
    for df, row in zip(DF, table(), strict=True):
        lines.append(f"        {{'df': {float(df)}, 't': [")
        numbers = [f"{t:.5g}" for t in row]
        for start in range(0, HALVINGS, PER_LINE):
            comma = "," if start + PER_LINE < HALVINGS else ""
            lines.append("            " + ", ".join(numbers[start : start + PER_LINE]) + comma)
        lines.append("        ]}," if df != DF[-1] else "        ]}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decisions", description=__doc__)
    parser.add_argument("--critical", action="store_true", help="print the rows of critical.sql")
    options = parser.parse_args(arguments)
    if options.critical:
        print(critical_sql())


if __name__ == "__main__":
    main()
