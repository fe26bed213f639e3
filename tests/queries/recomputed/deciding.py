"""Recompute the questions that suggest seeds, and the bootstrap."""

import itertools
import math
import statistics
from itertools import pairwise
from typing import Any

from tests.queries.recomputed.choices import effect
from tests.queries.recomputed.comparisons import at_recipes
from tests.queries.recomputed.facts import (
    SENTENCE,
    UNTOLD,
    Between,
    Facts,
    Row,
    answers,
    grouped,
    less,
    mean,
    named,
)
from tests.queries.recomputed.quantiles import critical_t
from tests.queries.recomputed.seeds import chosen, column, there
from tests.queries.recomputed.states import coverage

SETTING = ("backbone", "stream", "mixture", "recipe", "budget")
LOOKS = [3 * 2**n for n in range(9)]
COVERS = {3: 0.75, 4: 0.8, 5: 0.84, 6: 0.86, 8: 0.89, 10: 0.9, 15: 0.92, 20: 0.93}


@answers
def paired(
    facts: Facts,
    a: str = "finetune",
    b: str = "ema_merge",
    measure: str = "gm",
    recipes: str = "equal",
    validation: str | None = None,
) -> list[Row]:
    rows = []
    for row in at_recipes(facts, measure, recipes, validation):
        if row["method"] in (a, b):
            rows.append(row | {"at_recipe": row["recipe"], "recipe": row["at"]})
    found = []
    for key, alike in grouped(rows, *SETTING, "seed").items():
        of = {row["method"]: row["value"] for row in alike}
        at = {row["method"]: row["at_recipe"] for row in alike}
        difference = less(of.get(a), of.get(b))
        winner = None
        if difference is not None:
            winner = "tie" if difference == 0 else a if difference > 0 else b
        floors = [row["resolution"] for row in alike if row["resolution"] is not None]
        row = named((*SETTING, "seed"), key) | {"difference": difference, "winner": winner}
        row |= {"value_a": of.get(a), "value_b": of.get(b), "resolution": max(floors, default=None)}
        row |= {"recipe_a": at.get(a), "recipe_b": at.get(b)}
        found.append(row | {"chosen_on": chosen_on(alike)})
    return found


def chosen_on(rows: list[Row]) -> str | None:
    """Return the stream that recipes of a setting were chosen on, None where none was."""
    return max((row["chosen_on"] for row in rows if row["chosen_on"]), default=None)


@answers
def decide(
    facts: Facts,
    a: str = "finetune",
    b: str = "ema_merge",
    measure: str = "gm",
    power: float = 0.8,
    recipes: str = "equal",
    validation: str | None = None,
) -> list[Row]:
    found = []
    rows = paired(facts, a, b, measure, recipes, validation)
    for key, alike in grouped(rows, *SETTING).items():
        alike.sort(key=lambda row: row["seed"])
        every = [row["difference"] for row in alike if row["difference"] is not None]
        look = sum(pairs <= len(every) for pairs in LOOKS)
        apart = every[: LOOKS[look - 1]] if look else every
        n, wins, ties = len(apart), sum(d > 0 for d in apart), sum(d == 0 for d in apart)
        row = named(SETTING, key) | {"pairs": len(every), "counted": n, "look": look}
        row |= {"seeds_a": there(alike, "value_a"), "seeds_b": there(alike, "value_b")}
        row |= {"few_seeds": len(every) < 3, "wins": wins, "ties": ties, "losses": n - wins - ties}
        row |= {"win_rate": (wins + ties / 2) / n if n else None, "difference": mean(apart)}
        for side in "ab":
            names = [one[f"recipe_{side}"] for one in alike if one[f"recipe_{side}"]]
            own = names[0] if names else None
            row[f"recipe_{side}"] = own if row["recipe"] == "chosen" else row["recipe"]
        row["chosen_on"] = chosen_on(alike)
        floor = max((one["resolution"] or 0 for one in alike), default=0)
        found.append(row | _decided(apart, len(every), look, floor, power, (a, b)))
    return found


def _decided(
    apart: list[float], pairs: int, look: int, floor: float, power: float, names: tuple[str, str]
) -> Row:
    """Return the interval at a look, the verdict, and what is missing until it is decided."""
    row: Row = {"difference_low": None, "difference_high": None, "verdict": "too few seeds"}
    spread = max(statistics.stdev(apart), floor) if len(apart) > 1 else 0.0
    difference = mean(apart)
    needed = seeds_needed(difference, spread, power) if len(apart) > 1 and difference else None
    more: Any = 3 - pairs
    if look and difference is not None:
        width = critical_t(len(apart) - 1, look) * spread / math.sqrt(len(apart))
        row |= {"difference_low": difference - width, "difference_high": difference + width}
        more = None
        if abs(difference) > width:
            row["verdict"] = f"{names[0 if difference > 0 else 1]} is better"
            more = 0
        else:
            row["verdict"] = "tie"
            if needed is not None:
                more = Near(needed, lambda known: max(known, LOOKS[look]) - pairs)
    untold = isinstance(more, Near) or (more is not None and more > 0)
    row |= {"seeds_needed": None if needed is None else Near(needed), "more_seeds": more}
    return row | {"grid": UNTOLD if untold else None}


