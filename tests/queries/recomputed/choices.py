"""One choice against another: paired by seed, everything else equal."""

import bisect
import itertools
import math
import statistics
from itertools import pairwise
from typing import Any

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
from tests.queries.recomputed.seeds import chosen, column, gflops, interval, places, t_975, there
from tests.queries.recomputed.states import coverage, states

CHOICE = {"ordering": "sequence", "tasks": "tasks"}


def paired_with(best: list[Row], rows: list[Row], measure: str) -> list[float]:
    """By how much the best is ahead, of each seed that both have."""
    of_seed = {row["seed"]: row[measure] for row in best}
    behind = [less(of_seed.get(row["seed"]), row[measure]) for row in rows]
    return [value for value in behind if value is not None]


def judged(behind: list[float], is_best: bool) -> Row:
    """The mean of what one is behind, its interval and the verdict."""
    if is_best:
        return {
            "pairs": 0,
            "behind": None,
            "behind_low": None,
            "behind_high": None,
            "verdict": "best",
        }
    row = {"pairs": len(behind)} | interval(behind, "behind")
    low, high = row["behind_low"], row["behind_high"]
    said = (
        "too few seeds" if low is None else "behind" if low > 0 else "ahead" if high < 0 else "tie"
    )
    return row | {"verdict": said}


@answers
def effect(
    facts: Facts, axis: str = "method", measure: str = "gm", among: str | None = None
) -> list[Row]:
    allowed = None if among is None else set(among.split(","))
    ends = []
    for row in facts.ends:
        trial = facts.trials[row["trial"]]
        choice = str(trial[CHOICE.get(axis, axis)])
        words = {word: "*" if word == axis else row[word] for word in SENTENCE}
        if axis == "stream":
            words["stream"] = f"any stream, {trial['suite']}"
        elif axis == "ordering":
            words["stream"] = f"{trial['tasks']} tasks of any order, {trial['suite']}"
        elif axis == "tasks":
            words["stream"] = f"{trial['sequence']} in any tasks, {trial['suite']}"
        if row[measure] is not None and (allowed is None or choice in allowed):
            ends.append(row | words | {"choice": choice})
    found = []
    for key, alike in grouped(ends, *SENTENCE).items():
        choices = {choice: rows for (choice,), rows in grouped(alike, "choice").items()}
        best = min(
            choices, key=lambda name: (-round(mean(column(choices[name], measure)) or 0, 12), name)
        )
        for name, rows in choices.items():
            row = named(SENTENCE, key) | {
                "choice": name,
                "others": len(choices) - 1,
                "seeds": len(rows),
                "gflops": gflops(rows),
            }
            row |= {"few_seeds": len(rows) < 3} | interval(column(rows, measure), "mean")
            row |= judged(paired_with(choices[best], rows, measure), name == best)
            found.append(row if len(choices) > 1 else row | {"verdict": "nothing to compare with"})
    return found


def along(
    facts: Facts,
    axis: str,
    measure: str,
    shown: tuple[str, ...],
    hidden: str,
    among: set[str] | None = None,
) -> list[Row]:
    """`effect` along an axis with words of the choice, and without the column of the sentence that the axis takes the place of."""
    table = facts.by_name(CHOICE.get(axis, axis))
    found = []
    for row in effect(
        facts, axis=axis, measure=measure, among=None if among is None else ",".join(sorted(among))
    ):
        choice = row.pop("choice")
        kept = {name: value for name, value in row.items() if name != hidden}
        found.append(
            kept | {CHOICE.get(axis, axis): choice} | {name: table[choice][name] for name in shown}
        )
    return found


def without(rows: list[Row], *columns: str) -> list[Row]:
    return [{name: value for name, value in row.items() if name not in columns} for row in rows]


