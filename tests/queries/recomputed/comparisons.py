"""Recompute `compared`: one family of choices, judged from the values of its seeds."""

import math
import statistics

from tests.queries.recomputed.facts import (
    SENTENCE,
    Facts,
    Row,
    answers,
    grouped,
    less,
    mean,
    named,
    over,
)
from tests.queries.recomputed.quantiles import critical_t
from tests.queries.recomputed.seeds import half

FAMILY = tuple(f"of_{word}" for word in SENTENCE)


@answers
def resolution(facts: Facts) -> list[Row]:
    pairs = {row["name"]: row["test_pairs"] for row in facts["dataset"]}
    found = []
    for stream in facts["stream"]:
        row = {"stream": stream["name"]}
        for role, short in (("adapt", "a_ka"), ("retain", "a_zs")):
            members = [m for m in facts.members.get(stream["suite"], []) if m["role"] == role]
            steps = []
            for member in members:
                if pairs[member["dataset"]]:
                    steps.append(member["weight"] / (2 * pairs[member["dataset"]]))
            weight = math.fsum(member["weight"] for member in members)
            row[short] = math.hypot(*steps) / weight if weight else 0.0
        if stream["suite"] in facts.members:
            found.append(row)
    return found


@answers
def at_end(facts: Facts, measure: str = "gm", after_task: int | None = None) -> list[Row]:
    floors = {row["stream"]: row for row in resolution(facts)}
    found = []
    for end in facts.path:
        if end["task"] != (end["tasks"] if after_task is None else after_task):
            continue
        first = facts.points.get((end["trial"], 0), {"a_ka": None, "a_zs": None})
        ka, zs = first["a_ka"], first["a_zs"]
        floor = floors[end["stream"]]
        row = {key: end[key] for key in ("study", *SENTENCE, "seed", "trial", "d_ka", "d_zs")}
        row |= {"value": end[measure], "gflops": end["spent_flops"] / 1e9}
        if measure in ("a_ka", "d_ka"):
            row["resolution"] = floor["a_ka"]
        elif measure == "zs_ratio":
            row["resolution"] = over(floor["a_zs"], zs)
        elif measure == "gm":
            row["resolution"] = None
            if end["gm"]:
                apart = math.hypot(floor["a_ka"] * end["a_zs"], floor["a_zs"] * end["a_ka"])
                row["resolution"] = apart / (2 * end["gm"])
        else:
            row["resolution"] = floor["a_zs"]
        both = None if ka is None or zs is None else math.sqrt(ka * zs)
        untouched = {"a_ka": ka, "a_zs": zs, "gm": both, "zs_ratio": 1.0}
        found.append(row | {"untouched": untouched.get(measure, 0.0)})
    return found


@answers
def chosen_recipe(facts: Facts, measure: str = "gm", validation: str | None = None) -> list[Row]:
    ended = [row for row in at_end(facts, measure) if row["value"] is not None]
    words = ("backbone", "stream", "mixture", "method", "budget")
    found = []
    for key, rows in grouped(ended, *words).items():
        row = named(words, key)
        there = row | {"stream": validation or facts.by_name("stream")[row["stream"]]["validation"]}
        means = {}
        for recipe in {one["recipe"] for one in rows}:
            values = [
                one["value"]
                for one in ended
                if one["recipe"] == recipe and all(one[word] == there[word] for word in words)
            ]
            means[recipe] = mean(values)
        known = {recipe: value for recipe, value in means.items() if value is not None}
        row |= {"measured": len(means), "recipe": None, "chosen_by": "not chosen"}
        row |= {"chosen_on": there["stream"] if known else None}
        if len(means) == 1:
            row |= {"recipe": next(iter(means)), "chosen_by": "the only one"}
        if known:
            best = max(known, key=lambda recipe: (known[recipe], recipe))
            row |= {"recipe": best, "chosen_by": "validation"}
        found.append(row)
    return found


@answers
def at_recipes(
    facts: Facts, measure: str = "gm", recipes: str = "equal", validation: str | None = None
) -> list[Row]:
    words = ("backbone", "stream", "mixture", "method", "budget")
    chosen = {
        tuple(row[word] for word in words): row for row in chosen_recipe(facts, measure, validation)
    }
    found = []
    for row in at_end(facts, measure):
        if recipes == "equal":
            found.append(row | {"at": row["recipe"], "chosen_on": None})
            continue
        choice = chosen.get(tuple(row[word] for word in words))
        if choice is not None and choice["recipe"] == row["recipe"]:
            found.append(row | {"at": "chosen", "chosen_on": choice["chosen_on"]})
    return found


def of_family(row: Row, **words: str) -> Row:
    """Return a row of `at_end` as `compared` reads it: its words, some of them others."""
    family = {f"of_{word}": words.get(word, row[word]) for word in SENTENCE}
    kept = ("trial", "seed", "value", "resolution", "gflops")
    return family | {key: row[key] for key in kept} | {"at_recipe": row["recipe"]}


@answers
def method_ends(facts: Facts) -> list[Row]:
    return [of_family(row, method="*") | {"choice": row["method"]} for row in at_end(facts)]


@answers
def compared(facts: Facts, every_look: bool = False) -> list[Row]:
    return families(method_ends(facts), every_look)


def families(rows: list[Row], every_look: bool = False) -> list[Row]:
    """Return every choice of every family with its verdict."""
    found = []
    for key, alike in grouped(rows, *FAMILY).items():
        found += [named(SENTENCE, key) | row for row in judged_family(alike, every_look)]
    return found


