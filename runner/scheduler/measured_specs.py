"""From rows of `measurement` to definitions of attempts that measure what trials deployed.

Such a definition is the one that the trial ran, as its attempt has it, with what is to be measured:
a suite, the rows of its datasets, and the tasks whose weights are on the disk. Of a suite whose
members can be measured one by one, it has those alone that are missing.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import duckdb

from runner.records import DamagedFileError
from runner.run_folder import RunFolder, attempt_folder
from runner.scheduler import kept_weights
from runner.scheduler.resolve import RefusedError, check_label_spaces, word_definitions
from schema.checks import parts, rows, stream_rows
from schema.checks.compared import Comparison
from schema.site import Site
from schema.spec import Row, Spec, SpecError

# The attempt by which a trial was done
DONE = """
SELECT trial, max(attempt) FROM trained
WHERE state = 'done' AND trial IN (SELECT unnest(?::BIGINT[]))
GROUP BY trial
"""
# What training a trial has cost: hours, and PFLOPs with what was lost
SPENT = """
SELECT sum(seconds) / 3600, sum(flops) / 1e15 FROM costs
WHERE trial = ? AND phase <> 'measure'
"""


class MeasuredSpecs:
    """The definitions of some measurements, whose rows are fetched together."""

    def __init__(
        self,
        site: Site,
        connection: duckdb.DuckDBPyConnection,
        pairs: Sequence[tuple[int, str]],
    ) -> None:
        """`pairs` are of a trial and a suite that it is measured on."""
        self.site, self.connection = site, connection
        self.comparison = Comparison(site.data)
        trials = sorted({trial for trial, _ in pairs})
        # By trial: the attempt by which it was done
        self.done: dict[int, int] = {}
        # By trial and suite: the tasks and datasets of what is missing
        self.missing: dict[tuple[int, str], set[tuple[int, str]]] = defaultdict(set)
        self.suites: dict[str, Row] = {}
        self.datasets: dict[str, Row] = {}
        # By what is measured: why it cannot be, or None
        self.checked: dict[str, str | None] = {}
        if pairs:
            self._fetch(trials, sorted({suite for _, suite in pairs}))

    def _fetch(self, trials: list[int], suites: list[str]) -> None:
        """Fetch what the measurements have in common, and what is missing of each."""
        self.done = dict(self.connection.execute(DONE, [trials]).fetchall())
        lacking = self.connection.execute(
            "SELECT trial, suite, task, dataset FROM unmeasured "
            "WHERE trial IN (SELECT unnest(?::BIGINT[])) "
            "AND suite IN (SELECT unnest(?::VARCHAR[]))",
            [trials, suites],
        ).fetchall()
        for trial, suite, task, dataset in lacking:
            self.missing[trial, suite].add((task, dataset))
        definitions = word_definitions()
        texts = self.connection.execute(
            f"{definitions} SELECT name, definition FROM suite_definition "
            "WHERE name IN (SELECT unnest(?::VARCHAR[]))",
            [suites],
        ).fetchall()
        self.suites = {name: json.loads(text) for name, text in texts}
        names = set()
        for suite in self.suites.values():
            names |= {member["dataset"] for member in suite["members"]}
        texts = self.connection.execute(
            f"{definitions} SELECT name, definition FROM dataset_definition "
            "WHERE name IN (SELECT unnest(?::VARCHAR[]))",
            [sorted(names)],
        ).fetchall()
        self.datasets = {name: json.loads(text) for name, text in texts}

    def spec(self, trial: int, suite: str) -> Spec:
        """Return the definition of an attempt that measures what is missing.

        Raises:
            RefusedError: it cannot be measured as it is declared, or the weights are gone.
        """
        if suite not in self.suites:
            raise RefusedError(f"suite {suite!r} has no rows in suite_member")
        spec = self._ran(trial)
        missing = self.missing[trial, suite]
        members = self._members(suite, {dataset for _, dataset in missing})
        names = sorted({member["dataset"] for member in members})
        measures = {
            "suite": self.suites[suite] | {"members": members},
            "datasets": [self.datasets[name] for name in names],
        }
        self._check(spec, measures)
        tasks = self._tasks(trial, spec, {task for task, _ in missing}, _ask_line(members))
        return replace(spec, measures=measures | {"tasks": tasks})

    def _ran(self, trial: int) -> Spec:
        """Return the definition that a trial ran, whatever its rows say today.

        Raises:
            RefusedError: its run folder is gone, and the catalog no longer has it either.
        """
        try:
            return RunFolder(attempt_folder(self.site.runs, trial, self.done[trial])).spec()
        except DamagedFileError as error:
            # Trained again, the trial has its weights in another folder
            spec = _recorded(self.connection, trial, self.done[trial])
            if spec is not None:
                return spec
            cost = _cost(self.connection, trial)
            raise RefusedError(
                f"what trial {trial} deployed cannot be found: {error}. {cost} Put the "
                "folder back and request a retry, or insert the sentence with another seed"
            ) from error

    def _members(self, suite: str, missing: set[str]) -> list[Row]:
        """Return the members of a suite that are measured.

        Of a suite with candidates of the label space `union` it is all of them, since each dataset
        changes the values of the others.
        """
        members: list[Row] = self.suites[suite]["members"]
        if any(member["label_space"] == "union" for member in members):
            return members
        return [member for member in members if member["dataset"] in missing]

    def _tasks(self, trial: int, spec: Spec, missing: set[int], asks_line: bool) -> list[int]:
        """Return those of the tasks whose weights are there.

        asks_line: those of the task before are needed too (`evals.between`).

        Raises:
            RefusedError: they are all gone.
        """
        _refuse_ensemble(trial, spec)
        # The untouched backbone has no weights of its own
        on_disk = kept_weights.tasks_on_disk(self.site, trial, spec) | {0}
        there, gone = _told_apart(missing, on_disk, asks_line)
        if not gone or set(there) - {0}:
            return there
        listed, cost = ", ".join(map(str, sorted(gone))), _cost(self.connection, trial)
        raise RefusedError(
            f"the weights that tasks {listed} of trial {trial} deployed are gone from "
            f"{self.site.runs / f'{trial:06d}'}: a trial keeps those of its newest task, unless "
            f"keep_weights in site.toml says otherwise. {cost} Put the files back "
            "from a copy and request a retry, or have the trial trained again, to the same bits, "
            f"after which it is measured: {kept_weights.retrain_wish(trial)}"
        )

    def _check(self, spec: Spec, measures: Mapping[str, Any]) -> None:
        """Refuse what a trial with such a suite would be refused for.

        Raises:
            RefusedError: the message says what is wrong and what to do.
        """
        key = json.dumps([spec.backbone["architecture"], measures], sort_keys=True)
        if key not in self.checked:
            self.checked[key] = self._objection(spec, measures)
        objection = self.checked[key]
        if objection is not None:
            raise RefusedError(objection)

    def _objection(self, spec: Spec, measures: Mapping[str, Any]) -> str | None:
        """Return why something cannot be measured, or None."""
        try:
            for dataset in measures["datasets"]:
                rows.check_dataset(dataset)
            check_label_spaces(measures)
        except (parts.PartError, RefusedError) as error:
            return str(error)
        nothing_learned = {"pretraining_share": 0}
        objections = list(stream_rows.objections(spec.backbone, measures, nothing_learned))
        objections += self.comparison.objections(measures["datasets"])
        return objections[0] if objections else None


def _ask_line(members: Sequence[Row]) -> bool:
    """Return whether members of a suite are measured between what two tasks deployed."""
    return any(member["metric"].startswith(stream_rows.BETWEEN) for member in members)


def _told_apart(
    missing: set[int], on_disk: set[int], asks_line: bool
) -> tuple[list[int], set[int]]:
    """Return the tasks that can be measured, and those whose weights this needs and are gone."""
    there, gone = list[int](), set[int]()
    for task in sorted(missing):
        needed = {task, max(task - 1, 0)} if asks_line else {task}
        gone |= needed - on_disk
        if needed <= on_disk:
            there.append(task)
    return there, gone


def _cost(connection: duckdb.DuckDBPyConnection, trial: int) -> str:
    """Return in a sentence what it costs to train a trial again: as much as it did."""
    ((hours, pflops),) = connection.execute(SPENT, [trial]).fetchall()
    if hours is None:
        return "What training it again would cost is not known."
    return f"Training it again would take {hours:.3g} hours and {pflops:.3g} PFLOPs."


def _recorded(connection: duckdb.DuckDBPyConnection, trial: int, attempt: int) -> Spec | None:
    """Return the definition of an attempt as the catalog has it; None where it is not the one."""
    ((spec_id, text),) = connection.execute(
        "SELECT spec_id, spec::VARCHAR FROM attempt WHERE trial = ? AND attempt = ?",
        [trial, attempt],
    ).fetchall()
    try:
        spec = Spec.from_row(json.loads(text))
    except (SpecError, ValueError):
        return None
    return spec if spec.id == spec_id else None


def _refuse_ensemble(trial: int, spec: Spec) -> None:
    """Refuse a trial whose weights are in no single file.

    Raises:
        RefusedError: it deploys an ensemble.
    """
    if spec.method.get("ensemble") is not None:
        raise RefusedError(
            f"trial {trial} deploys an ensemble, several models that no single file holds, so it "
            "cannot be measured later; declare a stream with the suite"
        )
