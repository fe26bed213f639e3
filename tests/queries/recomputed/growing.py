"""Recompute what rules ask for: the trials that a search or a decision still lacks, and what rules and studies came to."""

import itertools
import json
import math
from typing import Any

from tests.queries.recomputed.choices import effect
from tests.queries.recomputed.comparisons import at_end
from tests.queries.recomputed.deciding import LOOKS, decide
from tests.queries.recomputed.facts import Facts, Row, answers, grouped, mean, named, summary
from tests.queries.recomputed.states import states

SETTING = ("backbone", "stream", "mixture", "recipe", "budget")
OVER = ("failed", "refused", "cancelled", "withdrawn")
OPEN = ("pending", "waiting", "submitting", "running")


def stages(facts: Facts) -> dict[int, str]:
    return {row["trial"]: row["state"] for row in states(facts)}


def trials_of(facts: Facts, key: tuple[str, ...], methods: set[str]) -> list[Row]:
    """The trials of some methods in a setting, with their states."""
    state = stages(facts)
    found = []
    for trial in facts["trial"]:
        if trial["method"] in methods and tuple(trial[word] for word in SETTING) == key:
            found.append(trial | {"state": state[trial["id"]]})
    return found


def sentence(key: tuple[str, ...], method: str, seed: int, study: str) -> Row:
    return named(SETTING, key) | {"method": method, "seed": seed, "study": study}


def asked_settings(facts: Facts, methods: set[str], words: str | None) -> set[tuple[str, ...]]:
    if words is not None:
        return {tuple(word.strip() for word in words.split(","))}
    return {
        tuple(trial[word] for word in SETTING)
        for trial in facts["trial"]
        if trial["method"] in methods
    }


@answers
def decided(
    facts: Facts,
    a: str = "finetune",
    b: str = "ema_merge",
    most_seeds: int = 24,
    measure: str = "gm",
    words: str | None = None,
    recipes: str = "equal",
    validation: str | None = None,
) -> list[Row]:
    judged = {
        tuple(row[word] for word in SETTING): row
        for row in decide(facts, a, b, measure, recipes=recipes, validation=validation)
    }
    keys = asked_settings(facts, {a, b}, words)
    if words is None and recipes == "chosen":
        keys = set(judged)
    elif words is None:
        keys |= set(judged)
    found = []
    for key in keys:
        known = judged.get(key, {"look": 0, "verdict": "too few seeds"})
        if known["verdict"] not in ("too few seeds", "tie"):
            continue
        if recipes == "chosen" and not (known.get("recipe_a") and known.get("recipe_b")):
            continue
        at = {a: known.get("recipe_a") or key[3], b: known.get("recipe_b") or key[3]}
        lost, firsts = set(), [0]
        for method, recipe in at.items():
            own = trials_of(facts, (*key[:3], recipe, key[4]), {method})
            lost |= {trial["seed"] for trial in own if trial["state"] in OVER}
            if own:
                firsts.append(min(trial["seed"] for trial in own))
        seeds = LOOKS[known["look"]] + len(lost)
        for seed in range(max(firsts), max(firsts) + (seeds if seeds <= most_seeds else 0)):
            for method, recipe in at.items():
                row = sentence(key, method, seed, f"decide {a} or {b}")
                found.append(row | {"recipe": recipe})
    return found


