"""Published numbers beside ours."""

import json

from tests.queries.recomputed.facts import Facts, Row, answers, grouped, mean
from tests.queries.recomputed.matrix import continual

AXES = ("backbone", "budget", "dataset", "method", "mixture", "recipe", "stream", "suite")
OURS = (*AXES, "task")


def words_of(setting: str) -> Row | None:
    try:
        said = json.loads(setting)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


SUMMARIES = ("a_ka", "a_zs", "transfer", "acc_all", "acc_final")


@answers
def published(facts: Facts) -> list[Row]:
    found = []
    for (source, setting), rows in grouped(facts["reference_result"], "source", "setting").items():
        words = words_of(setting) or {}
        said = {row["metric"]: row for row in rows if row["metric"] in SUMMARIES}
        if "dataset" in words or not (
            {"a_ka", "a_zs"} <= set(said) or set(said) & {*SUMMARIES[2:]}
        ):
            continue
        row = {"source": source, "setting": setting}
        row |= {word: words.get(word) for word in ("backbone", "stream")}
        row["method"] = words.get("method", words.get("system"))
        for metric in SUMMARIES:
            row[metric] = said[metric]["value"] if metric in said else None
        row["provenance"] = min(one["provenance"] for one in said.values())
        row["url"] = next(iter(said.values()))["url"]
        found.append(row)
    return found


@answers
def reproduced(facts: Facts, tolerance: float = 0.005) -> list[Row]:
    ends = {row["trial"]: row for row in continual(facts)}
    points = {(row["trial"], row["task"]): row for row in facts.path}
    values = {
        (row["trial"], row["task"], row["dataset"], row["metric"]): row["value"]
        for row in facts.finals
        if row["label_space"] == "all"
    }
    found = []
    for row in facts["reference_result"]:
        words = words_of(row["setting"])
        strange = [] if words is None else sorted(set(words) - set(OURS))
        strange = strange or absent(facts, words or {})
        ours: list[float] = []
        for trial in facts.trials.values():
            if (
                words is None
                or strange
                or row["provenance"] == "unverified"
                or not {"backbone", "stream"} & set(words)
            ):
                break
            if not _fits(trial, words):
                continue
            task = int(words.get("task", trial["tasks"]))
            if "dataset" in words:
                value = values.get((trial["id"], task, words["dataset"], row["metric"]))
            elif row["metric"] in ("a_ka", "a_zs", "gm"):
                value = points.get((trial["id"], task), {}).get(row["metric"])
            else:
                value = (
                    ends.get(trial["id"], {}).get(row["metric"]) if task == trial["tasks"] else None
                )
            ours += [] if value is None else [value]
        here = mean(ours)
        said = {
            name: row[name] for name in ("source", "setting", "metric", "provenance", "url")
        } | {"published": row["value"]}
        said |= {
            "trials": len(ours),
            "ours": here,
            "difference": None if here is None else here - row["value"],
        }
        found.append(said | {"verdict": _verdict(row, words, strange, here, tolerance)})
    return found


def absent(facts: Facts, words: Row) -> list[str]:
    """Return what names of a setting no row has, each with its axis."""
    missing = []
    for axis in AXES:
        names = {row["name"].lower() if axis == "method" else row["name"] for row in facts[axis]}
        name = words.get(axis, "")
        if axis in words and (name.lower() if axis == "method" else name) not in names:
            missing.append(f"no {axis} {name}")
    return missing


def _fits(trial: Row, words: Row) -> bool:
    named = {key: value for key, value in words.items() if key not in ("dataset", "task", "method")}
    return (
        all(trial[key] == value for key, value in named.items())
        and words.get("method", trial["method"]).lower() == trial["method"].lower()
    )


def _verdict(
    row: Row, words: Row | None, strange: list[str], ours: float | None, tolerance: float
) -> str:
    if row["provenance"] == "unverified":
        return "not compared: unverified"
    if words is None:
        return "not compared: not a JSON object"
    if strange:
        return f"not compared: {', '.join(strange)}"
    if ours is None:
        return "not measured"
    return "reproduced" if abs(ours - row["value"]) <= tolerance else "differs"
