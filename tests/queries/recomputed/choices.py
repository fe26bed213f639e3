"""Recompute the questions about one choice against others, everything else equal."""

import statistics

from tests.queries.recomputed.comparisons import at_end, at_recipes, families, of_family
from tests.queries.recomputed.facts import SENTENCE, Facts, Row, answers, grouped, mean, named
from tests.queries.recomputed.seeds import chosen, column, places
from tests.queries.recomputed.states import states

CHOICE = {"ordering": "sequence", "tasks": "tasks"}
AXIS_HIDES = ("gflops", "all_pairs", "at_recipe", "chosen_on")


@answers
def effect(
    facts: Facts,
    axis: str = "method",
    measure: str = "gm",
    among: str | None = None,
    recipes: str = "equal",
    validation: str | None = None,
    every_look: bool = False,
) -> list[Row]:
    allowed = None if among is None else set(among.split(","))
    asked, chosen_on = [], {}
    for row in at_recipes(facts, measure, recipes, validation):
        trial = facts.trials[row["trial"]]
        choice = str(trial[CHOICE.get(axis, axis)])
        words = {"recipe": row["at"]}
        if axis in SENTENCE:
            words[axis] = "*"
        if axis == "stream":
            words["stream"] = f"any stream, {trial['suite']}"
        elif axis == "ordering":
            words["stream"] = f"{trial['tasks']} tasks of any order, {trial['suite']}"
        elif axis == "tasks":
            words["stream"] = f"{trial['sequence']} in any tasks, {trial['suite']}"
        if row["value"] is not None and (allowed is None or choice in allowed):
            asked.append(of_family(row, **words) | {"choice": choice})
            of = tuple(asked[-1][f"of_{word}"] for word in SENTENCE)
            streams = (row["chosen_on"], chosen_on.get((*of, choice)))
            chosen_on[*of, choice] = min((name for name in streams if name), default=None)
    found = []
    for row in without(families(asked, every_look), "wanted"):
        key = (*(row[word] for word in SENTENCE), row["choice"])
        found.append(row | {"chosen_on": chosen_on[key]})
    return found


def along(
    facts: Facts,
    axis: str,
    measure: str,
    shown: tuple[str, ...],
    hidden: str,
    among: set[str] | None = None,
    **how: str | None,
) -> list[Row]:
    """`effect` along an axis with words of the choice, and without the column of the sentence that the axis takes the place of."""
    table = facts.by_name(CHOICE.get(axis, axis))
    found = []
    names = None if among is None else ",".join(sorted(among))
    for row in effect(facts, axis=axis, measure=measure, among=names, **how):  # type: ignore[arg-type]
        choice = row.pop("choice")
        dropped = {hidden, "all_pairs"}
        if axis != "method":
            dropped |= {"at_recipe", "chosen_on"}
        kept = {name: value for name, value in row.items() if name not in dropped}
        found.append(
            kept | {CHOICE.get(axis, axis): choice} | {name: table[choice][name] for name in shown}
        )
    return found


def without(rows: list[Row], *columns: str) -> list[Row]:
    return [{name: value for name, value in row.items() if name not in columns} for row in rows]


@answers
def ordering(facts: Facts, measure: str = "gm") -> list[Row]:
    found = []
    for row in without(effect(facts, axis="ordering", measure=measure), *AXIS_HIDES):
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
    rows = without(effect(facts, axis="tasks", measure=measure), *AXIS_HIDES)
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
def schedule(facts: Facts, measure: str = "gm", on_test: bool = False) -> list[Row]:
    words = ("schedule", "schedule_params", "optimizer", "lr", "batch_pairs")
    answer = without(along(facts, "recipe", measure, words, "recipe"), "gflops")
    for_choices = {row["validation"] for row in facts["stream"]}
    for row in answer:
        row["images"] = "validation" if row["stream"] in for_choices else "test"
        if row["images"] == "test" and not on_test:
            if row["mean_low"] is not None:
                row["mean_low"] += row["optimism"] or 0
            judged = ("optimism", "pairs", "look", "behind", "behind_low", "behind_high")
            row |= dict.fromkeys(judged) | {"verdict": "on test images"}
    return answer