@answers
def ordering(facts: Facts, measure: str = "gm") -> list[Row]:
    found = []
    for row in without(effect(facts, axis="ordering", measure=measure), "gflops"):
        sequence = facts.by_name("sequence")[row["choice"]]
        more = {
            "sequence": row.pop("choice"),
            "ordering": sequence["ordering"],
            "ordering_seed": sequence["seed"],
        }
        found.append(row | more)
    for alike in grouped(found, *SENTENCE).values():
        means = [row["mean"] for row in alike]
        for row in alike:
            row["spread_of_orders"] = statistics.stdev(means) if len(means) > 1 else None
    return found


@answers
def granularity(facts: Facts, measure: str = "gm") -> list[Row]:
    rows = without(effect(facts, axis="tasks", measure=measure), "gflops")
    return [without([row | {"tasks": int(row["choice"])}], "choice")[0] for row in rows]


@answers
def replay(facts: Facts, measure: str = "gm") -> list[Row]:
    shares = (
        "update_share",
        "buffer_share",
        "pretraining_share",
        "pretraining_dataset",
        "buffer_pairs",
        "buffer_policy",
        "selection",
    )
    return without(along(facts, "mixture", measure, shares, "mixture"), "gflops")


@answers
def schedule(facts: Facts, measure: str = "gm") -> list[Row]:
    words = ("schedule", "schedule_params", "optimizer", "lr", "batch_pairs")
    return without(along(facts, "recipe", measure, words, "recipe"), "gflops")


@answers
def merge_enough(facts: Facts, measure: str = "gm") -> list[Row]:
    full = {row["name"] for row in facts["method"] if row["tuning"] == "full"}
    return along(
        facts, "method", measure, ("merging", "objective", "start", "deploy"), "method", full
    )


@answers
def peft_or_full(facts: Facts, measure: str = "gm") -> list[Row]:
    plain = {
        row["name"]
        for row in facts["method"]
        if row["merging"] == "none" and row["objective"] == "contrastive"
    }
    return along(facts, "method", measure, ("tuning", "tuning_params"), "method", plain)


@answers
def ranked(facts: Facts, measure: str = "zs_ratio", **words: str | None) -> list[Row]:
    parts = {name: words.pop(name, None) for name in ("tuning", "objective", "merging", "study")}
    ends = {row["trial"]: row for row in facts.ends}
    found, values = [], {}
    wanted = [
        row
        for row in states(facts)
        if row["state"] != "withdrawn" and _has_parts(facts, row, parts)
    ]
    for key, trials in grouped(wanted, *SENTENCE).items():
        if not chosen(key, **words):
            continue
        values[key] = [
            ends[row["trial"]]
            for row in trials
            if ends.get(row["trial"], {}).get(measure) is not None
        ]
        n = len(values[key])
        row = named(SENTENCE, key) | {
            "seeds": n,
            "seeds_wanted": len(trials),
            "missing": len(trials) - n,
            "few_seeds": n < 3,
        }
        found.append(row | interval(column(values[key], measure), "mean", "low", "high"))
    for alike in grouped(found, "backbone", "stream", "budget").values():
        order = sorted(
            alike, key=lambda r: (-(r["mean"] or -9), r["method"], r["mixture"], r["recipe"])
        )
        best = tuple(order[0][word] for word in SENTENCE)
        for row, place in zip(alike, places(column(alike, "mean")), strict=True):
            key = tuple(row[word] for word in SENTENCE)
            row |= {"rank": place} | judged(
                paired_with(values[best], values[key], measure), key == best
            )
            if place is None:
                row["verdict"] = None
    return found


def _has_parts(facts: Facts, row: Row, parts: Row) -> bool:
    method = facts.by_name("method")[row["method"]]
    if parts["study"] is not None and row["study"] != parts["study"]:
        return False
    if parts["objective"] is not None and parts["objective"] not in method["objective"].split("+"):
        return False
    return all(parts[name] is None or method[name] == parts[name] for name in ("tuning", "merging"))


