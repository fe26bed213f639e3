"""What is still to be spent: the outlook of pending trials, the price of a grid."""

import json
import math
import statistics
from itertools import product
from typing import Any

from tests.queries.recomputed.costs import finished, pace, paced, passes, peak, usual_cost
from tests.queries.recomputed.facts import (
    SENTENCE,
    UNTOLD,
    Facts,
    Row,
    answers,
    grouped,
    mean,
    named,
    over,
    total,
)
from tests.queries.recomputed.prices import COMBINATION, steps
from tests.queries.recomputed.seeds import t_975
from tests.queries.recomputed.states import newest, states


@answers
def outlook(facts: Facts) -> list[Row]:
    pending = [row for row in states(facts) if row["state"] == "pending"]
    ended, bought = (
        finished(facts),
        {tuple(r[w] for w in (*COMBINATION, "budget", "tasks")): r for r in steps(facts)},
    )
    found = []
    for key, rows in grouped(pending, "study", *SENTENCE).items():
        row = named(("study", *SENTENCE), key) | {
            "trials": len(rows),
            "priority": min(r["priority"] for r in rows),
        }
        row |= {"first_trial": min(r["id"] for r in rows), "last_trial": max(r["id"] for r in rows)}
        of_task = bought[(*(row[w] for w in COMBINATION), row["budget"], rows[0]["tasks"])]
        compute = json.loads(
            next(r["compute_params"] for r in facts["recipe"] if r["name"] == row["recipe"])
        )
        row |= {
            "ranks": compute.get("ranks", 1),
            "unit": of_task["unit"],
            "profiled": of_task["peak_bytes"] is not None,
        }
        row["steps"] = (
            None if of_task["steps"] is None else max(of_task["steps"], 0) * rows[0]["tasks"]
        )
        found.append(row | _expected(facts, row, of_task, ended))
    return found


def _expected(facts: Facts, row: Row, of_task: Row, ended: list[Row]) -> Row:
    """Seconds, PFLOPs and memory of one trial, from those that finished on the device where its backbone did last."""
    at = [r for r in ended if r["backbone"] == row["backbone"]] or ended
    device = max(
        at,
        key=lambda r: (r["finished_at"] is not None, str(r["finished_at"])),
        default={"device": None},
    )["device"]
    here = [r for r in ended if r["device"] == device]
    alike = [r for r in here if all(r[w] == row[w] for w in SENTENCE)]
    of_recipe = [
        r
        for r in here
        if r["flops"] and (r["backbone"], r["recipe"]) == (row["backbone"], row["recipe"])
    ]
    similar = [
        r
        for r in here
        if all(r[w] == row[w] for w in ("backbone", "stream", "recipe", "budget"))
        and passes(facts, r["method"]) == passes(facts, row["method"])
    ]
    of_method = [
        r
        for r in paced(facts)
        if r["device"] == device and all(r[w] == row[w] for w in COMBINATION)
    ]
    kinds = [[r["seconds"] for r in rows] for rows in grouped(here, *SENTENCE).values()]
    squares = [
        (len(own) - 1) * statistics.variance(own) / statistics.fmean(own) ** 2
        for own in kinds
        if len(own) > 1
    ]
    df = sum(len(own) - 1 for own in kinds)
    usual = wider(df) * math.sqrt(math.fsum(squares) / df) if squares else None
    pflops = [over(mean(r["flops"] for r in rows), 1e15) for rows in (alike, similar)]
    said = {
        "device": device,
        "pflops": next((v for v in (of_task["pflops"], *pflops) if v is not None), None),
    }
    seen = peak(alike)
    said["peak_bytes"] = seen if seen is not None else of_task["peak_bytes"]
    if alike:
        values = [r["seconds"] for r in alike]
        spread = None if usual is None else usual * statistics.fmean(values)
        error = None if spread is None else spread / math.sqrt(len(values))
        return said | {
            "seconds": mean(values),
            "error_s": error,
            "noise_s": spread,
            "by_what": "alike",
            "based_on": len(values),
        }
    if of_method and row["steps"]:
        tasks = of_task["tasks"]
        values = [row["steps"] * r["step_s"] + tasks * r["task_s"] for r in of_method]
        return said | {
            "seconds": mean(values),
            "error_s": widened(values),
            "noise_s": (usual or 0) * statistics.fmean(values),
            "by_what": "by method",
            "based_on": len(values),
        }
    if of_recipe and of_task["pflops"] is not None:
        rates = [r["seconds"] / r["flops"] * 1e15 for r in of_recipe]
        seconds = statistics.fmean(rates) * of_task["pflops"]
        spread = widened(rates)
        error = None if spread is None else spread / statistics.fmean(rates) * seconds
        return said | {
            "seconds": seconds,
            "error_s": error,
            "noise_s": (usual or 0) * seconds,
            "by_what": "by FLOPs",
            "based_on": len(rates),
        }
    values = [r["seconds"] for r in similar]
    spread = widened(values)
    words = {"by_what": "similar" if values else None, "based_on": len(values)}
    return said | {"seconds": mean(values), "error_s": spread, "noise_s": spread} | words


def wider(df: int) -> float:
    """By how much a 95 % interval is wider for so few degrees of freedom than for many."""
    return t_975(min(df, 1000)) / 1.959964


def widened(values: list[float]) -> float | None:
    """The standard deviation of some values, wider the fewer there are; None of one."""
    return wider(len(values) - 1) * statistics.stdev(values) if len(values) > 1 else None


