"""What a step costs and how many a budget buys, by the rule of docs/budgets.md, in exact fractions."""

import json
import re
from fractions import Fraction

from tests.queries.recomputed.facts import Facts, Row, answers, grouped, named

COMBINATION = ("backbone", "mixture", "method", "recipe")


@answers
def price(facts: Facts) -> list[Row]:
    found = []
    for key, rows in grouped(
        (row for row in facts["profile"] if row["mixture"]), *COMBINATION
    ).items():
        flops: dict[str, float] = {row["phase"]: row["flops"] for row in rows}
        bytes_: dict[str, int] = {row["phase"]: row["peak_bytes"] for row in rows}
        row = named(COMBINATION, key) | {
            "step_gflops": (flops["train"] + flops.get("score", 0)) / 1e9
        }
        once = flops.get("objective", 0) + flops.get("mix", 0)
        row |= {"once_gflops": once / 1e9, "full_peak_bytes": bytes_["full"]}
        row["peak_bytes"] = max(
            bytes_[phase] for phase in ("train", "score", "objective", "mix") if phase in bytes_
        )
        row["multiplier"] = round(row["peak_bytes"] / row["full_peak_bytes"], 4)
        found.append(row | {"step_maf_gflops": row["step_gflops"] * row["multiplier"]})
    return found


@answers
def steps(facts: Facts) -> list[Row]:
    prices = {tuple(row[word] for word in COMBINATION): row for row in price(facts)}
    asked = {
        (*(t[word] for word in COMBINATION), t["budget"], t["tasks"]) for t in facts.trials.values()
    }
    lengths = {row["tasks"] for row in facts["stream"]} | {20, 50, 100, 200}
    asked |= {
        (*key, budget["name"], tasks)
        for key in prices
        for budget in facts["budget"]
        for tasks in lengths
    }
    return [_bought(facts, prices.get(key[:4]), key) for key in asked]


def _bought(facts: Facts, profiled: Row | None, key: tuple[object, ...]) -> Row:
    row = named((*COMBINATION, "budget", "tasks"), key)
    budget, recipe = facts.by_name("budget")[row["budget"]], facts.by_name("recipe")[row["recipe"]]
    row |= {"unit": budget["unit"], "peak_bytes": profiled and profiled["peak_bytes"]}
    each: Fraction | None
    if budget["unit"] in ("steps", "pairs"):
        each, once = (
            Fraction(1 if budget["unit"] == "steps" else recipe["batch_pairs"]),
            Fraction(0),
        )
    elif budget["costs"] == "published":
        said = _said(facts, row["backbone"], recipe["batch_pairs"], row["method"], 20)
        each, once = None, Fraction(0)
        if said:
            share = said["memory_multiplier"] if budget["unit"] == "maf_gflops" else 1
            each = Fraction(said["step_gflops"]) * Fraction(share)
    elif profiled is None:
        each, once = None, Fraction(0)
    else:
        share = Fraction(profiled["multiplier"]) if budget["unit"] == "maf_gflops" else Fraction(1)
        each, once = (
            Fraction(profiled["step_gflops"]) * share,
            Fraction(profiled["once_gflops"]) * share,
        )
        if budget["charging"] == "per_step":
            each, once = each + once, Fraction(0)
    row |= {
        "steps": None,
        "step_price": None,
        "once_price": None if each is None else float(once),
        "over_of_a_task": None,
        "pflops": None,
    }
    if each is None and budget["charging"] == "per_step":
        row["once_price"] = 0.0
    if each is None:
        return row
    exact = (Fraction(budget["total"]) / row["tasks"] - once) / each
    bought = round(exact)
    row |= {"steps": bought, "step_price": float(each), "over_of_a_task": float(bought - exact)}
    if profiled:
        row["pflops"] = (
            row["tasks"] * (bought * profiled["step_gflops"] + profiled["once_gflops"]) / 1e6
        )
    return row


@answers
def profiles(facts: Facts, budget: str = "fomo", tasks: int = 20) -> list[Row]:
    charging = {row["name"]: row["charging"] for row in facts["budget"]}.get(budget)
    bought = {
        tuple(row[w] for w in (*COMBINATION, "budget", "tasks")): row["steps"]
        for row in steps(facts)
    }
    found = []
    for row in price(facts):
        recipe = facts.by_name("recipe")[row["recipe"]]
        said = _said(facts, row["backbone"], recipe["batch_pairs"], row["method"], tasks)
        step = row["step_gflops"] + (row["once_gflops"] if charging == "per_step" else 0)
        kept = {
            w: row[w]
            for w in (*COMBINATION, "step_gflops", "once_gflops", "multiplier", "step_maf_gflops")
        }
        kept |= {
            "batch_pairs": recipe["batch_pairs"],
            "precision": recipe["precision"],
            "peak_gb": row["peak_bytes"] / 1e9,
        }
        kept["steps"] = bought.get((*(row[w] for w in COMBINATION), budget, tasks))
        kept |= {
            "published_gflops": said.get("step_gflops"),
            "published_multiplier": said.get("memory_multiplier"),
        }
        kept["published_steps"] = said.get("steps_per_task")
        for name, ours, theirs in (
            ("gflops", step, "step_gflops"),
            ("multiplier", row["multiplier"], "memory_multiplier"),
        ):
            kept[f"{name}_apart"] = ours / said[theirs] - 1 if theirs in said else None
        found.append(kept)
    return found


@answers
def published_cost(facts: Facts) -> list[Row]:
    """The rows of the table of compute, by the words that it gives."""
    settings = set()
    for row in facts["reference_result"]:
        if row["source"] == "FoMo-in-Flux, compute" and row["provenance"] == "seen":
            setting = json.loads(row["setting"])
            words = (setting.get("backbone"), setting.get("batch_pairs"))
            settings.add((*words, _ours(setting.get("method", ""))))
    found = []
    for backbone, batch_pairs, method in settings:
        said = _said(facts, backbone, batch_pairs, method, 20)
        steps = []
        for tasks in (20, 50, 100, 200):
            counts = _said(facts, backbone, batch_pairs, method, tasks)
            if "steps_per_task" in counts:
                steps.append({"tasks": tasks, "steps": counts["steps_per_task"]})
        found.append(
            {
                "backbone": backbone,
                "batch_pairs": batch_pairs,
                "method": method,
                "step_gflops": said.get("step_gflops"),
                "once_gflops": 0.0,
                "multiplier": said.get("memory_multiplier"),
                "steps": steps or None,
            }
        )
    return found


def _ours(name: str) -> str:
    """Our name of a method of the table."""
    lowered = re.sub(r"[ -]", "_", name.lower())
    return lowered.replace("r=", "r").replace("full_ft", "finetune")


def _said(
    facts: Facts, backbone: str, batch_pairs: int, method: str, tasks: int
) -> dict[str, float]:
    """What FoMo-in-Flux's table of compute says of the same."""
    found = {}
    for row in facts["reference_result"]:
        if row["source"] != "FoMo-in-Flux, compute" or row["provenance"] != "seen":
            continue
        setting = json.loads(row["setting"])
        name = _ours(setting.get("method", ""))
        same = (setting.get("backbone"), setting.get("batch_pairs"), name) == (
            backbone,
            batch_pairs,
            method,
        )
        if same and (row["metric"] != "steps_per_task" or setting.get("tasks") == tasks):
            found[row["metric"]] = row["value"]
    return found