class Near:
    """A look that the question reckons by a formula and this by the exact power of the test: the
    same, or a neighbour whose power is within a twentieth of what was asked for."""

    def __init__(self, needed: "Needed", seen: Any = int) -> None:
        self.allowed = {seen(look) for look in needed.looks}

    def __eq__(self, other: object) -> bool:
        return other in self.allowed

    def __repr__(self) -> str:
        return f"one of {sorted(self.allowed)}"

    __hash__ = None  # type: ignore[assignment]


class Needed:
    """The looks that a question may name as the first with enough power."""

    def __init__(self, looks: list[int]) -> None:
        self.looks = looks


def seeds_needed(difference: float, spread: float, power: float) -> Needed | None:
    """Return the looks, up to 768 pairs, of which one is the first with this power; None if none has."""
    looks = []
    for number, pairs in enumerate(LOOKS, 1):
        reached = power_of(pairs, abs(difference), spread, number)
        if reached >= power - 0.05:
            looks.append(pairs)
        if reached >= power + 0.05 or reached > 0.999:
            break
    return Needed(looks) if looks else None


def power_of(n: int, difference: float, spread: float, look: int = 0) -> float:
    """Return the probability that the interval of n normal pairs is above 0, at the level of a look.

    An integral over the spread that is seen, by trapezoids.
    """
    if spread == 0:
        return 1.0
    df, delta = n - 1, difference * math.sqrt(n) / spread
    scale = math.log(2) + (df / 2) * math.log(df / 2) - math.lgamma(df / 2)
    seen = [0.001 + 0.02 * step for step in range(250)]  # in units of the true one
    height = [math.exp(scale + (df - 1) * math.log(s) - df * s * s / 2) for s in seen]
    t = critical_t(df, look)
    found = [0.5 * math.erfc((t * s - delta) / math.sqrt(2)) for s in seen]
    pairs = list(pairwise(h * f for h, f in zip(height, found, strict=True)))
    return sum((x + y) / 2 for x, y in pairs) / sum((x + y) / 2 for x, y in pairwise(height))


@answers
def bootstrap(
    facts: Facts,
    measure: str = "gm",
    resamples: int = 1000,
    stream: str | None = None,
    backbone: str | None = None,
) -> list[Row]:
    """The mean, and where the ends of the interval must lie: near those of a normal one that knows the spread of its seeds."""
    found = []
    for key, rows in facts.cells.items():
        values = [value for value in column(rows, measure) if value is not None]
        if values and chosen(key, stream=stream, backbone=backbone):
            row = named(SENTENCE, key) | {
                "seeds": len(values),
                "few_seeds": len(values) < 3,
                "mean": mean(values),
            }
            ends = resampled(values) if len(values) > 2 else (None, None)
            covers = [share for least, share in COVERS.items() if least <= len(values)]
            row |= {"lowest": ends[0], "highest": ends[1]}
            found.append(row | {"covers": covers[-1] if covers else None})
    return found


def resampled(values: list[float]) -> tuple[Between, Between]:
    """Where the 2.5 and 97.5 percentiles of a thousand means lie, three standard deviations of chance around those of all samples."""
    n = len(values)
    sums: list[
        tuple[float, float]
    ] = []  # of every sample with replacement: its mean, and its probability
    for counts in itertools.product(range(n + 1), repeat=n - 1):
        last = n - sum(counts)
        if last >= 0:
            times = (*counts, last)
            chance = math.factorial(n) / math.prod(math.factorial(k) for k in times) / n**n
            sums.append(
                (math.fsum(k * value for k, value in zip(times, values, strict=True)) / n, chance)
            )
    sums.sort()

    def at(share: float) -> float:
        up_to = list(itertools.accumulate(chance for _, chance in sums))
        return next(
            value
            for (value, _), reached in zip(sums, up_to, strict=True)
            if reached >= share - 1e-12
        )

    return Between(at(0.01), at(0.04)), Between(at(0.96), at(0.99))


@answers
def next_(facts: Facts) -> list[Row]:
    """What to run next; the statements that it suggests are run by a test of their own."""
    found = []

    def suggest(urgency: int, reason: object, key: tuple[Any, ...], grid: object) -> None:
        found.append(named(SENTENCE, key) | {"urgency": urgency, "reason": reason, "grid": grid})

    for row in coverage(facts):
        if row["missing"] + row["failed"]:
            said = f"{row['missing']} to run, {row['failed']} failed of {row['seeds_wanted']} seeds"
            suggest(1, said, tuple(row[word] for word in SENTENCE), None)
    for key, rows in facts.cells.items():
        if len(rows) < 3:
            suggest(2, f"only {len(rows)} seed{'s' * (len(rows) > 1)}", key, UNTOLD)
    for row in effect(facts, "method", "gm", every_look=True):
        if row["verdict"] == "tie" and row["pairs"] >= 3:
            said = (
                f"gm is {row['behind']:.3f} below the best, between {row['behind_low']:.3f} and "
                f"{row['behind_high']:.3f} (look {row['look']}; the next at {LOOKS[row['look']]} pairs)"
            )
            suggest(
                3, said, tuple((row | {"method": row["choice"]})[word] for word in SENTENCE), UNTOLD
            )
    return found