@answers
def forecast(facts: Facts) -> list[Row]:
    kinds = {tuple(row[w] for w in ("study", *SENTENCE)): row for row in outlook(facts)}
    found = []
    for row in states(facts):
        if row["state"] == "pending":
            kind = kinds[tuple(row[w] for w in ("study", *SENTENCE))]
            words = {w: row[w] for w in ("trial", "study", *SENTENCE, "seed")}
            found.append(
                words
                | {
                    name: kind[name]
                    for name in ("steps", "seconds", "pflops", "peak_bytes", "based_on")
                }
            )
    return found


@answers
def running(facts: Facts) -> list[Row]:
    usual = {tuple(r[w] for w in SENTENCE): r["seconds"] for r in usual_cost(facts) if r["newest"]}
    found = []
    for row in states(facts):
        if row["state"] not in ("running", "submitting"):
            continue
        key = (row["trial"], row["attempt"])
        sent = next((s for s in facts["submission"] if (s["trial"], s["attempt"]) == key), {})
        points = [
            p | {"at": (p["task"], p["step"])}
            for p in facts["progress"]
            if (p["trial"], p["attempt"]) == key
        ]
        point, words = (
            newest(points, "at"),
            {w: row[w] for w in ("trial", "study", *SENTENCE, "seed", "attempt", "tasks")},
        )
        words |= {name: sent.get(name) for name in ("backend", "job_id", "submitted_at")}
        words |= {name: point.get(name) for name in ("task", "step", "loss", "pairs_per_s")}
        words["written_at"] = max((p["written_at"] for p in points), default=None)
        seconds = usual.get(tuple(row[w] for w in SENTENCE))
        end = sent["submitted_at"].timestamp() + seconds if sent and seconds is not None else None
        found.append(words | {"expected_s": seconds, "expected_end": end})
    return found


@answers
def completion(facts: Facts) -> list[Row]:
    """When it ends depends on the clock."""
    left = [
        {"study": row["study"], "pending": 1, "seconds": row["seconds"]} for row in forecast(facts)
    ]
    now = [
        {"study": row["study"], "pending": 0, "seconds": over(row["expected_s"], 2)}
        for row in running(facts)
    ]
    found = []
    for (study,), rows in grouped(left + now, "study").items():
        known = [row["seconds"] for row in rows if row["seconds"] is not None]
        row = {
            "study": study or "(none)",
            "pending": sum(r["pending"] for r in rows),
            "running": sum(not r["pending"] for r in rows),
        }
        row |= {
            "unknown": len(rows) - len(known),
            "remaining_s": math.fsum(known) if known else None,
        }
        found.append(row | {"expected_end": UNTOLD if known and now else None})
    return found


@answers
def grid_cost(facts: Facts, seeds: int = 3, first_seed: int = 0, **lists: str | None) -> list[Row]:
    used = {word: {t[word] for t in facts.trials.values()} for word in SENTENCE}
    asked: dict[str, Any] = {word: lists.get(f"{word}s") or lists.get(word) for word in SENTENCE}
    names = [
        sorted(used[w] if asked[w] is None else set(asked[w].split(",")) & set(facts.by_name(w)))
        for w in SENTENCE
    ]
    usual = [row for row in usual_cost(facts) if row["newest"]]
    of_kind, declared = grouped(usual, *SENTENCE), grouped(facts.trials.values(), *SENTENCE)
    for one in usual:
        one["parts"] = passes(facts, one["method"])
    of_kin = grouped(usual, "backbone", "stream", "recipe", "budget", "parts")
    of_method = {tuple(r[w] for w in COMBINATION): r for r in pace(facts) if r["newest"]}
    found = []
    for key in product(*names):
        row = named(SENTENCE, key)
        budget, tasks = (
            facts.by_name("budget")[row["budget"]],
            facts.by_name("stream")[row["stream"]]["tasks"],
        )
        unit = {"steps": 1, "pairs": facts.by_name("recipe")[row["recipe"]]["batch_pairs"]}.get(
            budget["unit"]
        )
        row["steps"] = None if unit is None else round(budget["total"] / (tasks * unit)) * tasks
        row["new"] = seeds - sum(
            first_seed <= t["seed"] < first_seed + seeds for t in declared.get(key, [])
        )
        kin = of_kind.get(key) or of_kin.get(
            (
                *(row[w] for w in ("backbone", "stream", "recipe", "budget")),
                passes(facts, row["method"]),
            ),
            [],
        )
        row["based_on"] = sum(r["trials"] for r in kin)
        for name, source, unit_ in (("seconds", "seconds", 1.0), ("gflops", "pflops", 1e6)):
            row[name] = (
                math.fsum(r[source] * r["trials"] for r in kin) / row["based_on"] * unit_
                if kin
                else None
            )
        method = of_method.get(tuple(row[w] for w in COMBINATION))
        if key not in of_kind and method is not None and row["steps"] is not None:
            row["seconds"] = row["steps"] * method["step_s"] + tasks * method["task_s"]
            row["based_on"] = method["trials"]
        row["hours"] = None if row["seconds"] is None else row["new"] * row["seconds"] / 3600
        found.append(row)
    return found


@answers
def grid_total(facts: Facts, seeds: int = 3, first_seed: int = 0, **lists: str | None) -> list[Row]:
    rows = grid_cost(facts, seeds=seeds, first_seed=first_seed, **lists)
    known = [row for row in rows if row["hours"] is not None]
    total_ = {
        "combinations": len(rows),
        "new": total(rows, "new"),
        "hours": total(known, "hours") if known else None,
    }
    return (
        [total_ | {"unknown": total((row for row in rows if row["hours"] is None), "new")}]
        if rows
        else []
    )
