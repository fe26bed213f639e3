"""What was spent: by phase, by kind of trial, by study."""

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
    named,
    over,
    total,
)
from tests.queries.recomputed.matrix import continual
from tests.queries.recomputed.prices import COMBINATION, price, steps
from tests.queries.recomputed.seeds import half


def done(facts: Facts) -> dict[int, Row]:
    """Trial -> how the newest of its attempts that are done ended."""
    ends = [row for row in facts["outcome"] if row["state"] == "done"]
    return {
        trial: max(rows, key=lambda r: str(r["finished_at"] or ""))
        for (trial,), rows in grouped(ends, "trial").items()
    }


def peak(rows: list[Row]) -> int | None:
    return max((row["peak_bytes"] for row in rows if row["peak_bytes"] is not None), default=None)


@answers
def costs(facts: Facts) -> list[Row]:
    found = []
    for (trial, phase), rows in grouped(facts["cost"], "trial", "phase").items():
        held = [
            row
            for row in rows
            if facts.holds.get((trial, row["task"]), (None,))[0] == row["attempt"]
        ]
        own = [row for row in held if not row["shared"]]
        row = {
            "trial": trial,
            "phase": phase,
            "flops": total(rows, "flops"),
            "seconds": total(rows, "seconds"),
            "peak_bytes": peak(rows),
        }
        row["lost_flops"] = total((r for r in rows if r not in held), "flops")
        row |= {
            "held_flops": total(held, "flops") if held else None,
            "held_s": total(held, "seconds") if held else None,
        }
        row |= {
            "done_flops": total(own, "flops") if own else None,
            "done_s": total(own, "seconds") if own else None,
        }
        repeated = sum(len(same) > 1 for same in grouped(rows, "task", "attempt").values())
        found.append(row | {"held_peak_bytes": peak(held), "repeated": repeated})
    return found


@answers
def reckoned_costs(facts: Facts) -> list[Row]:
    return costs(facts)


@answers
def finished(facts: Facts) -> list[Row]:
    found = []
    for trial, end in done(facts).items():
        rows = [row for row in facts["cost"] if row["trial"] == trial]
        learning = [row for row in rows if row["phase"] != "evaluate"]
        if rows and trial in facts.trials:
            row = {word: facts.trials[trial][word] for word in ("trial", *SENTENCE)}
            row |= {
                "device": end["device"] or "unknown",
                "finished_at": end["finished_at"],
                "seconds": total(rows, "seconds"),
                "step_phases_s": total(
                    (r for r in rows if r["phase"] in ("train", "score", "repair")), "seconds"
                ),
            }
            found.append(
                row
                | {
                    "flops": total(learning, "flops") if learning else None,
                    "peak_bytes": peak(learning),
                }
            )
    return found


@answers
def usual_cost(facts: Facts) -> list[Row]:
    found = []
    for key, rows in grouped(finished(facts), *SENTENCE, "device").items():
        seconds = [row["seconds"] for row in rows]
        row = named((*SENTENCE, "device"), key) | {
            "trials": len(rows),
            "seconds": mean(seconds),
            "peak_bytes": peak(rows),
        }
        row["spread_s"] = statistics.stdev(seconds) if len(rows) > 1 else None
        row["pflops"] = over(mean(r["flops"] for r in rows), 1e15)
        found.append(
            row | {"at": max((r["finished_at"] for r in rows if r["finished_at"]), default=None)}
        )
    for alike in grouped(found, *SENTENCE).values():
        last = min(alike, key=lambda r: (-(r["at"].timestamp() if r["at"] else 0), r["device"]))
        for row in alike:
            row["newest"] = row is last
            del row["at"]
    return found


def paced(facts: Facts) -> list[Row]:
    """Finished trials whose steps are known, with their seconds per step and per task."""
    bought = {
        tuple(r[w] for w in (*COMBINATION, "budget", "tasks")): r["steps"] for r in steps(facts)
    }
    found = []
    for row in finished(facts):
        tasks = facts.by_name("stream")[row["stream"]]["tasks"]
        count = bought[(*(row[w] for w in COMBINATION), row["budget"], tasks)]
        if count is not None and count > 0:
            rest = row["seconds"] - row["step_phases_s"]
            pace_ = {"step_s": row["step_phases_s"] / (count * tasks), "task_s": rest / tasks}
            found.append(row | pace_)
    return found


@answers
def pace(facts: Facts) -> list[Row]:
    found = []
    for key, rows in grouped(paced(facts), *COMBINATION, "device").items():
        step, task = ([row[name] for row in rows] for name in ("step_s", "task_s"))
        row = named((*COMBINATION, "device"), key) | {"trials": len(rows)}
        row |= {"step_s": mean(step), "task_s": mean(task)}
        several = len(rows) > 1
        row["step_variance"] = statistics.variance(step) if several else None
        row["task_variance"] = statistics.variance(task) if several else None
        row["covariance"] = statistics.covariance(step, task) if several else None
        at = max((r["finished_at"] for r in rows if r["finished_at"]), default=None)
        found.append(row | {"at": at})
    for alike in grouped(found, *COMBINATION).values():
        last = min(alike, key=lambda r: (-(r["at"].timestamp() if r["at"] else 0), r["device"]))
        for row in alike:
            row["newest"] = row is last
            del row["at"]
    return found


