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

import numpy as np

from benchmarks.decisions import LEVEL, Array, quantile

# Standard deviations, with that of the noise as 1
DIFFICULTY, OWN = 2.0, 0.7
MOST_SEEDS = 12
POWER = 0.8


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

    def draw(self, rng: np.random.Generator, studies: int, seeds: int) -> Array:
        """Return (studies, seeds, items) int8: right by one method minus right by the other."""
        difficulty = rng.normal(0, DIFFICULTY, (studies, 1, self.items))
        right = []
        for ahead in (self.ahead, 0.0):
            own = rng.normal(0, OWN, (studies, 1, self.items))
            luck = rng.normal(0, self.luck, (studies, seeds, 1))
            noise = rng.standard_normal((studies, seeds, self.items), np.float32)
            right.append(ahead + difficulty + own + luck + noise > 0)
        difference: Array = right[0].astype(np.int8) - right[1].astype(np.int8)
        return difference


def normal(value: float) -> float:
    """Return the standard normal distribution function."""
    return 0.5 * math.erfc(-value / math.sqrt(2))


def intervals(difference: Array) -> dict[str, tuple[Array, Array]]:
    """Return the mean and half width of each study (studies,), by what is taken for a sample."""
    _, seeds, items = difference.shape
    by_seed, by_item = difference.mean(axis=2), difference.mean(axis=1)
    mean = by_seed.mean(axis=1)
    item_variance = by_item.var(axis=1, ddof=1) / items
    halves = {"items": 1.959964 * np.sqrt(item_variance)}
    if seeds > 1:
        seed_variance = by_seed.var(axis=1, ddof=1) / seeds
        halves["seeds"] = quantile(seeds - 1.0, LEVEL) * np.sqrt(seed_variance)
        variance = seed_variance + item_variance
        spread = seed_variance**2 / (seeds - 1) + item_variance**2 / (items - 1)
        # As in SQL, where `student` has whole degrees of freedom
        freedom = np.clip(np.floor(variance**2 / spread), 1, 1000)
        known, which = np.unique(freedom, return_inverse=True)
        t = np.array([quantile(float(df), LEVEL) for df in known])[which]
        halves["both"] = t * np.sqrt(variance)
    return {name: (mean, half) for name, half in halves.items()}


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
        for name, pair in intervals(world.draw(rng, 100, seeds)).items():
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
    print("\n| items | luck of a seed | ahead by | both | seeds alone |\n|--:|--:|--:|--:|--:|")
    for items, luck, ahead in ((1000, 0.03, 0.15), (1000, 0.1, 0.2), (5000, 0.03, 0.07),
                               (5000, 0.1, 0.15)):  # fmt: skip
        world = World(items=items, luck=luck, ahead=ahead)
        needed = seeds_needed(rng, world, studies, ("both", "seeds"))
        print(
            f"| {items} | {luck} | {world.truth:.1%} | {needed['both']} | {needed['seeds']} |",
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