@answers
def paired(
    facts: Facts, a: str = "finetune", b: str = "ema_merge", measure: str = "gm"
) -> list[Row]:
    found = []
    rest = ("backbone", "stream", "mixture", "recipe", "budget", "seed")
    for key, rows in grouped([row for row in facts.ends if row["method"] in (a, b)], *rest).items():
        of = {row["method"]: row[measure] for row in rows}
        difference = less(of.get(a), of.get(b))
        winner = (
            None if difference is None else "tie" if difference == 0 else a if difference > 0 else b
        )
        found.append(
            named(rest, key)
            | {
                "value_a": of.get(a),
                "value_b": of.get(b),
                "difference": difference,
                "winner": winner,
            }
        )
    return found


@answers
def decide(
    facts: Facts, a: str = "finetune", b: str = "ema_merge", measure: str = "gm", power: float = 0.8
) -> list[Row]:
    found = []
    rest = ("backbone", "stream", "mixture", "recipe", "budget")
    for key, rows in grouped(paired(facts, a, b, measure), *rest).items():
        apart = [row["difference"] for row in rows if row["difference"] is not None]
        n, wins = len(apart), sum(d > 0 for d in apart)
        ties = sum(d == 0 for d in apart)
        row = named(rest, key) | {
            "seeds_a": there(rows, "value_a"),
            "seeds_b": there(rows, "value_b"),
            "pairs": n,
            "few_seeds": n < 3,
        }
        row |= interval(apart, "difference")
        row |= {
            "wins": wins,
            "ties": ties,
            "losses": n - wins - ties,
            "win_rate": (wins + ties / 2) / n if n else None,
        }
        low, high = row["difference_low"], row["difference_high"]
        told = None if low is None else a if low > 0 else b if high < 0 else ""
        row["verdict"] = "too few seeds" if told is None else f"{told} is better" if told else "tie"
        needed = seeds_needed(row["difference"], statistics.stdev(apart), power) if n > 1 else None
        more = 3 - n if n < 2 else 0 if told else None if needed is None else max(needed - n, 0)
        row |= {
            "seeds_needed": Near(needed),
            "more_seeds": Near(more) if more and n > 1 else more,
            "grid": UNTOLD if more else None,
        }
        found.append(row)
    return found


class Near:
    """A number of seeds that the question reckons by a formula and this by the exact power of the test: one apart in fifteen or so."""

    def __init__(self, value: int | None) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        if self.value is None or not isinstance(other, int):
            return self.value is other
        return abs(other - self.value) <= 1 + self.value / 15

    def __repr__(self) -> str:
        return f"about {self.value}"

    __hash__ = None  # type: ignore[assignment]


def seeds_needed(difference: float, spread: float, power: float) -> int | None:
    """The fewest pairs, up to 1,001, at which the test finds it with this probability."""
    n = (
        2
        + bisect.bisect_left(
            range(2, 1002), power, key=lambda n: power_of(n, abs(difference), spread)
        )
        if difference
        else 1002
    )
    return n if n <= 1001 else None


def power_of(n: int, difference: float, spread: float) -> float:
    """The probability that the interval of n normal pairs is above 0: over the spread that is seen, by trapezoids."""
    if spread == 0:
        return 1.0
    df, delta = n - 1, difference * math.sqrt(n) / spread
    scale = math.log(2) + (df / 2) * math.log(df / 2) - math.lgamma(df / 2)
    seen = [0.001 + 0.02 * step for step in range(250)]  # of the spread, in units of the true one
    height = [math.exp(scale + (df - 1) * math.log(s) - df * s * s / 2) for s in seen]
    found = [0.5 * math.erfc((t_975(df) * s - delta) / math.sqrt(2)) for s in seen]
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
            found.append(row | {"lowest": ends[0], "highest": ends[1]})
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
    for row in effect(facts, "method", "gm"):
        if row["verdict"] == "tie" and row["pairs"] >= 3:
            said = "gm is {behind:.3f} below the best, between {behind_low:.3f} and {behind_high:.3f}".format(
                **row
            )
            suggest(
                3, said, tuple((row | {"method": row["choice"]})[word] for word in SENTENCE), UNTOLD
            )
    return found
