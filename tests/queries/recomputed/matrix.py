"""The matrix of tasks, and the measures of continual learning on it; the image index beside the deployed weights."""

import math
import re
import statistics
from typing import Any

from tests.queries.recomputed.facts import SENTENCE, Facts, Row, answers, grouped, less, mean, named
from tests.queries.recomputed.seeds import half

WORDS = ("study", *SENTENCE, "seed", "trial")


def brought_in(facts: Facts, stream: Row) -> dict[int, dict[str, set[str]]]:
    """Return for each task the concepts that it brings, by dataset; empty if tasks outnumber them."""
    places = [row for row in facts["sequence_concept"] if row["sequence"] == stream["sequence"]]
    places.sort(key=lambda row: row["position"])
    size, longer = divmod(len(places), stream["tasks"])
    found: dict[int, dict[str, set[str]]] = {}
    for task in range(1, stream["tasks"] + 1 if size else 1):
        take = size + (task <= longer)
        for row in places[:take]:
            found.setdefault(task, {}).setdefault(row["dataset"], set()).add(row["concept"])
        places = places[take:]
    return found


def is_whole(facts: Facts, stream: Row, dataset: str, concepts: set[str]) -> bool:
    rows = [row for row in facts["sequence_concept"] if row["sequence"] == stream["sequence"]]
    return concepts == {row["concept"] for row in rows if row["dataset"] == dataset}


@answers
def task_dataset(facts: Facts) -> list[Row]:
    found = []
    for stream in facts["stream"]:
        for task, datasets in brought_in(facts, stream).items():
            for dataset, concepts in datasets.items():
                row = {"stream": stream["name"], "tasks": stream["tasks"], "task": task}
                row["whole"] = is_whole(facts, stream, dataset, concepts)
                found.append(row | {"dataset": dataset})
    return found


def learned_in(facts: Facts) -> dict[str, dict[str, list[int]]]:
    """Return for each stream whose tasks each bring whole datasets the tasks that bring each."""
    found: dict[str, dict[str, list[int]]] = {}
    for (stream,), rows in grouped(task_dataset(facts), "stream").items():
        if all(row["whole"] for row in rows):
            for row in rows:
                tasks = found.setdefault(stream, {}).setdefault(row["dataset"], [])
                tasks.append(row["task"])
    return found


@answers
def task_matrix(facts: Facts) -> list[Row]:
    brought = learned_in(facts)
    cells: dict[tuple[Any, ...], list[Row]] = {}
    for row in facts.finals:
        tasks = brought.get(facts.trials[row["trial"]]["stream"], {}).get(row["dataset"], [])
        for task in tasks if row["role"] == "adapt" else []:
            cells.setdefault((row["trial"], row["label_space"], row["task"], task), []).append(row)
    found = []
    for (trial, label_space, task, learned), rows in cells.items():
        words = facts.trials[trial]
        columns = brought[words["stream"]]
        wanted = [
            member
            for member in facts.members[words["suite"]]
            if member["role"] == "adapt"
            and member["label_space"] == label_space
            and learned in columns.get(member["dataset"], [])
        ]
        weight = math.fsum(row["weight"] for row in rows)
        value = math.fsum(row["value"] * row["weight"] for row in rows) / weight
        row = {word: words[word] for word in WORDS} | {"label_space": label_space, "task": task}
        row |= {"learned": learned, "value": value if len(rows) == len(wanted) else None}
        found.append(row)
    return found


@answers
def continual(facts: Facts) -> list[Row]:
    found = []
    for _, rows in grouped(task_matrix(facts), "trial", "label_space").items():
        trial = facts.trials[rows[0]["trial"]]
        size = trial["tasks"]
        r = {(row["task"], row["learned"]): row["value"] for row in rows}
        if any(r.get((t, e)) is None for t in range(size + 1) for e in range(1, size + 1)):
            continue
        row = {word: trial[word] for word in WORDS} | {
            "label_space": rows[0]["label_space"],
            "tasks": size,
        }
        found.append(row | scores(r, size))
    return found


