"""Classify the columns of an answer: keys, intervals, judgements; and give them headings."""

import re
from collections.abc import Mapping, Sequence

from schema.questions import Question

# The words of a sentence, in the order in which a table shows them
NAMES = ("method", "mixture", "recipe", "backbone", "stream", "budget")
# Columns of ranks, which a table shows first
ORDERS = ("urgency", "rank", "place", "trial", "attempt")
# Columns that hold a judgement of a row
JUDGEMENTS: tuple[str, ...] = (
    "verdict",
    "state",
    "winner",
    "must",
    "pareto",
    "best_trade",
    "sure",
    "with_best",
)
JUDGEMENTS += ("complete", "reason", "kind", "problem", "seeds", "pairs", "difference", "gflops")
# Columns that a table shows last, since they explain others
MINOR: tuple[str, ...] = (
    "few_seeds",
    "deviation",
    "look",
    "counted",
    "all_pairs",
    "optimism",
    "others",
    "spec_id",
)
MINOR += ("resolution", "recipe_a", "recipe_b", "label_space", "fraction", "at_recipe", "url")
# Columns of intervals that are not named after their value, and the values they may belong to
BARE = {"low": "high", "lowest": "highest"}
BARE_VALUES = ("interquartile_mean", "mean", "rank", "probability", "share")
# Endings of columns' names, and the units that their headings show
UNITS = {
    "_gflops": "GFLOPs",
    "_pflops": "PFLOPs",
    "_flops": "FLOPs",
    "_per_s": "per second",
    "_s": "s",
    "_minutes": "min",
    "_gb": "GB",
    "_bytes": "bytes",
    "_j": "J",
}
# Columns whose name is itself a unit
WHOLE_UNITS = {"gflops": "GFLOPs", "pflops": "PFLOPs", "seconds": "s", "gb": "GB"}


def keys(question: Question | None, columns: Sequence[str]) -> list[str]:
    """Return the columns that identify a row: those that the grain names, the method first."""
    grain = set() if question is None else set(re.findall(r"\w+", question.grain))
    if "setting" in grain:
        grain |= set(NAMES)
    present = [name for name in columns if name in grain or name in NAMES]
    names = [name for name in NAMES if name in present]
    # Backbone, stream and budget change slowly from row to row, so they come last.
    first = [name for name in names if name in NAMES[:3]]
    others = [name for name in present if name not in NAMES and name not in ORDERS]
    return [*first, *others, *(name for name in names if name not in first)]


def intervals(columns: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the columns of the two ends of each value's interval, by the value's column."""
    ends: dict[str, tuple[str, str]] = {}
    for name in columns:
        low, high = f"{name}_low", f"{name}_high"
        if low in columns and high in columns:
            ends[name] = (low, high)
    for low, high in BARE.items():
        values = [name for name in BARE_VALUES if name in columns and name not in ends]
        if low in columns and high in columns and values:
            ends[values[0]] = (low, high)
    return ends


def halves(columns: Sequence[str]) -> dict[str, str]:
    """Return the column of the interval's half width, by the value's column."""
    return {name: f"{name}_half" for name in columns if f"{name}_half" in columns}


def ordered(question: Question | None, columns: Sequence[str]) -> list[str]:
    """Return the columns in order of importance: ranks, names, values, judgements, the rest."""
    names = keys(question, columns)
    first = [name for name in ORDERS if name in columns]
    valued = [name for name in columns if name in intervals(columns) or name in halves(columns)]
    judged = [name for name in JUDGEMENTS if name in columns]
    minor = [name for name in columns if name in MINOR and name not in names]
    rest = [name for name in columns if name not in minor]
    return list(dict.fromkeys([*first, *names, *valued, *judged, *rest, *minor]))


def heading(name: str, measures: Mapping[str, object] | Sequence[str] = ()) -> str:
    """Return a column's name as words, with its unit in brackets.

    A measure keeps its name as in the glossary: `a_zs_low` becomes `a_zs low`.
    """
    for measure in measures:
        if name.startswith(measure):
            return measure + name.removeprefix(measure).replace("_", " ")
    if name in WHOLE_UNITS:
        return f"{name} ({WHOLE_UNITS[name]})" if name == "seconds" else WHOLE_UNITS[name]
    for end, unit in UNITS.items():
        if name.endswith(end):
            return f"{name.removesuffix(end).replace('_', ' ')} ({unit})"
    return name.replace("_", " ")