@answers
def merge_enough(facts: Facts, measure: str = "gm", **how: str | None) -> list[Row]:
    full = {row["name"] for row in facts["method"] if row["tuning"] == "full"}
    shown = ("merging", "objective", "start", "deploy")
    return along(facts, "method", measure, shown, "method", full, **how)


@answers
def peft_or_full(facts: Facts, measure: str = "gm", **how: str | None) -> list[Row]:
    plain = {
        row["name"]
        for row in facts["method"]
        if row["merging"] == "none" and row["objective"] == "contrastive"
    }
    return along(facts, "method", measure, ("tuning", "tuning_params"), "method", plain, **how)


@answers
def ranked(
    facts: Facts, measure: str = "gm", every_look: bool = False, **words: str | None
) -> list[Row]:
    parts = {name: words.pop(name, None) for name in ("tuning", "objective", "merging", "study")}
    ends = {row["trial"]: row for row in at_end(facts, measure)}
    asked, traded = [], {}
    for row in states(facts):
        key = tuple(row[word] for word in SENTENCE)
        if row["state"] == "withdrawn" or not _has_parts(facts, row, parts):
            continue
        if chosen(key, **words):
            nothing = dict.fromkeys(("value", "resolution", "gflops", "untouched", "d_ka", "d_zs"))
            end = nothing | row | ends.get(row["trial"], {})
            choice = tuple(row[word] for word in ("method", "mixture", "recipe"))
            of = of_family(end, mixture="*", method="*", recipe="*")
            asked.append(of | {"choice": choice, "untouched": end["untouched"]})
            traded.setdefault(key, []).append(end)
    found = []
    for row in families(asked):
        method, mixture, recipe = row.pop("choice")
        row |= {"method": method, "mixture": mixture, "recipe": recipe}
        ends_of = traded[tuple(row[word] for word in SENTENCE)]
        lost = mean(column(ends_of, "d_zs"))
        row |= {"low": row.pop("mean_low"), "high": row.pop("mean_high")}
        row |= {"seeds_wanted": row.pop("wanted"), "ka_gain": mean(column(ends_of, "d_ka"))}
        row |= {"missing": row["seeds_wanted"] - row["seeds"]}
        row |= {"zs_loss": None if lost is None else -lost}
        if row["others"] == 0 and row["mean"] is not None:
            row["verdict"] = "best"
        found.append(row)
    found = without(found, "others", "at_recipe", "all_pairs", "gflops")
    for alike in grouped(found, "backbone", "stream", "budget").values():
        for row, place in zip(alike, places(column(alike, "mean")), strict=True):
            row["rank"] = place
    return found + _untouched(asked)


def _untouched(asked: list[Row]) -> list[Row]:
    """Return the rows of the backbones as they were."""
    found = []
    for key, rows in grouped(asked, "of_backbone", "of_stream", "of_budget").items():
        row: Row = named(("backbone", "stream", "budget"), key)
        row |= {"method": "untouched", "mixture": "-", "recipe": "-", "verdict": "untouched"}
        row |= dict.fromkeys(("seeds", "seeds_wanted", "missing", "pairs", "look"), 0)
        row |= dict.fromkeys(("rank", "optimism", "low", "high", "behind"))
        row |= {"few_seeds": False, "behind_low": None, "behind_high": None}
        row |= {"mean": mean(column(rows, "untouched")), "ka_gain": 0, "zs_loss": 0}
        if row["mean"] is not None:
            found.append(row)
    return found


def _has_parts(facts: Facts, row: Row, parts: Row) -> bool:
    method = facts.by_name("method")[row["method"]]
    if parts["study"] is not None and row["study"] != parts["study"]:
        return False
    if parts["objective"] is not None and parts["objective"] not in method["objective"].split("+"):
        return False
    return all(parts[name] is None or method[name] == parts[name] for name in ("tuning", "merging"))