def passes(facts: Facts, method: str) -> tuple[Any, ...]:
    """The parts of a method that may pass over pairs once per task."""
    row = facts.by_name("method")[method]
    return tuple(row[k] for k in ("objective", "objective_params", "repair", "repair_params"))


@answers
def phases(facts: Facts) -> list[Row]:
    ended = done(facts)
    spent = [
        row | facts.trials[row["trial"]]
        for row in costs(facts)
        if row["held_flops"] is not None and row["trial"] in ended
    ]
    found = []
    for key, rows in grouped(spent, *SENTENCE, "phase").items():
        row = named((*SENTENCE, "phase"), key) | {
            "trials": len(rows),
            "gflops": over(mean(r["held_flops"] for r in rows), 1e9),
        }
        highest = max(
            (r["held_peak_bytes"] for r in rows if r["held_peak_bytes"] is not None), default=None
        )
        found.append(
            row | {"seconds": mean(r["held_s"] for r in rows), "peak_gb": over(highest, 1e9)}
        )
    return found


@answers
def search_cost(facts: Facts) -> list[Row]:
    spent = [
        row | {"study": facts.trials[row["trial"]]["study"]}
        for row in facts["cost"]
        if row["trial"] in facts.trials
    ]
    found = []
    for (study,), rows in grouped(spent, "study").items():
        gone = [
            row
            for row in rows
            if facts.holds.get((row["trial"], row["task"]), (None,))[0] != row["attempt"]
        ]
        flops = total(rows, "flops")
        row = {
            "study": study,
            "trials": len({row["trial"] for row in rows}),
            "pflops": flops / 1e15,
        }
        row["evaluate_pflops"] = (
            total((r for r in rows if r["phase"] == "evaluate"), "flops") / 1e15
        )
        found.append(
            row
            | {
                "hours": total(rows, "seconds") / 3600,
                "lost_share": over(total(gone, "flops"), flops),
            }
        )
    return found


def trunk_of(facts: Facts, trial: Row) -> tuple[str, ...]:
    """All that a training depends on: not what is made of its weights afterwards, nor what is measured."""
    method = facts.by_name("method")[trial["method"]]
    trains = [
        method[k]
        for k in (
            "tuning",
            "tuning_params",
            "objective",
            "objective_params",
            "repair",
            "repair_params",
            "start",
        )
    ]
    merges = [method["merging"], method["merging_params"]]
    trains += (
        merges
        if method["start"] == "merged" or method["merging"] in ("ema_step", "every_k")
        else []
    )
    words = ("backbone", "sequence", "tasks", "mixture", "recipe", "budget", "seed")
    return tuple(map(str, (*(trial[word] for word in words), *trains)))


@answers
def sharing(facts: Facts) -> list[Row]:
    found = []
    for (study,), rows in grouped(facts.trials.values(), "study").items():
        held = [
            [c for c in facts.held_costs(row["id"]) if c["phase"] not in ("evaluate", "merge")]
            for row in rows
        ]
        spent = [c for own in held for c in own]
        own = [c for c in spent if not c["shared"]]
        row = {
            "study": study or "(none)",
            "trials": len(rows),
            "trunks": len({trunk_of(facts, row) for row in rows}),
        }
        row |= {
            "begun": sum(bool(own) for own in held),
            "done_share": over(total(own, "flops"), total(spent, "flops")),
        }
        row |= {
            "charged_pflops": total(spent, "flops") / 1e15,
            "done_pflops": total(own, "flops") / 1e15,
        }
        found.append(
            row
            | {
                "charged_hours": total(spent, "seconds") / 3600,
                "done_hours": total(own, "seconds") / 3600,
            }
        )
    return found


@answers
def beside_full(facts: Facts, budget: str | None = None, stream: str | None = None) -> list[Row]:
    ended = done(facts)
    spent = {}
    for key, rows in grouped(facts.trials.values(), *SENTENCE).items():
        held = [
            [c for c in facts.held_costs(row["id"]) if c["phase"] != "evaluate"]
            for row in rows
            if row["id"] in ended
        ]
        there = [own for own in held if own]
        if there:
            spent[key] = [mean(total(own, name) for own in there) for name in ("flops", "seconds")]
    profiled = {
        tuple(p[w] for w in ("backbone", "mixture", "method", "recipe")): p["multiplier"]
        for p in price(facts)
    }
    found = []
    for key, rows in facts.cells.items():
        row = named(SENTENCE, key)
        counts = [n for n in (sum(r[m] is not None for r in rows) for m in ("a_ka", "a_zs")) if n]
        if not counts or budget not in (None, row["budget"]) or stream not in (None, row["stream"]):
            continue
        row |= {"seeds": min(counts), "few_seeds": min(counts) < 3}
        for measure in ("a_ka", "a_zs"):
            values = [r[measure] for r in rows]
            row |= {measure: mean(values), f"{measure}_half": half(values)}
        alike = ("backbone", "stream", "mixture", "budget")
        plain = [
            s
            for k, s in spent.items()
            if named(SENTENCE, k)["method"] == "finetune"
            and all(named(SENTENCE, k)[w] == row[w] for w in alike)
        ]
        for place, name in enumerate(("flops_ratio", "seconds_ratio")):
            row[name] = over(spent.get(key, [None, None])[place], mean(s[place] for s in plain))
        row["memory_multiplier"] = profiled.get(
            tuple(row[w] for w in ("backbone", "mixture", "method", "recipe"))
        )
        found.append(row)
    return found