@answers
def best_of(
    facts: Facts,
    methods: str | None = None,
    most_seeds: int = 24,
    measure: str = "gm",
    words: str | None = None,
) -> list[Row]:
    every = {trial["method"] for trial in facts["trial"]}
    names = every if methods is None else {name.strip() for name in methods.split(",")}
    among = None if methods is None else methods.replace(" ", "")
    judged = {}
    for row in effect(facts, "method", measure, among=among, every_look=True):
        key = tuple(row[word] for word in SETTING)
        judged[key, row["choice"]] = (row["verdict"], row["look"])
    found = []
    for key in asked_settings(facts, names, words):
        entrants = names
        if methods is None:
            entrants = {trial["method"] for trial in trials_of(facts, key, every)}
        if len(entrants) < 2:
            continue
        wanted, best, lost = {}, set(), [0]
        for method in entrants:
            verdict, look = judged.get((key, method), ("too few seeds", 0))
            wanted[method] = 0 if verdict in ("behind", "best") else LOOKS[look]
            best |= {method} if verdict == "best" else set()
            ends = [trial["state"] in OVER for trial in trials_of(facts, key, {method})]
            lost.append(sum(ends))
        for method, pairs in wanted.items():
            needed = max(wanted.values()) if method in best else pairs
            seeds = needed + max(lost) if needed else 0
            for seed in range(seeds if seeds <= most_seeds else 0):
                found.append(sentence(key, method, seed, f"best of {methods or 'all'}"))
    return found


@answers
def tuned(
    facts: Facts, measure: str = "gm", seeds: int = 3, study: str | None = None, draws: int = 1
) -> list[Row]:
    state, values = stages(facts), {row["trial"]: row["value"] for row in at_end(facts, measure)}
    found = []
    words = ("backbone", "stream", "mixture", "method", "budget")
    for stream in facts["stream"]:
        search = []
        for trial in facts["trial"]:
            if trial["stream"] == stream["validation"] and study in (None, trial["study"]):
                search.append(trial)
        for key, alike in grouped(search, *words).items():
            means = {}
            for (recipe,), rows in grouped(alike, "recipe").items():
                means[recipe] = mean(values.get(row["id"]) for row in rows)
            known = {name: value for name, value in means.items() if value is not None}
            if not known or any(state[row["id"]] in OPEN for row in alike):
                continue
            if len(means) < draws:
                continue
            best = max(known, key=lambda name: (known[name], name))
            last = max(row["seed"] for row in alike)
            for number in range(seeds):
                row = named(words, key) | {"stream": stream["name"], "recipe": best}
                row |= {"seed": last + 1 + number, "study": f"tuned on {stream['validation']}"}
                found.append(row)
    return found


@answers
def halving(
    facts: Facts,
    study: str = "search",
    rungs: str = "",
    keep: float = 0.5,
    measure: str = "gm",
    on_test: bool = False,
) -> list[Row]:
    assert on_test or not any(trial["study"] == study for trial in facts["trial"])
    state, values = stages(facts), {row["trial"]: row["value"] for row in at_end(facts, measure)}
    budgets = [name.strip() for name in rungs.split(",")]
    trials = [trial for trial in facts["trial"] if trial["study"] == study]
    words = ("backbone", "stream", "mixture", "method")
    found: list[Row] = []
    for budget, larger in itertools.pairwise(budgets):
        here = [trial for trial in trials if trial["budget"] == budget]
        for key, alike in grouped(here, *words).items():
            if any(state[row["id"]] in OPEN for row in alike):
                continue
            of_recipe: dict[str, Any] = {}
            for (recipe,), rows in grouped(alike, "recipe").items():
                of_recipe[recipe] = mean(values.get(row["id"]) for row in rows)
            ranked = sorted(
                of_recipe, key=lambda name: (of_recipe[name] is None, -(of_recipe[name] or 0), name)
            )
            for recipe in ranked[: max(1, math.ceil(len(ranked) * keep - 1e-9))]:
                if of_recipe[recipe] is None:
                    continue
                for trial in alike:
                    if trial["recipe"] == recipe:
                        row = named(words, key) | {"recipe": recipe, "budget": larger}
                        found.append(row | {"seed": trial["seed"], "study": study})
    return found


