"""The rows of a catalog, and what every answer begins with: which attempt holds, what was measured, what a point is."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, TypeVar

import duckdb

Row = dict[str, Any]
SENTENCE = ("backbone", "stream", "mixture", "method", "recipe", "budget")
MEASURES = ("a_ka", "a_zs", "gm", "d_ka", "d_zs", "zs_ratio")
UNTOLD = object()


class Between:
    """A number that lies in a range, where a table, chance or a hash says which."""

    def __init__(self, low: float, high: float, slack: float = 1e-9) -> None:
        self.low, self.high = low - slack, high + slack

    def __eq__(self, other: object) -> bool:
        return isinstance(other, float) and self.low <= other <= self.high

    def __repr__(self) -> str:
        return f"between {self.low} and {self.high}"

    __hash__ = None  # type: ignore[assignment]


F = TypeVar("F", bound=Callable[..., list[Row]])


def answers(function: F) -> F:
    """Marks a function as the answer to the question of its name."""
    function.is_answer = True  # type: ignore[attr-defined]
    return function


def grouped(rows: Iterable[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    """The rows by the values of some columns."""
    found: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        found[tuple(row[key] for key in keys)].append(row)
    return dict(found)


def named(keys: Iterable[str], values: Iterable[Any]) -> Row:
    return dict(zip(keys, values, strict=True))


def mean(values: Iterable[float | None]) -> float | None:
    """Of those that are there; None if none is."""
    there = [value for value in values if value is not None]
    return math.fsum(there) / len(there) if there else None


def total(rows: Iterable[Row], column: str) -> float:
    return math.fsum(row[column] for row in rows)


def less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def over(a: float | None, b: float | None) -> float | None:
    return None if a is None or not b else a / b


class Facts:
    """The tables of a catalog as dicts, and the few facts that follow from them alone."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        tables = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE NOT temporary"
        ).fetchall()
        self.tables: dict[str, list[Row]] = {
            name: connection.table(name).pl().to_dicts() for (name,) in tables
        }

    def __getitem__(self, table: str) -> list[Row]:
        return self.tables[table]

    def by_name(self, table: str) -> dict[str, Row]:
        return {row["name"]: row for row in self[table]}

    @cached_property
    def trials(self) -> dict[int, Row]:
        """Each trial with the tasks, suite and sequence of its stream."""
        streams = self.by_name("stream")
        more = ("tasks", "suite", "sequence")
        return {
            row["id"]: row
            | {"trial": row["id"]}
            | {key: streams[row["stream"]][key] for key in more}
            for row in self["trial"]
        }

    @cached_property
    def members(self) -> dict[str, list[Row]]:
        """The members of each suite."""
        return {suite: rows for (suite,), rows in grouped(self["suite_member"], "suite").items()}

    @cached_property
    def results(self) -> dict[tuple[int, int], list[Row]]:
        """What the attempt that holds measured of a (trial, task): the newest attempt that has results of it."""
        found = {}
        for key, rows in grouped(self["result"], "trial", "task").items():
            newest = max(row["attempt"] for row in rows)
            found[key] = [row for row in rows if row["attempt"] == newest]
        return found

    @cached_property
    def holds(self) -> dict[tuple[int, int], tuple[int, int]]:
        """(trial, task) -> the attempt that holds, and the step at the end of the task."""
        return {
            key: (rows[0]["attempt"], max(row["step"] for row in rows))
            for key, rows in self.results.items()
        }

    @cached_property
    def measured(self) -> list[Row]:
        """Results of suite members from attempts that hold, with the role and weight of the member."""
        found = []
        for (trial, task), rows in self.results.items():
            if trial not in self.trials:
                continue
            wanted = {
                (m["dataset"], m["metric"], m["label_space"]): m
                for m in self.members.get(self.trials[trial]["suite"], [])
            }
            for row in rows:
                member = wanted.get((row["dataset"], row["metric"], row["label_space"]))
                if member:
                    end = row["step"] == self.holds[trial, task][1]
                    found.append(
                        row | {"role": member["role"], "weight": member["weight"], "at_end": end}
                    )
        return found

    @cached_property
    def finals(self) -> list[Row]:
        """What answers use: deployed weights, whole test sets, the end of a task."""
        return [
            row
            for row in self.measured
            if row["weights"] == "deployed" and row["fraction"] == 1 and row["at_end"]
        ]

    def held_costs(self, trial: int, task: int | None = None) -> list[Row]:
        """What attempts that hold were charged."""
        rows = self._costs.get(trial, [])
        tasks = {row["task"] for row in rows} if task is None else {task}
        return [
            row
            for row in rows
            if row["task"] in tasks
            and self.holds.get((trial, row["task"]), (None,))[0] == row["attempt"]
        ]

    @cached_property
    def _costs(self) -> dict[int, list[Row]]:
        return {trial: rows for (trial,), rows in grouped(self["cost"], "trial").items()}

    @cached_property
    def points(self) -> dict[tuple[int, int], Row]:
        """(trial, task) -> a_ka and a_zs, how many members they are of, and all that was spent but evaluation."""
        finals = grouped(self.finals, "trial", "task")
        found = {}
        for trial, task in sorted(self.holds):
            if trial not in self.trials:
                continue
            suite = self.members.get(self.trials[trial]["suite"], [])
            row: Row = {
                "trial": trial,
                "task": task,
                "attempt": self.holds[trial, task][0],
                "step": self.holds[trial, task][1],
            }
            for role, short in (("adapt", "a_ka"), ("retain", "a_zs")):
                there = [r for r in finals.get((trial, task), []) if r["role"] == role]
                wanted = [m for m in suite if m["role"] == role]
                row |= {
                    short: of_members(there, wanted),
                    f"{role}_measured": len(there),
                    f"{role}_wanted": len(wanted),
                }
            so_far = [
                c
                for before in range(task + 1)
                for c in self.held_costs(trial, before)
                if c["phase"] != "evaluate"
            ]
            for column, short in (
                ("flops", "spent_flops"),
                ("seconds", "spent_s"),
                ("steps", "spent_steps"),
                ("pairs", "spent_pairs"),
            ):
                row[short] = total(so_far, column)
            found[trial, task] = row
        return found

    @cached_property
    def path(self) -> list[Row]:
        """Points with their words and what is relative to the untouched backbone."""
        return [self._relative(row) for row in self.points.values()]

    def _relative(self, row: Row) -> Row:
        trial, first = (
            self.trials[row["trial"]],
            self.points.get((row["trial"], 0), {"a_ka": None, "a_zs": None}),
        )
        words = {key: trial[key] for key in ("study", *SENTENCE, "seed", "tasks")}
        both = row["a_ka"] is not None and row["a_zs"] is not None
        return (
            row
            | words
            | {
                "gm": math.sqrt(row["a_ka"] * row["a_zs"]) if both else None,
                "d_ka": less(row["a_ka"], first["a_ka"]),
                "d_zs": less(row["a_zs"], first["a_zs"]),
                "zs_ratio": over(row["a_zs"], first["a_zs"]),
            }
        )

    @cached_property
    def ends(self) -> list[Row]:
        """The points after the last task of a stream."""
        return [row for row in self.path if row["task"] == row["tasks"]]

    @cached_property
    def cells(self) -> dict[tuple[Any, ...], list[Row]]:
        """The ends by sentence: its seeds."""
        return grouped(self.ends, *SENTENCE)


