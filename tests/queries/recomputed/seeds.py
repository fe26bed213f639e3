"""Over seeds: means with their t-intervals, ranks, trades."""

import math
import statistics
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from tests.queries.recomputed.facts import (
    MEASURES,
    SENTENCE,
    UNTOLD,
    Between,
    Facts,
    Row,
    answers,
    grouped,
    mean,
    named,
)
from tests.queries.recomputed.states import wanted_seeds


@cache
def t_975(df: int) -> float:
    """The 97.5 % quantile of Student's t, up to 30 with the 3 decimals of the printed tables."""
    return round(exactly(df), 3) if df <= 30 else exactly(df)


@cache
def exactly(df: int) -> float:
    """That quantile, by halving where the probability is below.

    The probability between -t and t is a finite sum for whole degrees of freedom (Abramowitz and Stegun, 26.7.3 and 26.7.4).
    """

    def between(t: float) -> float:
        angle = math.atan(t / math.sqrt(df))
        cosine, sine, term, terms = math.cos(angle), math.sin(angle), 1.0, 0.0
        if df % 2 == 0:
            for k in range(df // 2):
                terms += term
                term *= cosine**2 * (2 * k + 1) / (2 * k + 2)
            return sine * terms
        for k in range((df - 1) // 2):
            terms += term * cosine
            term *= cosine**2 * (2 * k + 2) / (2 * k + 3)
        return 2 / math.pi * (angle + sine * terms)

    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if between(middle) < 0.95 else (low, middle)
    return low


def half(values: Iterable[float | None]) -> float | None:
    """Half the width of the 95 % interval of the mean of those that are there; None below two."""
    there = [value for value in values if value is not None]
    n = len(there)
    return t_975(n - 1) * statistics.stdev(there) / math.sqrt(n) if n > 1 else None


def deviation(values: Iterable[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return statistics.stdev(there) if len(there) > 1 else None


def interval(
    values: Iterable[float | None], name: str, low: str = "{}_low", high: str = "{}_high"
) -> Row:
    """The mean and the ends of its interval, as columns."""
    values = list(values)
    middle, width = mean(values), half(values)
    ends = (None, None) if middle is None or width is None else (middle - width, middle + width)
    return {name: middle, low.format(name): ends[0], high.format(name): ends[1]}


def column(rows: list[Row], measure: str) -> list[float | None]:
    return [row[measure] for row in rows]


def there(rows: list[Row], measure: str) -> int:
    return sum(row[measure] is not None for row in rows)


def gflops(rows: list[Row]) -> float:
    return float(mean(row["spent_flops"] for row in rows) or 0) / 1e9


def chosen(key: tuple[Any, ...], **words: str | None) -> bool:
    """Whether a sentence has the words that are asked for."""
    said = named(SENTENCE, key)
    return all(value is None or said[word] == value for word, value in words.items())


def places(values: list[float | None], most_first: bool = True) -> list[int | None]:
    """The rank of each among all, equal ones alike; None where there is none."""
    known = [value for value in values if value is not None]
    better = (lambda a, b: a > b + 1e-12) if most_first else (lambda a, b: a < b - 1e-12)
    return [
        None if value is None else 1 + sum(better(other, value) for other in known)
        for value in values
    ]


@answers
def cells(facts: Facts) -> list[Row]:
    found = []
    for key, rows in facts.cells.items():
        row = named(SENTENCE, key) | {"seeds": len(rows), "gflops": gflops(rows)}
        for measure in MEASURES:
            values = column(rows, measure)
            row |= {measure: mean(values), f"{measure}_seeds": there(rows, measure)}
            row |= {f"{measure}_deviation": deviation(values), f"{measure}_half": half(values)}
        found.append(row)
    return found


@answers
def spread(facts: Facts) -> list[Row]:
    found = []
    for key, rows in facts.cells.items():
        for measure in MEASURES:
            values, n = column(rows, measure), there(rows, measure)
            if n:
                row = named(SENTENCE, key) | {
                    "measure": measure,
                    "seeds": n,
                    "gflops": gflops(rows),
                    "deviation": deviation(values),
                }
                found.append(row | interval(values, "mean", "low", "high"))
    return found


@answers
def student(facts: Facts) -> list[Row]:
    """As good as the table is: 3 decimals, then 5; beyond 60 every fiftieth."""
    known = {
        df: Between(exactly(df), exactly(df), 5e-4 if df <= 30 else 5e-6)
        for df in (*range(1, 61), *range(100, 1001, 50))
    }
    return [{"df": df, "t": known.get(df, UNTOLD)} for df in range(1, 1001)]


def _wanted(facts: Facts, **words: str | None) -> Iterator[tuple[tuple[Any, ...], int, list[Row]]]:
    """Every cell of these words that is wanted, with how many seeds are, and what its trials ended with."""
    for key, wanted in wanted_seeds(facts).items():
        if chosen(key, **words):
            yield key, wanted, facts.cells.get(key, [])


@answers
def retention_at_budget(
    facts: Facts,
    budget: str | None = None,
    stream: str | None = None,
    backbone: str | None = None,
    recipe: str | None = None,
) -> list[Row]:
    found = []
    for key, wanted, rows in _wanted(
        facts, budget=budget, stream=stream, backbone=backbone, recipe=recipe
    ):
        n = there(rows, "zs_ratio")
        row = named(SENTENCE, key) | {"seeds": n, "seeds_wanted": wanted, "few_seeds": n < 3}
        for measure in ("zs_ratio", "a_zs", "a_ka", "gm"):
            row |= interval(column(rows, measure), measure)
        found.append(row)
    for alike in grouped(found, "backbone", "stream", "budget").values():
        for row, place in zip(alike, places(column(alike, "zs_ratio")), strict=True):
            row["rank"] = place
    return found


@answers
def comparison(
    facts: Facts,
    budget: str | None = None,
    stream: str | None = None,
    backbone: str | None = None,
    recipe: str | None = None,
) -> list[Row]:
    found = []
    for key, wanted, rows in _wanted(
        facts, budget=budget, stream=stream, backbone=backbone, recipe=recipe
    ):
        n = min((k for k in (there(rows, "d_ka"), there(rows, "d_zs")) if k), default=0)
        row = named(SENTENCE, key) | {"seeds": n, "seeds_wanted": wanted, "few_seeds": n < 3}
        row |= interval(column(rows, "d_ka"), "ka_gain")
        row |= interval([None if d is None else -d for d in column(rows, "d_zs")], "zs_loss")
        found.append(row)
    for alike in grouped(found, "backbone", "stream", "budget").values():
        known = [row for row in alike if row["ka_gain"] is not None and row["zs_loss"] is not None]
        for row in alike:
            row["best_trade"] = (
                not any(_better(o, row, "zs_loss") for o in known) if row in known else None
            )
    return found


def _better(other: Row, row: Row, *costs: str) -> bool:
    """Gains at least as much and costs at most as much, and one of them strictly."""
    pairs = [(row["ka_gain"], other["ka_gain"]), *((other[cost], row[cost]) for cost in costs)]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


@answers
def trade_off(facts: Facts, stream: str | None = None, backbone: str | None = None) -> list[Row]:
    found = []
    for key, rows in facts.cells.items():
        both = [row for row in rows if row["d_ka"] is not None and row["d_zs"] is not None]
        if both and chosen(key, stream=stream, backbone=backbone):
            row = named(SENTENCE, key) | {
                "seeds": len(both),
                "few_seeds": len(both) < 3,
                "gflops": gflops(both),
            }
            found.append(
                row
                | {
                    "ka_gain": mean(column(both, "d_ka")),
                    "zs_loss": -(mean(column(both, "d_zs")) or 0),
                }
            )
    for alike in grouped(found, "backbone", "stream").values():
        for row in alike:
            beating = [other for other in alike if _better(other, row, "zs_loss", "gflops")]
            first = max(beating, key=lambda o: (o["ka_gain"], _name(o)), default=None)
            row |= {"pareto": first is None, "beaten_by": first and _name(first)}
    return found


def _name(row: Row) -> str:
    return " / ".join(row[word] for word in ("method", "mixture", "recipe", "budget"))


@answers
def cheapest(
    facts: Facts,
    min_gain: float = 0.1,
    max_loss: float = 0.01,
    stream: str | None = None,
    backbone: str | None = None,
) -> list[Row]:
    found = []
    for key, rows in facts.cells.items():
        n = min(there(rows, "d_ka"), there(rows, "d_zs"))
        if not n or not chosen(key, stream=stream, backbone=backbone):
            continue
        row = named(SENTENCE, key) | {"seeds": n, "few_seeds": n < 3, "gflops": gflops(rows)}
        row |= interval(column(rows, "d_ka"), "ka_gain")
        row |= interval([None if d is None else -d for d in column(rows, "d_zs")], "zs_loss")
        if row["ka_gain"] < min_gain or row["zs_loss"] > max_loss:
            continue
        ends = row["ka_gain_low"], row["zs_loss_high"]
        found.append(
            row | {"sure": None not in ends and ends[0] >= min_gain and ends[1] <= max_loss}
        )
    for alike in grouped(found, "backbone", "stream").values():
        order = sorted(
            alike,
            key=lambda r: [r[name] for name in ("gflops", "method", "mixture", "recipe", "budget")],
        )
        for place, row in enumerate(order, 1):
            row["place"] = place
    return found


@answers
def bigger(facts: Facts, measure: str = "gm") -> list[Row]:
    met = [row for row in spread(facts) if row["measure"] == measure]
    for alike in grouped(met, "stream", "mixture", "method", "recipe").values():
        for row in alike:
            row["pareto"] = not any(
                o["gflops"] <= row["gflops"]
                and o["mean"] >= row["mean"]
                and (o["gflops"] < row["gflops"] or o["mean"] > row["mean"])
                for o in alike
            )
    columns = (*SENTENCE, "gflops", "seeds", "mean", "pareto")
    return [
        {c: row[c] for c in columns}
        | {"few_seeds": row["seeds"] < 3, "mean_low": row["low"], "mean_high": row["high"]}
        for row in met
    ]


@answers
def course(facts: Facts) -> list[Row]:
    found = []
    for key, rows in grouped(facts.path, *SENTENCE, "task").items():
        row = named((*SENTENCE, "task"), key) | {
            "tasks": rows[0]["tasks"],
            "seeds": len(rows),
            "spent_gflops": gflops(rows),
        }
        row |= {
            name: mean(column(rows, name))
            for name in ("spent_s", "spent_steps", "spent_pairs", "d_ka", "d_zs")
        }
        for measure in ("a_ka", "a_zs", "gm", "zs_ratio"):
            row |= interval(column(rows, measure), measure)
        found.append(row)
    return found
