"""Trials that are trained again, since the weights that they deployed are gone.

A wish `retrain` makes an attempt of the definition that the trial was trained by, which begins from
nothing. It comes to the same bits, and that is looked at: the digests of its weights are held
against those in the receipts of the earlier attempts. What the trial is known for stays what its
first training brought.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from runner.records import DamagedFileError
from runner.run_files import FileEntry, Receipt
from runner.run_folder import attempt_folder
from runner.scheduler import kept_weights, receipts
from runner.scheduler.kept_weights import retrain_wish
from runner.scheduler.report import Report
from runner.scheduler.resolve import RefusedError
from schema.site import Site
from schema.spec import Spec, SpecError

# The definition that each of some trials was trained by, as the attempt has it that was done
RAN = """
SELECT a.trial, a.spec_id, a.spec::VARCHAR FROM attempt a
JOIN (
    SELECT trial, max(attempt) AS attempt FROM trained
    WHERE state = 'done' AND trial IN (SELECT unnest(?::BIGINT[]))
    GROUP BY trial
) d ON d.trial = a.trial AND d.attempt = a.attempt
"""
# Attempts that train, of trials that were trained again: what they ran on, and which definition
COMPARED = """
SELECT a.trial, a.attempt, a.retrains, a.spec_id, a.code, o.device, o.host
FROM attempt a LEFT JOIN outcome o ON o.trial = a.trial AND o.attempt = a.attempt
WHERE a.measures IS NULL
  AND a.trial IN (SELECT trial FROM attempt WHERE retrains IS NOT NULL)
ORDER BY a.trial, a.attempt
"""
# Wishes that came to nothing, with the last words of their newest attempt
GIVEN_UP = """
SELECT r.trial, arg_max(concat_ws(': ', o.state, o.kind, o.message), o.attempt)
FROM retraining r
JOIN attempt a ON a.trial = r.trial AND a.retrains IS NOT NULL
JOIN outcome o ON o.trial = a.trial AND o.attempt = a.attempt
WHERE r.over GROUP BY r.trial ORDER BY r.trial
"""
# How the sentence about weights that differ begins: a pass that changed nothing says it again
DIFFERENT = "trained again, it came to other weights"


@dataclass(frozen=True, kw_only=True)
class Again:
    """The definition of an attempt that trains a trial again."""

    spec: Spec
    # As the catalog has it
    text: str


class RetrainedSpecs:
    """The definitions by which some trials are trained again, which are fetched together."""

    def __init__(
        self, site: Site, connection: duckdb.DuckDBPyConnection, trials: Sequence[int]
    ) -> None:
        self.site = site
        # By trial: the id of the definition that it ran, and its text
        self.ran: dict[int, tuple[str, str]] = {}
        if trials:
            rows = connection.execute(RAN, [list(trials)]).fetchall()
            self.ran = {trial: (spec_id, text) for trial, spec_id, text in rows}

    def again(self, trial: int, study: str | None) -> Again:
        """Return the definition that a trial was trained by, whatever its rows say today.

        Raises:
            RefusedError: its weights are all there, or this code cannot read its definition.
        """
        spec_id, text = self.ran[trial]
        try:
            spec = Spec.from_row(json.loads(text))
        except (SpecError, ValueError) as error:
            raise RefusedError(f"trial {trial} cannot be trained again: {error}") from error
        if spec.id != spec_id:
            raise RefusedError(
                f"trial {trial} cannot be trained again: its definition in the catalog is not the "
                f"one that it ran (spec_id {spec_id}). It was edited, or an older version of this "
                "code wrote it; insert the sentence with another seed"
            )
        keep = self.site.keep_weights_of(study)
        if not kept_weights.gone(self.site, trial, spec, keep):
            raise RefusedError(
                f"trial {trial} is not trained again: the weights that it deployed are all in "
                f"{self.site.runs / f'{trial:06d}'} as they were written (keep_weights = {keep!r}"
                "). To train it all the same move the files away and request it anew; else insert "
                "the wish 'withdraw'"
            )
        return Again(spec=spec, text=text)


def note(site: Site, connection: duckdb.DuckDBPyConnection, report: Report, changed: bool) -> None:
    """Note for `health` trials that, trained again, came to other weights, or that cannot be.

    changed: anything came since the last snapshot. Where nothing did, what was found stands.
    """
    if not connection.execute(
        "SELECT 1 FROM attempt WHERE retrains IS NOT NULL LIMIT 1"
    ).fetchall():
        return
    for trial, words in connection.execute(GIVEN_UP).fetchall():
        report.problem(
            f"trial {trial}",
            f"it is to be trained again for its weights, and that has ended: {words}. "
            "When it is mended, insert the wish anew; else withdraw it: "
            f"{retrain_wish(trial, 'withdraw')}",
        )
    if changed:
        found = differences(site, connection)
    else:
        found = connection.execute(
            "SELECT subject, message FROM problem WHERE starts_with(message, ?)", [DIFFERENT]
        ).fetchall()
    for subject, message in found:
        report.problem(subject, message)


def differences(site: Site, connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Return for each trial whose trainings came to other weights what to say of it.

    Receipts that are gone with their folder say nothing: the audit `audit_attempts` compares the
    results in any case.
    """
    by_trial: dict[int, list[dict[str, Any]]] = {}
    cursor = connection.execute(COMPARED)
    names = [column[0] for column in cursor.description or []]
    for row in cursor.fetchall():
        attempt = dict(zip(names, row, strict=True))
        by_trial.setdefault(attempt["trial"], []).append(attempt)
    notes = []
    for trial, attempts in by_trial.items():
        difference = _difference(site, attempts)
        if difference is not None:
            notes.append((f"trial {trial}", f"{DIFFERENT}: {difference}"))
    return notes


