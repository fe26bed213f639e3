"""Along the stream: what was had on the way, what was lost, at what cost a target was reached."""

import math
from itertools import pairwise

from tests.queries.recomputed.facts import (
    SENTENCE,
    Facts,
    Row,
    answers,
    grouped,
    less,
    mean,
    named,
    of_members,
    over,
)
from tests.queries.recomputed.matrix import task_matrix
from tests.queries.recomputed.seeds import chosen

WORDS = ("study", *SENTENCE, "seed", "trial")


@answers
def anytime(facts: Facts) -> list[Row]:
    """Areas over what was spent between the first point and the last, by trapezoids."""
    found = []
    for _, rows in grouped(facts.path, "trial").items():
        rows.sort(key=lambda row: row["task"])
        last = rows[-1]
        if last["task"] != last["tasks"]:
            continue
        known = [row for row in rows if row["a_zs"] is not None]
        worst = min(
            known, key=lambda row: (row["a_zs"], row["task"]), default={"a_zs": None, "task": None}
        )
        spent = last["spent_flops"] - rows[0]["spent_flops"]
        row = {word: last[word] for word in WORDS} | {
            "zs_end": last["a_zs"],
            "zs_min": worst["a_zs"],
            "zs_min_task": worst["task"],
        }
        for measure, short in (("a_ka", "ka_auc"), ("a_zs", "zs_auc"), ("gm", "gm_auc")):
            whole = len(rows) == last["tasks"] + 1 and all(r["gm"] is not None for r in rows)
            pairs = list(pairwise(rows))
            area = (
                math.fsum(
                    (x[measure] + y[measure]) / 2 * (y["spent_flops"] - x["spent_flops"])
                    for x, y in pairs
                )
                if whole
                else None
            )
            row[short] = over(area, spent)
        found.append(row | {"spent_gflops": last["spent_flops"] / 1e9})
    return found


@answers
def cost_to_target(
    facts: Facts, target: float = 0.5, stream: str | None = None, backbone: str | None = None
) -> list[Row]:
    found = []
    for key, rows in grouped(facts.path, *SENTENCE).items():
        trials = [sorted(own, key=lambda r: r["task"]) for own in grouped(rows, "trial").values()]
        ended = [own for own in trials if own[-1]["task"] == own[-1]["tasks"]]
        if not ended or not chosen(key, stream=stream, backbone=backbone):
            continue
        costs = [_first_at(own, target) for own in ended]
        there = [cost for cost in costs if cost is not None]
        row = named(SENTENCE, key) | {
            "seeds": len(ended),
            "seeds_there": len(there),
            "few_seeds": len(ended) < 3,
        }
        found.append(row | {"gflops": (mean(there) or 0) / 1e9 if there else None})
    return found


def _first_at(rows: list[Row], target: float) -> float | None:
    """Where the line through the measured points first is at the target."""
    points = [(row["spent_flops"], row["a_ka"]) for row in rows if row["a_ka"] is not None]
    if points and points[0][1] >= target:
        return float(points[0][0])
    for (x0, y0), (x1, y1) in pairwise(points):
        if y1 >= target:
            return float(x0 + (target - y0) / (y1 - y0) * (x1 - x0))
    return None


@answers
def forgetting(facts: Facts) -> list[Row]:
    found = []
    for trial, words in facts.trials.items():
        tasks = [task for of, task in facts.holds if of == trial]
        if not tasks:
            continue
        finals = [row for row in facts.finals if row["trial"] == trial]
        for role, members in (
            (r, [m for m in facts.members[words["suite"]] if m["role"] == r])
            for r in ("adapt", "retain", "probe")
        ):
            rows = [_forgotten(finals, member, max(tasks)) for member in members]
            lost = [
                (row["forgotten"], member["weight"])
                for row, member in zip(rows, members, strict=True)
            ]
            whole = all(value is not None for value, _ in lost)
            of_role = (
                math.fsum(v * w for v, w in lost) / math.fsum(w for _, w in lost)
                if whole and lost
                else None
            )
            found += [
                {word: words[word] for word in WORDS} | row | {"role": role, "role_mean": of_role}
                for row in rows
            ]
    return found


def _forgotten(finals: list[Row], member: Row, last: int) -> Row:
    key = ("dataset", "metric", "label_space")
    values = {row["task"]: row["value"] for row in finals if all(row[k] == member[k] for k in key)}
    before = {task: value for task, value in values.items() if task < last}
    best = max(before, key=lambda task: (before[task], -task)) if before else None
    row = {k: member[k] for k in key} | {
        "task": last,
        "best_task": best,
        "best": before.get(best) if before else None,
    }
    return row | {"now": values.get(last), "forgotten": less(row["best"], values.get(last))}


@answers
def lost(
    facts: Facts, dataset: str | None = None, stream: str | None = None, backbone: str | None = None
) -> list[Row]:
    key = ("dataset", "role", "metric", "label_space")
    followed = []
    for values, rows in grouped(facts.finals, "trial", *key).items():
        trial = facts.trials[values[0]]
        of = {row["task"]: row["value"] for row in rows}
        if trial["tasks"] not in of or dataset not in (None, rows[0]["dataset"]):
            continue
        later = {task: value for task, value in of.items() if task}
        worst = min(later, key=lambda task: (later[task], task))
        followed.append(
            trial
            | named(key, values[1:])
            | {"of": of, "worst": later[worst], "worst_task": worst, "last": of[trial["tasks"]]}
        )
    found = []
    for values, rows in grouped(followed, *key, *SENTENCE).items():
        row = named((*key, *SENTENCE), values)
        if stream in (None, row["stream"]) and backbone in (None, row["backbone"]):
            deepest = min(rows, key=lambda r: (r["worst"], r["worst_task"]))
            row |= {
                "seeds": len(rows),
                "few_seeds": len(rows) < 3,
                "untouched": mean(r["of"].get(0) for r in rows),
            }
            row |= {
                "worst": mean(r["worst"] for r in rows),
                "worst_task": deepest["worst_task"],
                "last": mean(r["last"] for r in rows),
            }
            found.append(row | {"lost": mean(less(r["of"].get(0), r["last"]) for r in rows)})
    return found