def of_members(there: list[Row], wanted: list[Row]) -> float | None:
    """The weighted mean over the wanted members; None unless each is there once, and all in one label space."""
    keys = [(r["dataset"], r["metric"], r["label_space"]) for r in there]
    if not wanted or sorted(keys) != sorted(
        (m["dataset"], m["metric"], m["label_space"]) for m in wanted
    ):
        return None
    if len({label_space for _, _, label_space in keys}) > 1:
        return None
    return math.fsum(r["value"] * r["weight"] for r in there) / total(there, "weight")


@answers
def point(facts: Facts) -> list[Row]:
    columns = (
        "trial",
        "task",
        "attempt",
        "a_ka",
        "a_zs",
        "gm",
        "adapt_measured",
        "adapt_wanted",
        "retain_measured",
        "retain_wanted",
    )
    return [{key: row[key] for key in columns} for row in facts.path]


@answers
def trajectory(facts: Facts) -> list[Row]:
    spent = ("spent_flops", "spent_s", "spent_steps", "spent_pairs")
    columns = ("study", *SENTENCE, "seed", "trial", "task", "tasks", *MEASURES, *spent)
    return [{key: row[key] for key in columns} for row in facts.path]


@answers
def standing(facts: Facts) -> list[Row]:
    return [
        {"trial": trial, "task": task, "attempt": attempt, "step": step}
        for (trial, task), (attempt, step) in facts.holds.items()
    ]


@answers
def measured(facts: Facts) -> list[Row]:
    columns = (
        "trial",
        "task",
        "step",
        "attempt",
        "role",
        "dataset",
        "metric",
        "label_space",
        "weights",
        "fraction",
        "value",
    )
    return [
        {key: row[key] for key in (*columns, "examples", "weight", "at_end")}
        for row in facts.measured
    ]


@answers
def summary(facts: Facts) -> list[Row]:
    """With what the suite's members and repeated rows come to; `seen` is a hash."""
    found = []
    results = grouped(facts["result"], "trial", "task")
    for row in facts.path:
        attempt, step = row["attempt"], row["step"]
        first = facts.points.get((row["trial"], 0), {"a_ka": None, "a_zs": None})
        same = ("attempt", "step", "dataset", "metric", "label_space", "weights", "fraction")
        all_ = results[row["trial"], row["task"]]
        kept = {k: v for k, v in row.items() if k not in {"study", *SENTENCE, "seed"}}
        more = {"a_ka_0": first["a_ka"], "a_zs_0": first["a_zs"], "seen": UNTOLD}
        more["within"] = sum(r["attempt"] == attempt and r["step"] < step for r in all_)
        more["repeated"] = sum(len(rows) > 1 for rows in grouped(all_, *same).values())
        found.append(kept | more)
    return found


@answers
def task_sums(facts: Facts) -> list[Row]:
    """The same but what follows from it."""
    return [
        {key: value for key, value in row.items() if key not in MEASURES[2:]}
        for row in summary(facts)
    ]


@answers
def reckoned(facts: Facts) -> list[Row]:
    """Where nothing is kept, all of it."""
    return task_sums(facts)
