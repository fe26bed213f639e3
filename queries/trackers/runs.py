"""Trials of a snapshot as the runs that other trackers know: parameters, and points over steps.

A run has one point per finished task, and the points of its training curve between. Facts only
grow, so a run that is read again later begins with the same points.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import duckdb

from queries import AskError

WORDS = ("backbone", "stream", "mixture", "method", "recipe", "budget", "seed")
MEASURES = ("a_ka", "a_zs", "gm", "d_ka", "d_zs")
# The trials that are asked for and have results; what was run elsewhere says so
TRIALS = f"""
SELECT trial.id, trial.study, trial.source, stage.state, attempt.code, outcome."commit",
       outcome.device, {", ".join(f"trial.{word}" for word in WORDS)}
FROM trial
JOIN stage ON stage.trial = trial.id
LEFT JOIN attempt ON attempt.trial = trial.id AND attempt.attempt = stage.attempt
LEFT JOIN outcome ON outcome.trial = trial.id AND outcome.attempt = stage.attempt
WHERE trial.id IN (SELECT summary.trial FROM summary)
  AND ($study IS NULL OR trial.study = $study) AND ($trial IS NULL OR trial.id = $trial)
ORDER BY trial.id
"""
# The end of each task; steps are those of all tasks so far, NULL where costs are not known
ENDS = f"""
SELECT trial, task, spent_steps, spent_flops / 1e9 AS spent_gflops, {", ".join(MEASURES)}
FROM trajectory WHERE trial IN (SELECT unnest($trials::BIGINT[])) ORDER BY trial, task
"""
# What was measured at these ends, on whole test sets
VALUES = """
SELECT trial, task, dataset, metric, label_space, value FROM measured
WHERE trial IN (SELECT unnest($trials::BIGINT[])) AND at_end AND fraction = 1
  AND weights = 'deployed'
ORDER BY trial, task, dataset, metric, label_space
"""
# The training curve within finished tasks, of the attempt that holds
CURVES = """
SELECT progress.trial, progress.task, progress.step, progress.loss, progress.lr
FROM progress
JOIN standing USING (trial, task, attempt)
WHERE progress.trial IN (SELECT unnest($trials::BIGINT[]))
ORDER BY progress.trial, progress.task, progress.step
"""


@dataclass(frozen=True, kw_only=True)
class Point:
    """What is known at a step of a run; steps count over all tasks."""

    step: int
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A trial, for another tracker."""

    trial: int
    # What tells it from a trial of this number in another catalog
    catalog: str
    study: str
    # done, running, failed, ...
    state: str
    # The words of its sentence, and what ran it
    parameters: dict[str, str]
    # By rising steps, each step once
    points: tuple[Point, ...]

    @property
    def key(self) -> str:
        """What it is known by: the same in every export."""
        return f"weir-{self.catalog}-{self.trial}"

    @property
    def name(self) -> str:
        """What people read."""
        return f"{self.parameters['method']}-{self.parameters['seed']}-{self.trial:06d}"


def runs(
    connection: duckdb.DuckDBPyConnection, study: str | None = None, trial: str | None = None
) -> list[Run]:
    """Return the trials that have results, of one study or one trial where that is asked for.

    Raises:
        AskError: a trial that is no number, or no trial that has results.
    """
    if trial is not None and not trial.isdecimal():
        raise AskError(f"trial is the number of one, not {trial!r}")
    chosen = {"study": study, "trial": None if trial is None else int(trial)}
    rows = connection.execute(TRIALS, chosen).fetchall()
    if not rows:
        asked = ", ".join(f"{key}={value}" for key, value in chosen.items() if value is not None)
        raise AskError(f"no trial with results{' of ' * bool(asked)}{asked}: nothing to export")
    (made,) = connection.execute(
        "SELECT epoch_us(min(applied_at))::VARCHAR FROM migration"
    ).fetchone() or ("",)
    points = _points(connection, [row[0] for row in rows])
    found = []
    for number, of_study, source, state, code, commit, device, *words in rows:
        parameters = dict(zip(WORDS, map(str, words), strict=True))
        about = {"study": of_study, "source": source, "code": code}
        about |= {"commit": commit, "device": device}
        parameters |= {name: value for name, value in about.items() if value}
        found.append(
            Run(
                trial=number,
                catalog=made,
                study=of_study or "",
                state=state,
                parameters=parameters,
                points=tuple(points[number]),
            )
        )
    return found


def _points(connection: duckdb.DuckDBPyConnection, trials: list[int]) -> dict[int, list[Point]]:
    """Return the points of each trial by rising steps."""
    asked = {"trials": trials}
    steps: dict[tuple[int, int], int] = {}
    placed: dict[int, dict[int, dict[str, float]]] = {trial: {} for trial in trials}
    for trial, task, spent_steps, *values in connection.execute(ENDS, asked).fetchall():
        # Of what was run elsewhere without costs the tasks are counted
        step = task if spent_steps is None else spent_steps
        # A task without a step has a place of its own
        step = steps[trial, task] = max(step, steps.get((trial, task - 1), -1) + 1)
        named = {"task": float(task)} | dict(_named(("spent_gflops", *MEASURES), values))
        placed[trial].setdefault(step, {}).update(named)
    for trial, task, dataset, metric, labels, value in connection.execute(VALUES, asked).fetchall():
        name = f"{dataset}/{metric}" if labels == "all" else f"{dataset}/{metric}/{labels}"
        placed[trial][steps[trial, task]][name] = value
    for trial, task, step, loss, lr in connection.execute(CURVES, asked).fetchall():
        before = steps.get((trial, task - 1), 0)
        # A point at the end of a task stands with what was measured there
        at = min(before + step, steps[trial, task])
        placed[trial].setdefault(at, {}).update(_named(("loss", "lr"), (loss, lr)))
    points = {}
    for trial, of_trial in placed.items():
        points[trial] = [Point(step=step, values=of_trial[step]) for step in sorted(of_trial)]
    return points


def _named(
    names: tuple[str, ...], values: tuple[float | None, ...] | list[float | None]
) -> Iterator[tuple[str, float]]:
    """Yield the names with their values, those that are not known left out."""
    for name, value in zip(names, values, strict=True):
        if value is not None:
            yield name, float(value)