@answers
def stability_gap(facts: Facts) -> list[Row]:
    key = ("role", "dataset", "metric", "label_space", "fraction")
    found = []
    for values, rows in grouped(
        (r for r in facts.measured if r["weights"] == "deployed"), "trial", *key
    ).items():
        falls = {}
        for task in {row["task"] for row in rows if not row["at_end"]}:
            before = [row["value"] for row in rows if row["task"] == task - 1 and row["at_end"]]
            if before:
                falls[task] = before[0] - min(row["value"] for row in rows if row["task"] == task)
        if falls:
            deepest = max(falls, key=lambda task: (falls[task], -task))
            row = {word: facts.trials[values[0]][word] for word in WORDS} | named(key, values[1:])
            found.append(
                row | {"tasks_watched": len(falls), "gap": falls[deepest], "task": deepest}
            )
    return found


@answers
def during(facts: Facts) -> list[Row]:
    """Of the members of suites with a subset: means over the smaller part of each test set, the same after every task."""
    parts = {row["name"] for row in facts["suite"] if row["subset"] < 1}
    found = []
    rows = [
        r
        for r in facts.measured
        if r["weights"] == "deployed" and r["at_end"] and facts.trials[r["trial"]]["suite"] in parts
    ]
    for (trial, task), there in grouped(rows, "trial", "task").items():
        smallest = [
            min(own, key=lambda r: r["fraction"])
            for own in grouped(there, "dataset", "metric", "label_space").values()
        ]
        row: Row = {"trial": trial, "task": task}
        row["share"] = sum(r["examples"] for r in smallest) / sum(
            r["examples"] / r["fraction"] for r in smallest
        )
        for role, short in (("adapt", "a_ka"), ("retain", "a_zs")):
            own = [r for r in smallest if r["role"] == role]
            wanted = [m for m in facts.members[facts.trials[trial]["suite"]] if m["role"] == role]
            row |= {
                short: of_members(own, wanted),
                f"{role}_measured": len(own),
                f"{role}_wanted": len(wanted),
            }
        both = row["a_ka"] is not None and row["a_zs"] is not None
        found.append(row | {"gm": math.sqrt(row["a_ka"] * row["a_zs"]) if both else None})
    return found


@answers
def curve(facts: Facts) -> list[Row]:
    found = []
    for row in facts["progress"]:
        before = 0
        for task in range(1, row["task"]):
            trained = [
                c
                for c in facts["cost"]
                if (c["trial"], c["task"], c["phase"]) == (row["trial"], task, "train")
            ]
            before += max((c["steps"] for c in trained), default=0)
        columns = ("trial", "attempt", "task", "step", "loss", "lr", "pairs_per_s", "written_at")
        found.append({name: row[name] for name in columns} | {"at_step": row["step"] + before})
    return found


@answers
def heat(facts: Facts) -> list[Row]:
    valued = [
        row | {"item": f"task {row['learned']}", "place": row["learned"], "role": None}
        for row in task_matrix(facts)
    ]
    for row in facts.finals:
        words = facts.trials[row["trial"]]
        same = [
            m
            for m in facts.members[words["suite"]]
            if (m["dataset"], m["label_space"]) == (row["dataset"], row["label_space"])
        ]
        item = row["dataset"] if len(same) == 1 else f"{row['dataset']} {row['metric']}"
        valued.append(row | words | {"item": item, "place": None})
    columns = (*SENTENCE, "label_space", "role", "item", "place", "task")
    found = []
    for key, rows in grouped(valued, *columns).items():
        n = sum(row["value"] is not None for row in rows)
        found.append(
            named(columns, key) | {"seeds": n, "value": mean(row["value"] for row in rows)}
        )
    return found


@answers
def heat_difference(
    facts: Facts,
    method_a: str = "",
    mixture_a: str = "",
    recipe_a: str = "",
    method_b: str = "",
    mixture_b: str = "",
    recipe_b: str = "",
) -> list[Row]:
    shared = ("backbone", "stream", "budget", "label_space", "role", "item", "place", "task")
    sides = []
    for words in ((method_a, mixture_a, recipe_a), (method_b, mixture_b, recipe_b)):
        rows = [
            row for row in heat(facts) if (row["method"], row["mixture"], row["recipe"]) == words
        ]
        sides.append({tuple(row[name] for name in shared): row["value"] for row in rows})
    a, b = sides
    return [
        named(shared, key)
        | {"value_a": a[key], "value_b": b[key], "difference": less(a[key], b[key])}
        for key in a
        if key in b
    ]


@answers
def mixing(facts: Facts) -> list[Row]:
    held = {}
    for row in facts["statistic"]:
        if facts.holds.get((row["trial"], row["task"]), (None,))[0] == row["attempt"]:
            held[row["trial"], row["task"], row["name"], row["part"]] = row["value"]
    found = []
    for (trial, task, name, part), value in held.items():
        if name != "mixing_share":
            continue
        segment, source = part.split()
        counted = held.get((trial, task, "held_out_pairs", source))
        row = {"trial": trial, "mixture": facts.trials[trial]["mixture"], "task": task}
        row |= {"segment": int(segment), "source": source, "share": value}
        row["loss"] = held.get((trial, task, "mixing_loss", part))
        found.append(row | {"held_out_pairs": None if counted is None else int(counted)})
    return found
