"""Do intervals that take seeds and test items for samples cover, and how many seeds do they need?

`python -m benchmarks.items cover` calls this. A model of method m and seed s answers item i rightly
where mu_m + difficulty_i + own_mi + luck_ms + noise_msi > 0, all of them normal, so that the true
difference of two methods over all seeds and items there could be is known: Phi(mu_a / w) - Phi(mu_b
/ w), with w the root of the sum of the variances. Beside the interval of `paired_items` stand those
that take either for a sample alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import duckdb
import numpy as np

from schema.views import install_some

Array = np.ndarray

# Standard deviations, with that of the noise as 1
DIFFICULTY, OWN = 2.0, 0.7
# The two-sided 95 % quantile of the normal distribution
NORMAL = 1.959964
MOST_SEEDS = 12
POWER = 0.8
# Items, luck of a seed, and how far ahead one method is, in probits
AHEAD = ((1000, 0.03, 0.15), (1000, 0.1, 0.25), (5000, 0.03, 0.08), (5000, 0.1, 0.2))


@dataclass(frozen=True, kw_only=True)
class World:
    """Two methods, and how their models come out."""

    items: int
    # How much the luck of a seed moves a whole model
    luck: float
    # In probits; 0: the methods are equally good
    ahead: float = 0.0

    @property
    def width(self) -> float:
        """Return the standard deviation of what decides an answer."""
        return math.sqrt(1 + DIFFICULTY**2 + OWN**2 + self.luck**2)

    @property
    def truth(self) -> float:
        """Return the difference of the methods over all seeds and items."""
        return normal(self.ahead / self.width) - normal(0)

    def draw(self, rng: np.random.Generator, studies: int, seeds: int) -> tuple[Array, Array]:
        """Return (studies, seeds, items) int8: whether each method's models were right."""
        difficulty = rng.normal(0, DIFFICULTY, (studies, 1, self.items))
        right = []
        for ahead in (self.ahead, 0.0):
            own = rng.normal(0, OWN, (studies, 1, self.items))
            luck = rng.normal(0, self.luck, (studies, seeds, 1))
            noise = rng.standard_normal((studies, seeds, self.items), np.float32)
            right.append(ahead + difficulty + own + luck + noise > 0)
        return right[0].astype(np.int8), right[1].astype(np.int8)


def normal(value: float) -> float:
    """Return the standard normal distribution function."""
    return 0.5 * math.erfc(-value / math.sqrt(2))


@cache
def student() -> Array:
    """Return (1000,) what the question `student` says of 1 to 1000 degrees of freedom."""
    with duckdb.connect(":memory:") as connection:
        install_some(connection, ["student"])
        rows = connection.execute("SELECT t FROM student ORDER BY df").fetchall()
    return np.array([t for (t,) in rows])


def intervals(a: Array, b: Array) -> dict[str, tuple[Array, Array]]:
    """Return the mean difference and half width of each study (studies,), by what is respected.

    `a` and `b` are (studies, seeds, items): whether each method's models were right. `both` is the
    interval of `paired_items`, `seeds` and `items` take one of the two for a sample, and `apart`
    takes both, but of each method by itself.
    """
    seeds = a.shape[1]
    mean = (a.mean(axis=(1, 2)) - b.mean(axis=(1, 2))).astype(float)
    of_seeds, of_items = variances(a - b)
    squares = {"items": NORMAL**2 * of_items}
    if seeds > 1:
        t = student()[seeds - 2]
        squares["seeds"] = t**2 * of_seeds
        squares["both"] = t**2 * of_seeds + NORMAL**2 * of_items
        alone = [variances(a), variances(b)]
        pooled = student()[2 * (seeds - 1) - 1]
        squares["apart"] = pooled**2 * (alone[0][0] + alone[1][0])
        squares["apart"] = squares["apart"] + NORMAL**2 * (alone[0][1] + alone[1][1])
    return {name: (mean, np.sqrt(square)) for name, square in squares.items()}


def variances(values: Array) -> tuple[Array, Array]:
    """Return the variances of the mean of (studies, seeds, items), from seeds and from items."""
    _, seeds, items = values.shape
    of_items = values.mean(axis=1).var(axis=1, ddof=1) / items
    if seeds == 1:
        return np.zeros(len(values)), of_items
    return values.mean(axis=2).var(axis=1, ddof=1) / seeds, of_items


def covered(
    rng: np.random.Generator, world: World, studies: int, seeds: int
) -> dict[str, tuple[float, float]]:
    """Return how often each interval holds the truth, and its mean half width."""
    answers = {}
    for name, (mean, half) in _in_parts(rng, world, studies, seeds).items():
        holds = np.abs(mean - world.truth) <= half
        answers[name] = float(holds.mean()), float(half.mean())
    return answers


def power(rng: np.random.Generator, world: World, studies: int, seeds: int) -> dict[str, float]:
    """Return how often each interval says which method is ahead."""
    answers = {}
    for name, (mean, half) in _in_parts(rng, world, studies, seeds).items():
        answers[name] = float((mean > half).mean())
    return answers


def _in_parts(
    rng: np.random.Generator, world: World, studies: int, seeds: int
) -> dict[str, tuple[Array, Array]]:
    """Return the intervals of all studies, which are drawn a hundred at a time."""
    parts: dict[str, list[tuple[Array, Array]]] = {}
    for _ in range(0, studies, 100):
        for name, pair in intervals(*world.draw(rng, 100, seeds)).items():
            parts.setdefault(name, []).append(pair)
    joined = {}
    for name, pairs in parts.items():
        joined[name] = (
            np.concatenate([mean for mean, _ in pairs]),
            np.concatenate([half for _, half in pairs]),
        )
    return joined


def cover(studies: int) -> None:
    """Print the tables of docs/items.md."""
    rng = np.random.default_rng(0)
    print("| items | luck of a seed | seeds | both | seeds alone | items alone |")
    print("|--:|--:|--:|--:|--:|--:|")
    for items in (300, 1000, 5000):
        for luck in (0.0, 0.03, 0.1, 0.3):
            for seeds in (2, 3, 5):
                answers = covered(rng, World(items=items, luck=luck), studies, seeds)
                words = [f"{answers[name][0]:.1%}" for name in ("both", "seeds", "items")]
                print(f"| {items} | {luck} | {seeds} | {' | '.join(words)} |", flush=True)
    print("\n| items | luck of a seed | ahead by | paired | not paired |\n|--:|--:|--:|--:|--:|")
    for items, luck, ahead in AHEAD:
        world = World(items=items, luck=luck, ahead=ahead)
        needed = seeds_needed(rng, world, studies, ("both", "apart"))
        print(
            f"| {items} | {luck} | {world.truth:.1%} | {needed['both']} | {needed['apart']} |",
            flush=True,
        )


def seeds_needed(
    rng: np.random.Generator, world: World, studies: int, names: Sequence[str]
) -> dict[str, str]:
    """Return the fewest seeds with which each interval finds who is ahead in 80 % of studies."""
    needed: dict[str, str] = {}
    for seeds in range(2, MOST_SEEDS + 1):
        found = power(rng, world, studies, seeds)
        for name in names:
            if name not in needed and found[name] >= POWER:
                needed[name] = str(seeds)
        if len(needed) == len(names):
            break
    return {name: needed.get(name, f"more than {MOST_SEEDS}") for name in names}
