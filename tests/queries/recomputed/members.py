"""Recompute the summaries over the members of a suite."""

import math
import statistics
from typing import Any

from tests.queries.recomputed.facts import (
    SENTENCE,
    Facts,
    Row,
    answers,
    grouped,
    mean,
    measured,
    named,
)
from tests.queries.recomputed.quantiles import critical_t
from tests.queries.recomputed.seeds import half, t_975

MEMBER = ("dataset", "metric", "label_space")
SETTING = ("backbone", "stream", "mixture", "recipe", "budget", "role")


@answers
def member_values(facts: Facts) -> list[Row]:
    found = []
    for row in measured(facts):
        trial = facts.trials[row["trial"]]
        found.append({word: trial[word] for word in (*SENTENCE, "seed")} | row)
    return found


@answers
def member_ends(facts: Facts) -> list[Row]:
    found = []
    for row in facts.finals:
        trial = facts.trials[row["trial"]]
        if row["task"] == trial["tasks"] and row["role"] in ("adapt", "retain"):
            words = {word: trial[word] for word in (*SENTENCE, "seed")}
            found.append(words | {key: row[key] for key in ("trial", "role", *MEMBER, "value")})
    return found


def middle_half(values: list[float]) -> float:
    """Return the mean of the middle half, values that lie across a quarter in part."""
    n, total = len(values), 0.0
    for place, value in enumerate(sorted(values)):
        total += value * max(0.0, min((place + 1) / n, 0.75) - max(place / n, 0.25))
    return total / 0.5


@answers
def interquartile(facts: Facts) -> list[Row]:
    found = []
    for key, rows in grouped(member_ends(facts), *SENTENCE, "role").items():
        values = [row["value"] for row in rows]
        by_seed = [
            middle_half([row["value"] for row in own]) for own in grouped(rows, "seed").values()
        ]
        middle, width = middle_half(values), half(by_seed)
        row = named((*SENTENCE, "role"), key) | {"seeds": len(by_seed), "values": len(values)}
        row |= {"few_seeds": len(by_seed) < 3, "interquartile_mean": middle, "mean": mean(values)}
        row |= {"median": statistics.median(values), "low": None, "high": None}
        if width is not None:
            row |= {"low": middle - width, "high": middle + width}
        found.append(row)
    return found


@answers
def performance_profile(facts: Facts) -> list[Row]:
    found = []
    for key, rows in grouped(member_ends(facts), *SENTENCE, "role").items():
        seeds = [[row["value"] for row in own] for own in grouped(rows, "seed").values()]
        values = [row["value"] for row in rows]
        for step in range(21):
            level = step / 20
            share = sum(value >= level for value in values) / len(values)
            width = half(sum(value >= level for value in own) / len(own) for own in seeds)
            row = named((*SENTENCE, "role"), key) | {"level": level, "seeds": len(seeds)}
            row |= {"share": share, "few_seeds": len(seeds) < 3, "low": None, "high": None}
            if width is not None:
                row |= {"low": max(0.0, share - width), "high": min(1.0, share + width)}
            found.append(row)
    return found


@answers
def improvement(facts: Facts, reference: str = "finetune", stream: str | None = None) -> list[Row]:
    found = []
    ended = [row for row in member_ends(facts) if stream in (None, row["stream"])]
    for key, rows in grouped(ended, *SETTING).items():
        methods = {name: own for (name,), own in grouped(rows, "method").items()}
        if reference not in methods:
            continue
        other = grouped(methods.pop(reference), "seed")
        for method, own in methods.items():
            shares = {}
            for seed, mine in grouped(own, "seed").items():
                for rival, theirs in other.items():
                    won = wins(mine, theirs)
                    if won:
                        shares[seed, rival] = (statistics.fmean(won), len(won))
            if shares:
                row = named(SETTING, key) | {"method": method}
                found.append(row | _likely(shares))
    return found