def searched_with(facts: Facts) -> dict[str, set[str]]:
    """The streams whose trials are search for a stream: itself, and those it is tied to by `validation`."""
    tied = {row["name"]: {row["name"]} for row in facts["stream"]}
    for row in facts["stream"]:
        if row["validation"] is not None:
            tied[row["name"]].add(row["validation"])
            tied.setdefault(row["validation"], set()).add(row["name"])
    return tied


@answers
def search_frontier(facts: Facts) -> list[Row]:
    spent: dict[tuple[str, ...], dict[int, float]] = {}
    tied = searched_with(facts)
    for row in facts["cost"]:
        trial = facts.trials.get(row["trial"])
        for stream in tied[trial["stream"]] if trial else ():
            key = (trial["backbone"], stream, trial["method"])
            own = spent.setdefault(key, {})
            own[row["trial"]] = own.get(row["trial"], 0.0) + row["flops"]
    learned = [row for row in continual(facts) if row["label_space"] == "all"]
    at_once = grouped(learned, *SENTENCE)
    found = []
    for key, rows in facts.cells.items():
        values = [row["a_ka"] for row in rows if row["a_ka"] is not None]
        words = named(SENTENCE, key)
        own = spent.get((words["backbone"], words["stream"], words["method"]))
        if not values or own is None:
            continue
        error, width = 1 - statistics.fmean(values), half(values)
        row = words | {"seeds": len(values), "few_seeds": len(values) < 3, "error": error}
        row |= {"searched": len(own), "search_gflops": math.fsum(own.values()) / 1e9}
        row |= {"gflops": (mean(one["spent_flops"] for one in rows) or 0.0) / 1e9}
        row |= {"error_low": None, "error_high": None}
        if width is not None:
            row |= {"error_low": error - width, "error_high": error + width}
        first = mean(one["acc_learn"] for one in at_once.get(key, []))
        found.append(row | {"error_when_learned": None if first is None else 1 - first})
    for alike in grouped(found, "backbone", "stream").values():
        for row in alike:
            row["pareto"] = not any(_cheaper_and_better(other, row) for other in alike)
    return found


@answers
def inference(facts: Facts) -> list[Row]:
    found = []
    for key, rows in facts.cells.items():
        words = named(SENTENCE, key)
        flops: dict[tuple[str, bool], list[float]] = {}
        for row in facts["statistic"]:
            trial = facts.trials.get(row["trial"])
            if row["name"] != "inference_flops" or trial is None:
                continue
            tasks = facts.by_name("stream")[trial["stream"]]["tasks"]
            if all(trial[word] == words[word] for word in SENTENCE) and row["task"] in (0, tasks):
                flops.setdefault((row["part"], row["task"] == 0), []).append(row["value"])
        values = {name: [row[name] for row in rows if row[name] is not None] for name in KEPT}
        if ("image", False) not in flops or not all(values.values()):
            continue
        of_image, of_text = (mean(flops.get((part, False), [])) for part in ("image", "text"))
        first = mean(flops.get(("image", True), []))
        row = words | {"seeds": len(values["a_ka"]), "few_seeds": len(values["a_ka"]) < 3}
        row |= {"image_gflops": (of_image or 0.0) / 1e9, "image_ratio": over(of_image, first)}
        row |= {"text_gflops": None if of_text is None else of_text / 1e9}
        found.append(row | {name: statistics.fmean(values[name]) for name in KEPT})
    for alike in grouped(found, "backbone", "stream").values():
        for row in alike:
            row["pareto"] = not any(_cheaper_inference(other, row) for other in alike)
    return found


# What a method learns and keeps
KEPT = ("a_ka", "a_zs")


def _cheaper_inference(other: Row, row: Row) -> bool:
    """Whether another costs no more an image and reaches no less, and is strictly better in one of these."""
    pairs = [(other["image_gflops"], row["image_gflops"])]
    pairs += [(-other[name], -row[name]) for name in KEPT]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def _cheaper_and_better(other: Row, row: Row) -> bool:
    """Whether another took no more search and errs no more, and is strictly better in one of these."""
    pairs = [(other[key], row[key]) for key in ("search_gflops", "error")]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
