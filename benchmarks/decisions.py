"""How often comparisons of methods are wrong, and how often they find what is there, by simulation.

    python -m benchmarks.decisions            # the tables of docs/statistics.md, in two minutes
    python -m benchmarks.decisions --critical # the rows of queries/parts/critical.sql

The rules are written here a second time, in numpy over thousands of studies at once: the rule of
`queries/parts/compared.sql` (`moderated`), and the ones that it was chosen over. A test compares it
with the answers of the questions, study by study.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVEL = 0.05
# Of more than two methods the level is a little stricter: pooling believes in spreads that are
# alike, and where some methods share their noise the error of the family would come to 6 %.
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


# ---------------------------------------------------------------- studies


@dataclass(frozen=True, kw_only=True)
class World:
    """How the results of equal methods are spread: `shape` of the noise, and what methods share."""

    name: str
    shape: str = "normal"
    spreads_differ: float = 0.0  # standard deviation of the logarithm of a method's spread
    families: bool = False  # methods fall into three groups, .8 of whose noise is shared


WORLDS = (
    World(name="normal"),
    World(name="exponential", shape="exponential"),
    World(name="spreads differ", spreads_differ=0.5),
    World(name="families", families=True),
)


def drawn(rng: np.random.Generator, world: World, studies: int, methods: int, seeds: int) -> Array:
    """Return (studies, methods, seeds): noise of variance 1, and what a seed does to all alike."""
    size = (studies, methods, seeds)
    noise = rng.standard_normal(size)
    if world.shape == "exponential":
        noise = rng.standard_exponential(size) - 1
    if world.families:
        group = np.arange(methods) // max(2, methods // 3)
        shared = rng.standard_normal(size)[:, group]
        noise = math.sqrt(0.8) * shared + math.sqrt(0.2) * noise
    spreads = np.exp(world.spreads_differ * rng.standard_normal((studies, methods, 1)))
    of_seed: Array = rng.standard_normal((studies, 1, seeds))
    return noise * spreads + of_seed


@dataclass(frozen=True)
class Judged:
    """What a rule says of each study: the best (studies,), and who is behind (studies, methods)."""

    best: NDArray[np.int64]
    behind: NDArray[np.bool_]


def by_pairs(values: Array) -> Judged:
    """Judge each method against the best by a t-test of its own: the rule before."""
    best, ahead, _ = against_best(values)
    seeds = values.shape[2]
    error = np.sqrt(ahead.var(axis=2, ddof=1) / seeds)
    behind = ahead.mean(axis=2) > quantile(seeds - 1, LEVEL) * error
    return Judged(best, behind)


def moderated(values: Array, look: int = 0) -> Judged:
    """Judge by the rule of queries/parts/compared.sql; look: as many times the level is halved."""
    methods, seeds = values.shape[1:]
    best, ahead, noise = against_best(values)
    df = seeds - 1
    of_method = (noise**2).sum(axis=2) / df
    pooled = of_method.sum(axis=1, keepdims=True) / (methods - 1)
    prior = prior_df(of_method, df, methods)[:, None]
    own = ahead.var(axis=2, ddof=1)
    variance = (prior * 2 * pooled + df * own) / (prior + df)
    largest = LARGEST_DF if methods > 2 else float(DF[-1])
    total = np.minimum(np.minimum(prior + df, (methods - 1) * df), largest)
    pairs = methods * (methods - 1) / 2 * (STRICTER if methods > 2 else 1)
    bound = critical(total, math.log2(pairs) + look)
    behind = ahead.mean(axis=2) > bound * np.sqrt(variance / seeds)
    behind[np.arange(len(values)), best] = False
    return Judged(best, behind)


def against_best(values: Array) -> tuple[NDArray[np.int64], Array, Array]:
    """Return the best by mean, by how much it is ahead of each, and noise less method and seed."""
    means = values.mean(axis=2)
    best = means.argmax(axis=1)
    ahead = values[np.arange(len(values)), best][:, None] - values
    centred = values - means[:, :, None]
    return best, ahead, centred - centred.mean(axis=1, keepdims=True)


def prior_df(variances: Array, df: int, methods: int) -> Array:
    """Return of how many degrees of freedom the variances (studies, methods) look (Smyth 2004)."""
    logs = np.log(np.maximum(variances, 1e-30))
    half = df / 2
    by_chance = 1 / half + 1 / (2 * half**2) + 1 / (6 * half**3) - 1 / (30 * half**5)
    excess = logs.var(axis=1, ddof=1) - by_chance
    positive = np.maximum(excess, 1e-9)
    prior = np.where(excess > 0, 2 / positive + 2 / np.sqrt(positive + 4), np.inf)
    smaller: Array = np.minimum(prior, 2 * methods)
    return smaller


RULES: dict[str, Callable[[Array], Judged]] = {"before": by_pairs, "now": moderated}


def family_table(studies: int = 4000, effect: float = 4.0) -> list[str]:
    """Return the error over the family and the power of both rules, as lines of a Markdown table.

    Error: studies of equal methods in which any is called behind. Power: the share of the others
    that are called behind where one method is better by `effect` standard deviations of its noise.
    """
    rng = np.random.default_rng(0)
    lines = [
        "| world | methods | seeds | error before | error now | power before | power now |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for world in WORLDS:
        for methods in (2, 6, 20, 100):
            for seeds in (3, 5, 10):
                count = min(studies, 1_200_000 // (methods * seeds))
                values = drawn(rng, world, count, methods, seeds)
                errors = [rule(values).behind.any(axis=1).mean() for rule in RULES.values()]
                values[:, 0] += effect
                powers = []
                for rule in RULES.values():
                    judged = rule(values)
                    found = judged.behind.sum(axis=1) / (methods - 1) * (judged.best == 0)
                    powers.append(found.mean())
                row = [f"{share:.3f}" for share in errors] + [f"{share:.2f}" for share in powers]
                lines.append(f"| {world.name} | {methods} | {seeds} | {' | '.join(row)} |")
    return lines


def looks_table(studies: int = 20_000) -> list[str]:
    """Return how often two methods are called different by somebody who adds seeds while they tie.

    Before: a 95 % interval at every number of pairs that is looked at. Now: looks at 3, 6, 12, ...
    pairs, at half the level each time (queries/choices/decide.sql).
    """
    rng = np.random.default_rng(0)
    lines = [
        "| better by | rule | by 3 pairs | by 6 | by 12 | by 24 | by 48 |",
        "|--:|---|--:|--:|--:|--:|--:|",
    ]
    looks = [FIRST_LOOK * 2**n for n in range(5)]
    for effect in (0.0, 0.5, 1.0, 2.0):
        apart = rng.standard_normal((studies, looks[-1])) + effect
        for rule in ("before", "now"):
            decided = np.zeros(studies, bool)
            row = []
            for look, pairs in enumerate(looks, 1):
                seen = apart[:, :pairs]
                level = LEVEL if rule == "before" else LEVEL * 2.0**-look
                bound = quantile(pairs - 1, level) * seen.std(axis=1, ddof=1) / math.sqrt(pairs)
                decided |= np.abs(seen.mean(axis=1)) > bound
                row.append(f"{decided.mean():.3f}")
            lines.append(f"| {effect} | {rule} | {' | '.join(row)} |")
    return lines


def bootstrap_table(studies: int = 3000, resamples: int = 1000) -> list[str]:
    """Return how often the bootstrap interval holds the true mean of normal values."""
    rng = np.random.default_rng(0)
    lines = ["| seeds | covers |", "|--:|--:|"]
    for seeds in (3, 4, 5, 6, 8, 10, 15, 20):
        values = rng.standard_normal((studies, seeds))
        places = rng.integers(0, seeds, (resamples, seeds))
        means = np.stack([values[:, row].mean(axis=1) for row in places], axis=1)
        low, high = np.percentile(means, [2.5, 97.5], axis=1)
        lines.append(f"| {seeds} | {((low <= 0) & (high >= 0)).mean():.2f} |")
    return lines


def main(arguments: list[str] | None = None) -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decisions", description=__doc__)
    parser.add_argument("--critical", action="store_true", help="print the rows of critical.sql")
    options = parser.parse_args(arguments)
    if options.critical:
        print(critical_sql())
        return
    for title, lines in (
        ("Comparisons with the best", family_table()),
        ("Looking again", looks_table()),
        ("The bootstrap", bootstrap_table()),
    ):
        print(f"{title}\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