def without_seeds(rows: list[Row]) -> dict[int, float]:
    """Return what is left of each trial's value less its choice, its seed, and both again."""
    left = {id(row): row["value"] for row in rows}
    for key in ("choice", "seed", "choice", "seed"):
        for alike in grouped([row | {"_id": id(row)} for row in rows], key).values():
            middle = math.fsum(left[row["_id"]] for row in alike) / len(alike)
            for row in alike:
                left[row["_id"]] -= middle
    return left


def prior_df(spreads: list[tuple[int, float, float]], choices: int) -> float:
    """Return of how many degrees of freedom the variances of the choices look (Smyth 2004).

    spreads: seeds, variance of the noise, and resolution of each choice.
    """
    logs, chances = [], []
    for n, variance, floor in spreads:
        if n >= 3:
            d = n - 1
            logs.append(math.log(max(variance, floor**2 / 2, 1e-30)) + 1 / d + 1 / (3 * d**2))
            chances.append(2 / d + 2 / d**2 + 4 / (3 * d**3) - 16 / (15 * d**5))
    if len(logs) < 2:
        return 2.0 * choices
    excess = statistics.variance(logs) - statistics.mean(chances)
    if excess <= 0:
        return 2.0 * choices
    return min(2.0 * choices, 2 / excess + 2 / math.sqrt(excess + 4))


def judged_family(rows: list[Row], every_look: bool) -> list[Row]:
    """Return the choices of one family, judged against the one with the highest mean."""
    of_choice: dict[str, list[Row]] = {}
    for row in rows:
        of_choice.setdefault(str(row["choice"]), []).append(row)
    there = {
        name: [row for row in own if row["value"] is not None] for name, own in of_choice.items()
    }
    known = {name: own for name, own in there.items() if own}
    k, every = len(known), [row for own in known.values() for row in own]
    left = without_seeds(every)
    floors = {
        name: max((row["resolution"] or 0 for row in own), default=0) for name, own in there.items()
    }
    spreads = {}
    for name, own in known.items():
        noise = [left[id(row)] for row in own]
        spreads[name] = statistics.variance(noise) if len(noise) > 1 else 0.0
    pooled_df = len(every) - k - len({row["seed"] for row in every}) + 1
    squares = math.fsum((len(known[name]) - 1) * spread for name, spread in spreads.items())
    pooled = squares / pooled_df if pooled_df else None
    prior = prior_df([(len(known[n]), spreads[n], floors[n]) for n in known], k)
    means = {name: mean(row["value"] for row in own) or 0.0 for name, own in known.items()}
    best = min(means, key=lambda name: (-round(means[name], 12), name), default="")
    found = []
    for name, own in there.items():
        values = [row["value"] for row in own]
        row: Row = {
            "choice": of_choice[name][0]["choice"],
            "at_recipe": min(one["at_recipe"] for one in of_choice[name]),
            "others": max(k - 1, 0),
            "wanted": len(of_choice[name]),
            "seeds": len(own),
            "few_seeds": len(own) < 3,
            "mean": mean(values),
            "gflops": mean(one["gflops"] for one in own),
            "optimism": None,
        }
        first = {one["seed"]: one["value"] for one in known.get(best, [])}
        ahead = []
        if name != best:
            for one in sorted(own, key=lambda one: one["seed"]):
                if one["seed"] in first:
                    ahead.append(first[one["seed"]] - one["value"])
        row |= judged(
            ahead, max(floors[name], floors.get(best, 0)), (prior, pooled, pooled_df, k), every_look
        )
        if not own:
            row["verdict"] = None
        elif k == 1:
            row["verdict"] = "nothing to compare with"
        elif name == best:
            row["verdict"] = "best"
        found.append(row)
    with_luck(found, pooled)
    for row, own in zip(found, there.values(), strict=True):
        width = half(one["value"] for one in own)
        row["mean_low"] = less(less(row["mean"], row["optimism"] or 0), width)
        row["mean_high"] = None if width is None else row["mean"] + width
    return found


def judged(
    ahead: list[float],
    floor: float,
    family: tuple[float, float | None, int, int],
    every_look: bool,
) -> Row:
    """Return how much one choice is behind, with its interval and verdict."""
    prior, pooled, pooled_df, k = family
    look = 1 + math.floor(math.log2(len(ahead) / 3)) if len(ahead) >= 3 else 0
    counted = ahead[: 3 * 2 ** (look - 1)] if every_look and look else ahead
    n = len(counted)
    row: Row = {"all_pairs": len(ahead), "look": look, "pairs": n, "behind": mean(counted)}
    row |= {"behind_low": None, "behind_high": None, "verdict": "too few seeds"}
    df = min(prior + n - 1, pooled_df, 40 if k > 2 else 1000)
    if n < 2 or pooled is None or df < 1:
        return row
    own = statistics.variance(counted)
    variance = max(floor**2, (prior * 2 * pooled + (n - 1) * own) / (prior + n - 1))
    halvings = math.log2(k * (k - 1) / 2 * (1.25 if k > 2 else 1)) + (look if every_look else 0)
    width = critical_t(df, halvings) * math.sqrt(variance / n)
    behind = row["behind"]
    row |= {"behind_low": behind - width, "behind_high": behind + width}
    if n >= 3:
        row["verdict"] = "behind" if behind > width else "ahead" if behind < -width else "tie"
    return row


def with_luck(rows: list[Row], pooled: float | None) -> None:
    """Give the best its optimism: its distance from those that it ties with, as far as chance goes."""
    ties = [row["mean"] for row in rows if row["verdict"] in ("best", "tie", "ahead")]
    for row in rows:
        if row["verdict"] == "best":
            row["optimism"] = 0.0
            spread = statistics.variance(ties) if len(ties) > 1 else 0
            if spread > 0 and pooled is not None:
                share = min(1.0, pooled / row["seeds"] / spread)
                row["optimism"] = share * (row["mean"] - statistics.fmean(ties))