@answers
def searched(facts: Facts, study: str = "search", on_test: bool = False) -> list[Row]:
    assert on_test or not any(trial["study"] == study for trial in facts["trial"])
    state, found = stages(facts), []
    for trial in facts["trial"]:
        if trial["study"] == study and trial["source"] is None:
            words = ("backbone", "stream", "mixture", "method", "recipe", "budget", "seed")
            row = {word: trial[word] for word in words}
            found.append(row | {"trial": trial["id"], "is_open": state[trial["id"]] in OPEN})
    return found


@answers
def rung_after(
    facts: Facts,
    study: str = "search",
    after_task: int = 1,
    keep: float = 0.5,
    measure: str = "gm",
    on_test: bool = False,
) -> list[Row]:
    assert on_test or not any(trial["study"] == study for trial in facts["trial"])
    state, values = stages(facts), {}
    for row in summary(facts):
        if row["task"] == after_task:
            values[row["trial"]] = row[measure]
    words = ("backbone", "stream", "mixture", "method", "budget")
    found: list[Row] = []
    trials = [trial for trial in facts["trial"] if trial["study"] == study]
    for alike in grouped(trials, *words).values():
        means: dict[str, Any] = {}
        for (recipe,), rows in grouped(alike, "recipe").items():
            means[recipe] = mean(values.get(row["id"]) for row in rows)
        order = sorted(means, key=lambda name: (means[name] is None, -(means[name] or 0), name))
        runs = [row for row in alike if state[row["id"]] in OPEN and values.get(row["id"]) is None]
        for trial in alike:
            row = {word: trial[word] for word in (*words, "recipe", "seed")}
            row |= {"trial": trial["id"], "is_open": state[trial["id"]] in OPEN}
            row |= {"value": values.get(trial["id"]), "reached": means[trial["recipe"]]}
            row |= {"rank": order.index(trial["recipe"]) + 1, "recipes": len(order)}
            allowed = max(1, math.ceil(len(order) * keep - 1e-9))
            goes_on = None if runs else row["rank"] <= allowed
            found.append(row | {"decided": not runs, "goes_on": goes_on})
    return found


@answers
def fallen_behind(facts: Facts, **how: Any) -> list[Row]:
    found = []
    for row in rung_after(facts, **how):
        if row["decided"] and not row["goes_on"] and row["is_open"]:
            after = f"after task {how.get('after_task', 1)}"
            reason = (
                f"recipe {row['rank']} of {row['recipes']} by {how.get('measure', 'gm')} {after}"
            )
            found.append({"trial": row["trial"], "wish": "withdraw", "reason": reason})
    return found


@answers
def suggested(
    facts: Facts,
    base: str = "tiny_lr_1e-3",
    study: str = "search",
    draws: int = 12,
    at_once: int = 3,
    lr_low: float | None = None,
    lr_high: float | None = None,
    decay_low: float | None = None,
    decay_high: float | None = None,
    measure: str = "gm",
    sampler_seed: int = 0,
    on_test: bool = False,
) -> list[Row]:
    state, values = stages(facts), {row["trial"]: row["value"] for row in at_end(facts, measure)}
    words, recipes = ("backbone", "stream", "mixture", "method", "budget"), facts.by_name("recipe")
    search = [trial for trial in facts["trial"] if trial["study"] == study]
    ranges = {"lr": (lr_low, lr_high), "weight_decay": (decay_low, decay_high)}
    wanted = {key: list(ends) if ends[0] is not None else None for key, ends in ranges.items()}
    found: list[Row] = []
    for key, alike in grouped(search, *words).items():
        own = grouped(sorted(alike, key=lambda trial: trial["id"]), "recipe")
        open_ = any(state[trial["id"]] in OPEN for trial in alike)
        if open_ or not any(wanted.values()):
            continue
        tried = []
        for (recipe,), rows in own.items():
            numbers = {column: recipes[recipe][column] for column in ranges}
            tried.append(numbers | {"value": mean(values.get(row["id"]) for row in rows)})
        taken = set()
        for trial in facts["trial"]:
            if tuple(trial[word] for word in words) == key:
                taken.add(trial["recipe"])
        first = sorted(trial["seed"] for trial in next(iter(own.values())))
        for place in range(1, min(at_once, draws - len(own)) + 1):
            known = wanted | {"taken": sorted(taken), "tried": tried, "sampler_seed": sampler_seed}
            for seed in first:
                row = named(words, key) | {"recipe": base, "seed": seed, "study": study}
                row |= {"draw": len(own) + place, "drawn_from": Written(known)}
                found.append(row)
    return found


