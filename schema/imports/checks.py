"""Turn the rows of a file into facts of trials, and refuse those that cannot be any.

Each check names what is wrong with one row, what is allowed, and what to do.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from schema.checks.rows import ELSEWHERE
from schema.checks.stream_rows import METRICS
from schema.imports.rows import WORDS, ImportRefusedError, Line, Texts, listed
from schema.words import nearest

AXES = ("backbone", "stream", "mixture", "recipe", "budget")
LABEL_SPACES = ("all", "task", "union")
WEIGHTS = ("deployed", "last", "merged")
SHOWN_NAMES = 12
# What tells a result from the others of its trial, and a cost
RESULT_KEY = ("task", "step", "dataset", "metric", "label_space", "weights", "fraction")
COST_KEY = ("task", "phase")


class BadRowError(ValueError):
    """A row cannot be taken in."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """The names of the catalog that the rows of a file may use."""

    # The names of each axis, and of the methods
    names: Mapping[str, Sequence[str]]
    # Of each stream the number of its tasks
    tasks: Mapping[str, int]
    # Of each dataset its kind and, where it says so, its number of test pairs
    datasets: Mapping[str, tuple[str, int | None]]

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection) -> "Known":
        """Read them from an open catalog."""
        names = {}
        for axis in (*AXES, "method"):
            rows = connection.execute(f"SELECT name FROM {axis} ORDER BY name").fetchall()
            names[axis] = [name for (name,) in rows]
        tasks = dict(connection.execute("SELECT name, tasks FROM stream").fetchall())
        datasets = {}
        for name, kind, pairs in connection.execute(
            "SELECT name, kind, test_pairs FROM dataset"
        ).fetchall():
            datasets[name] = (kind, pairs)
        return cls(names=names, tasks=tasks, datasets=datasets)


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """The words of a trial that was run elsewhere; its method ends with @ and its source."""

    source: str
    backbone: str
    stream: str
    mixture: str
    method: str
    recipe: str
    budget: str
    seed: int

    @property
    def plain_method(self) -> str:
        """The name of the method without who ran it."""
        return self.method.removesuffix(f"{ELSEWHERE}{self.source}")

    def __str__(self) -> str:
        """Return the words as people read them."""
        return (
            f"{self.method} of {self.backbone}, {self.stream}, {self.mixture}, {self.recipe}, "
            f"{self.budget}, seed {self.seed}"
        )


@dataclass(kw_only=True)
class Facts:
    """The rows of `result` and `cost` that a file has of one trial."""

    study: str | None = None
    results: list[dict[str, Any]] = field(default_factory=list)
    costs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def sha256(self) -> str:
        """A checksum that does not depend on the order of the rows."""
        texts = sorted(json.dumps(row, sort_keys=True) for row in (*self.results, *self.costs))
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()

    @property
    def rows(self) -> int:
        """The number of results and costs."""
        return len(self.results) + len(self.costs)


def check(path: Path, lines: Sequence[Line], known: Known) -> dict[Sentence, Facts]:
    """Return the facts of every trial of a file, in the order of the file.

    Raises:
        ImportRefusedError: the message names every bad row by its number (up to ten of them).
    """
    trials: dict[Sentence, Facts] = {}
    numbers: dict[tuple[Any, ...], int] = {}
    problems = []
    for line in lines:
        try:
            sentence = _sentence(line.texts, known)
            facts = trials.setdefault(sentence, Facts())
            _take_study(facts, line.texts)
            row, key = _fact(line.texts, sentence, known)
            place = (sentence, *(row[name] for name in key))
            if place in numbers:
                raise BadRowError(f"says the same as row {numbers[place]}: leave one of them out")
            numbers[place] = line.number
            (facts.costs if key is COST_KEY else facts.results).append(row)
        except BadRowError as error:
            problems.append((line.number, str(error)))
    if not problems:
        problems = _charged_without_results(trials, numbers)
    if problems:
        raise ImportRefusedError("\n".join(listed(path, problems)))
    return trials


def _sentence(texts: Texts, known: Known) -> Sentence:
    """Return the words of a row; the method is named with its source."""
    for word in WORDS:
        if not texts[word]:
            raise BadRowError(f"{word} is empty")
    source = texts["source"]
    if ELSEWHERE in source or source != source.strip():
        raise BadRowError(f"source {source!r} must be a word without {ELSEWHERE}, such as fomo")
    for axis in AXES:
        _check_name(axis, texts[axis], known.names[axis])
    return Sentence(
        source=source,
        backbone=texts["backbone"],
        stream=texts["stream"],
        mixture=texts["mixture"],
        method=_method(texts["method"], source, known.names["method"]),
        recipe=texts["recipe"],
        budget=texts["budget"],
        seed=_whole("seed", texts["seed"], 0),
    )


def _method(name: str, source: str, methods: Sequence[str]) -> str:
    """Return the name of a method with its source, where one of the two is in the catalog."""
    ending = f"{ELSEWHERE}{source}"
    full = name if name.endswith(ending) else name + ending
    if ELSEWHERE in full.removesuffix(ending):
        raise BadRowError(
            f"method {name!r} says another source than {source!r}: leave out what is behind "
            f"the {ELSEWHERE}"
        )
    if full in methods or full.removesuffix(ending) in methods:
        return full
    own = [each for each in methods if ELSEWHERE not in each]
    raise BadRowError(
        f"unknown method {name!r}. Known: {_some(own)}.{nearest(name, own)} Of a method that Weir "
        f"does not have insert a row named {full!r} first; its tuning, objective and merging may "
        "be 'other'"
    )


def _check_name(axis: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise BadRowError(
            f"unknown {axis} {name!r}. Known: {_some(names)}.{nearest(name, names)} Insert its row "
            "first, by a grid file on the same command"
        )


def _some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    text = ", ".join(names[:SHOWN_NAMES]) or "none"
    if len(names) > SHOWN_NAMES:
        text += f" and {len(names) - SHOWN_NAMES} more"
    return text


def _take_study(facts: Facts, texts: Texts) -> None:
    """Note the study of a trial, which all of its rows must agree on."""
    study = texts.get("study") or None
    if study is not None and facts.study not in (None, study):
        raise BadRowError(f"study is {study!r} here and {facts.study!r} in other rows of the trial")
    facts.study = facts.study or study


def _fact(texts: Texts, sentence: Sentence, known: Known) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a row of `result` or of `cost`, and the columns that tell it from others."""
    tasks = known.tasks[sentence.stream]
    task = _whole("task", texts["task"], 0)
    if task > tasks:
        raise BadRowError(f"task {task}: stream {sentence.stream!r} has {tasks} tasks")
    dataset, phase = texts["dataset"], texts.get("phase", "")
    if bool(dataset) == bool(phase):
        raise BadRowError(
            "a row has a dataset, and is a result, or a phase, and is a cost: one of the two"
        )
    if phase:
        return {"task": task} | _cost(texts), COST_KEY
    return {"task": task} | _result(texts, known), RESULT_KEY