def wins(mine: list[Row], theirs: list[Row]) -> list[float]:
    """Return for each member that both have 1 where the first is ahead, 0.5 for a tie, else 0."""
    known = {tuple(row[key] for key in MEMBER): row["value"] for row in theirs}
    found = []
    for row in mine:
        rival = known.get(tuple(row[key] for key in MEMBER))
        if rival is not None:
            found.append(1.0 if row["value"] > rival else 0.5 if row["value"] == rival else 0.0)
    return found


def _likely(shares: dict[tuple[Any, Any], tuple[float, int]]) -> Row:
    """Return the probability of improvement and its interval, from the share of each pair of seeds."""
    own = sorted({seed for seed, _ in shares})
    other = sorted({rival for _, rival in shares})
    probability = statistics.fmean(share for share, _ in shares.values())
    n, m = len(own), len(other)
    row: Row = {"seeds": n, "reference_seeds": m, "few_seeds": min(n, m) < 3}
    row |= {"members": max(count for _, count in shares.values()), "probability": probability}
    row |= {"low": None, "high": None}
    if min(n, m) > 1:
        by_own = [_mean_of(shares, 0, seed) for seed in own]
        by_other = [_mean_of(shares, 1, seed) for seed in other]
        variance = statistics.variance(by_own) / n + statistics.variance(by_other) / m
        width = t_975(min(n, m) - 1) * math.sqrt(variance)
        row |= {"low": max(0.0, probability - width), "high": min(1.0, probability + width)}
    return row


def _mean_of(shares: dict[tuple[Any, Any], tuple[float, int]], side: int, seed: Any) -> float:
    return statistics.fmean(share for key, (share, _) in shares.items() if key[side] == seed)


def shared_ranks(values: dict[str, float]) -> dict[str, float]:
    """Return the place of each, the largest first; equal ones share the mean of their places."""
    found = {}
    for name, value in values.items():
        ahead = sum(other > value for other in values.values())
        same = sum(other == value for other in values.values())
        found[name] = 1 + ahead + (same - 1) / 2
    return found


@answers
def average_ranks(facts: Facts, stream: str | None = None) -> list[Row]:
    found = []
    ended = [row for row in member_ends(facts) if stream in (None, row["stream"])]
    for key, rows in grouped(ended, *SETTING).items():
        methods = {row["method"] for row in rows}
        places: dict[str, list[float]] = {name: [] for name in methods}
        of_seed: dict[tuple[str, Any], list[float]] = {}
        for alike in grouped(rows, *MEMBER).values():
            means = {
                name: statistics.fmean(row["value"] for row in own)
                for (name,), own in grouped(alike, "method").items()
            }
            if means.keys() != methods:
                continue
            for name, place in shared_ranks(means).items():
                places[name].append(place)
            for seed, own in grouped(alike, "seed").items():
                for name, place in shared_ranks({r["method"]: r["value"] for r in own}).items():
                    of_seed.setdefault((name, seed), []).append(place)
        if not any(places.values()):
            continue
        found += _with_difference(named(SETTING, key), places, of_seed)
    return found


def _with_difference(
    setting: Row, places: dict[str, list[float]], of_seed: dict[tuple[str, Any], list[float]]
) -> list[Row]:
    """Return the methods of one setting with their ranks and the critical difference."""
    k, members = len(places), len(next(iter(places.values())))
    best = min(statistics.fmean(own) for own in places.values())
    difference = None
    if k > 1:
        bound = critical_t(1000, math.log2(k * (k - 1) / 2))
        difference = bound * math.sqrt(k * (k + 1) / (6 * members))
    found = []
    for name, own in places.items():
        by_seed = [
            statistics.fmean(ranks) for (method, _), ranks in of_seed.items() if method == name
        ]
        rank, width = statistics.fmean(own), half(by_seed)
        row = setting | {"method": name, "methods": k, "members": members, "seeds": len(by_seed)}
        row |= {"few_seeds": len(by_seed) < 3, "rank": rank, "low": None, "high": None}
        row |= {"critical_difference": difference}
        row["with_best"] = difference is None or rank - best < difference
        if width is not None:
            row |= {"low": rank - width, "high": rank + width}
        found.append(row)
    return found
