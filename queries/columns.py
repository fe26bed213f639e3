"""Say of the columns of an answer what they are: keys, intervals, judgements, and their words."""

import re
from collections.abc import Mapping, Sequence

from schema.questions import Question

# The words of a sentence, in the order in which a table shows them
NAMES = ("method", "mixture", "recipe", "backbone", "stream", "budget")
# Columns that order rows, which come before their names
ORDERS = ("urgency", "rank", "place", "trial", "attempt")
# What an answer concludes of a row
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
# What a table shows last, since it explains other columns
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
# The columns of intervals whose names say nothing of their value, and the values they may be of
BARE = {"low": "high", "lowest": "highest"}
BARE_VALUES = ("interquartile_mean", "mean", "rank", "probability", "share")
# The end of a column's name, and the unit that its heading shows
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
# Columns whose whole name is a unit
WHOLE_UNITS = {"gflops": "GFLOPs", "pflops": "PFLOPs", "seconds": "s", "gb": "GB"}


def keys(question: Question | None, columns: Sequence[str]) -> list[str]:
    """Return the columns that tell rows apart: those that the grain names, the method first."""
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
    """Return for each value that has an interval the two columns that hold its ends."""
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
    """Return for each value whose interval is given as half its width the column that holds it."""
    return {name: f"{name}_half" for name in columns if f"{name}_half" in columns}


def ordered(question: Question | None, columns: Sequence[str]) -> list[str]:
    """Return the columns with what matters first: order, names, values, judgements, the rest."""
    names = keys(question, columns)
    first = [name for name in ORDERS if name in columns]
    valued = [name for name in columns if name in intervals(columns) or name in halves(columns)]
    judged = [name for name in JUDGEMENTS if name in columns]
    minor = [name for name in columns if name in MINOR and name not in names]
    rest = [name for name in columns if name not in minor]
    return list(dict.fromkeys([*first, *names, *valued, *judged, *rest, *minor]))


def heading(name: str, measures: Mapping[str, object] | Sequence[str] = ()) -> str:
    """Return a column's name as words, with its unit in brackets.

    A measure keeps its name, as the glossary has it: `a_zs_low` becomes `a_zs low`.
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