def scores(r: dict[tuple[int, int], float], size: int) -> dict[str, float | None]:
    """Of R[t, e]: the value of column e after task t, 0 the untouched backbone (metrics D.2)."""
    all_ = range(1, size + 1)
    return {
        "acc_final": mean(r[size, e] for e in all_),
        "acc_all": mean(r[t, e] for t in all_ for e in all_),
        "acc_inc": mean(mean(r[t, e] for e in range(1, t + 1)) for t in all_),
        "acc_learn": mean(r[e, e] for e in all_),
        "transfer": mean(mean(r[t, e] for t in range(1, e)) for e in all_ if e >= 2),
        "tic_forward": mean(r[t, e] for t in all_ for e in all_ if t < e),
        "tic_backward": mean(r[t, e] for t in all_ for e in all_ if t > e),
        "bwt": mean(r[size, e] - r[e, e] for e in all_ if e < size),
        "fwt_zs": mean(r[e - 1, e] - r[0, e] for e in all_ if e >= 2),
        "forgotten_mean": mean(
            max(r[t, e] for t in range(e, size)) - r[size, e] for e in all_ if e < size
        ),
    }


@answers
def rebuild_index(facts: Facts) -> list[Row]:
    probed = []
    for key, rows in grouped(facts.finals, "trial", "task", "dataset", "label_space").items():
        named_ = [
            re.fullmatch(r"(index|index_shifted|text_to_image)_r(\d+)", row["metric"])
            for row in rows
        ]
        for rank in {int(name[2]) for name in named_ if name}:
            of = {
                name[1]: row["value"]
                for name, row in zip(named_, rows, strict=True)
                if name and int(name[2]) == rank
            }
            probed.append(
                named(("trial", "task", "dataset", "label_space"), key) | {"rank": rank} | of
            )
    first = {
        (p["trial"], p["dataset"], p["label_space"], p["rank"]): p.get("text_to_image")
        for p in probed
        if p["task"] == 0
    }
    whole = []
    for row in probed:
        before = first.get((row["trial"], row["dataset"], row["label_space"], row["rank"]))
        recalls = [row.get(name) for name in ("index", "index_shifted", "text_to_image")]
        if row["task"] and before is not None and None not in recalls:
            kept, shifted, rebuilt = recalls
            more = {"kept": kept, "shifted": shifted, "rebuilt": rebuilt, "before": before}
            best = max(kept, shifted)
            whole.append(
                facts.trials[row["trial"]]
                | row
                | more
                | {"fall": before - best, "gain": rebuilt - best}
            )
    key = (*SENTENCE, "dataset", "label_space", "rank", "task")
    found = []
    for values, rows in grouped(whole, *key).items():
        falls = [row["fall"] for row in rows]
        middle, width, gains = (
            statistics.fmean(falls),
            half(falls),
            statistics.fmean(row["gain"] for row in rows),
        )
        row = named(key, values) | {
            "seeds": len(rows),
            "few_seeds": len(rows) < 3,
            "falls": middle,
            "rebuilding_gains": gains,
        }
        row |= {
            name: mean(r[name] for r in rows) for name in ("before", "kept", "shifted", "rebuilt")
        }
        row |= {
            "falls_low": less(middle, width),
            "falls_high": None if width is None else middle + width,
        }
        row["must"] = (
            "no"
            if middle <= 0 or gains <= 0
            else "yes"
            if width is not None and middle > width
            else "open"
        )
        found.append(row)
    return found


@answers
def connectivity(facts: Facts) -> list[Row]:
    of: dict[tuple[Any, ...], dict[str, float]] = {}
    for row in facts.finals:
        place, _, metric = row["metric"].rpartition("_")
        key = (row["trial"], row["dataset"], row["label_space"], metric, row["task"])
        of.setdefault(key, {})[place or "now"] = row["value"]
    each = []
    for key, values in of.items():
        before = of.get((*key[:-1], key[-1] - 1), {}).get("now")
        if before is None or len(values) < 4:
            continue
        way = [before, *(values[f"between{part}"] for part in (25, 50, 75)), values["now"]]
        falls = [way[0] + (way[4] - way[0]) * n / 4 - value for n, value in enumerate(way)]
        row = named(("trial", "dataset", "label_space", "metric", "task"), key)
        row |= named(("before", "between25", "between50", "between75", "now"), way)
        row |= {"ridge": max(falls), "better": max(way) - way[4]}
        each.append(facts.trials[key[0]] | row)
    found = []
    key_ = (*SENTENCE, "dataset", "label_space", "metric", "task")
    for values_, rows in grouped(each, *key_).items():
        ridges = [row["ridge"] for row in rows]
        middle, width = statistics.fmean(ridges), half(ridges)
        row = named(key_, values_) | {"seeds": len(rows), "few_seeds": len(rows) < 3}
        for name in ("before", "between25", "between50", "between75", "now", "ridge", "better"):
            row[name] = mean(one[name] for one in rows)
        row["ridge_low"] = less(middle, width)
        row["ridge_high"] = None if width is None else middle + width
        found.append(row)
    return found