def _result(texts: Texts, known: Known) -> dict[str, Any]:
    """Return the columns of a result behind the task."""
    dataset, metric = texts["dataset"], texts["metric"]
    _check_name("dataset", dataset, list(known.datasets))
    kind, test_pairs = known.datasets[dataset]
    allowed = METRICS[kind]
    if metric not in allowed:
        raise BadRowError(
            f"metric {metric!r} of {dataset!r}, which is of kind {kind}. Measured of that kind: "
            f"{', '.join(allowed) or 'nothing'}.{nearest(metric, allowed)}"
        )
    value = _number("value", texts["value"])
    if not 0 <= value <= 1:
        raise BadRowError(f"value {value:g} must be in [0, 1]: divide percents by 100")
    fraction = _number("fraction", texts.get("fraction") or "1")
    if not 0 < fraction <= 1:
        raise BadRowError(f"fraction {fraction:g} must be above 0 and at most 1")
    return {
        "step": _whole("step", texts.get("step") or "0", 0),
        "dataset": dataset,
        "metric": metric,
        "label_space": _one_of("label_space", texts.get("label_space") or "all", LABEL_SPACES),
        "weights": _one_of("weights", texts.get("weights") or "deployed", WEIGHTS),
        "value": value,
        "examples": _examples(texts.get("examples", ""), dataset, test_pairs, fraction),
        "fraction": fraction,
    }


def _examples(text: str, dataset: str, test_pairs: int | None, fraction: float) -> int:
    """Return how many images were measured; left out, as many as the dataset says it has."""
    if text:
        return _whole("examples", text, 1)
    if not test_pairs:
        raise BadRowError(
            f"examples is empty, and dataset {dataset!r} does not say its test_pairs: give one"
        )
    return max(1, round(test_pairs * fraction))


def _cost(texts: Texts) -> dict[str, Any]:
    """Return the columns of a cost behind the task."""
    for name in ("metric", "value"):
        if texts[name]:
            raise BadRowError(f"{name} is given in a row of costs (phase {texts['phase']!r})")
    row: dict[str, Any] = {"phase": texts["phase"]}
    for name in ("flops", "seconds"):
        row[name] = _number(name, texts.get(name, ""))
        if row[name] < 0:
            raise BadRowError(f"{name} {row[name]:g} must be 0 or more")
    for name in ("steps", "pairs"):
        row[name] = _whole(name, texts.get(name, ""), 0)
    peak, energy = texts.get("peak_bytes"), texts.get("energy_j")
    row["peak_bytes"] = _whole("peak_bytes", peak, 0) if peak else None
    row["energy_j"] = _number("energy_j", energy) if energy else None
    return row


def _charged_without_results(
    trials: Mapping[Sentence, Facts], numbers: Mapping[tuple[Any, ...], int]
) -> list[tuple[int, str]]:
    """Return the rows of costs of tasks that have no result: no answer would count them."""
    problems = []
    for sentence, facts in trials.items():
        measured = {row["task"] for row in facts.results}
        for row in facts.costs:
            if row["task"] not in measured:
                number = numbers[(sentence, *(row[name] for name in COST_KEY))]
                reason = (
                    f"a cost of task {row['task']}, which has no result in the file: charge it to "
                    "the next task that has"
                )
                problems.append((number, reason))
    return problems


def _number(name: str, text: str) -> float:
    """Return a finite number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadRowError(f"{name} {text!r} is no number")
    return number


def _whole(name: str, text: str, least: int) -> int:
    """Return a whole number of at least `least`; 3.0 is one, as tables write it."""
    number = _number(name, text)
    if number != int(number) or number < least:
        raise BadRowError(f"{name} {text!r} must be a whole number, {least} or more")
    return int(number)


def _one_of(name: str, word: str, allowed: Sequence[str]) -> str:
    if word not in allowed:
        raise BadRowError(f"{name} {word!r} must be one of {', '.join(allowed)}")
    return word