def _difference(site: Site, attempts: Sequence[dict[str, Any]]) -> str | None:
    """Return how the weights of attempts of one trial differ; None where they do not."""
    # By definition, task and kind of weights: who wrote them first, and their digest
    first: dict[tuple[str, int, str], tuple[dict[str, Any], str]] = {}
    for attempt in attempts:
        folder = attempt_folder(site.runs, attempt["trial"], attempt["attempt"])
        for receipt in _receipts(folder):
            for kind, entry in sorted(receipt.weights.items()):
                key = (attempt["spec_id"], receipt.task, kind)
                other, digest = first.setdefault(key, (attempt, entry.sha256))
                if digest != entry.sha256:
                    return _words(other, digest, attempt, entry, receipt.task)
    return None


def _words(
    first: dict[str, Any], digest: str, second: dict[str, Any], entry: FileEntry, task: int
) -> str:
    """Return a sentence about two attempts whose weights after a task differ."""
    return (
        f"{entry.file} of task {task} has sha256 {digest[:16]} by the receipt of "
        f"{_place(first)}, and {entry.sha256[:16]} by that of {_place(second)}. Both are kept as "
        "they are and neither is taken to be wrong; results are those of the first. Other code, "
        "another device or number of threads can be why"
    )


def _place(attempt: dict[str, Any]) -> str:
    """Return an attempt in words: its number, and what it ran on."""
    words = [f"code {attempt['code'] or 'not known'}"]
    words += [attempt[key] for key in ("device", "host") if attempt[key]]
    return f"attempt {attempt['attempt']} ({', '.join(words)})"


def _receipts(folder: Path) -> list[Receipt]:
    """Return the receipts of an attempt that can be read.

    Their digests are compared and no file is: one that was damaged since was still written so.
    """
    readable = []
    for path in receipts.of(folder):
        try:
            receipt = Receipt.read(path)
        except DamagedFileError:
            continue
        if receipt is not None:
            readable.append(receipt)
    return readable