class Written:
    """What is written as JSON, its numbers as equal as sums of floats can be."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and rounded(json.loads(other)) == rounded(self.content)

    def __repr__(self) -> str:
        return json.dumps(self.content)

    __hash__ = None  # type: ignore[assignment]


def rounded(content: Any) -> Any:
    if isinstance(content, float):
        return round(content, 9)
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    return [rounded(each) for each in content] if isinstance(content, list) else content


@answers
def sweep(
    facts: Facts,
    base: str = "tiny_lr_1e-3",
    draws: int = 8,
    lr_low: float | None = None,
    lr_high: float | None = None,
    decay_low: float | None = None,
    decay_high: float | None = None,
) -> list[Row]:
    recipe = facts.by_name("recipe").get(base)
    found: list[Row] = []
    for draw in range(1, draws + 1) if recipe else ():
        row, name = dict(recipe or {}), base
        for column, word, low, high, prime in (
            ("lr", "lr", lr_low, lr_high, 2),
            ("weight_decay", "decay", decay_low, decay_high, 3),
        ):
            if low is not None and high is not None:
                text = f"{low * (high / low) ** mirrored(draw, prime):.2e}"
                name += f"_{word}_{text}"
                row[column] = float(text)
        row |= {"name": name, "note": f"draw {draw} of a sweep around {base}"}
        found += [row] if name != base else []
    return found


def mirrored(number: int, base: int) -> float:
    """The digits of a number behind the point, the last one first (van der Corput)."""
    value, place = 0.0, 1.0 / base
    while number:
        number, digit = divmod(number, base)
        value += digit * place
        place /= base
    return value


@answers
def rules(facts: Facts) -> list[Row]:
    state = stages(facts)
    found = []
    for rule in facts["rule"]:
        own = [trial for trial in facts["trial"] if trial["rule"] == rule["name"]]
        wishes = [row for row in facts["request"] if row["rule"] == rule["name"]]
        last = max(wishes, key=lambda row: row["serial"], default={"wish": None, "reason": None})
        said = [row for row in facts["problem"] if row["subject"] == f"rule {rule['name']}"]
        row = {key: rule[key] for key in ("name", "most_trials", "query", "note")}
        row |= {"trials": len(own), "problem": said[0]["message"] if said else None}
        row["added_at"] = max((trial["created_at"] for trial in own), default=None)
        row["done"] = sum(state[trial["id"]] == "done" for trial in own)
        row["open_trials"] = sum(state[trial["id"]] in OPEN for trial in own)
        row["ended_because"] = last["reason"] if last["wish"] == "withdraw" else None
        row["state"] = "spent" if len(own) >= rule["most_trials"] else "standing"
        if said:
            row["state"] = "failing"
        if last["wish"] == "withdraw":
            row["state"] = "ended"
        found.append(row)
    return found


@answers
def hypotheses(facts: Facts) -> list[Row]:
    state = stages(facts)
    found = []
    for study in facts["study"]:
        own = [trial for trial in facts["trial"] if trial["study"] == study["name"]]
        before = [trial for trial in own if trial["created_at"] < study["declared_at"]]
        row = {"study": study["name"], "trials": len(own), "trials_before": len(before)}
        row |= {"hypothesis": study["hypothesis"], "declared_at": study["declared_at"]}
        row |= {"said_first": not before, "done": sum(state[t["id"]] == "done" for t in own)}
        found.append(row | {"first_trial_at": min((t["created_at"] for t in own), default=None)})
    return found
