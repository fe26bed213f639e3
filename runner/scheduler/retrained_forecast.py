"""The part of a dry run that is about weights that are gone, and about training for them again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from runner import tensor_store
from runner.scheduler.kept_weights import last_is_there
from runner.scheduler.resolve import RefusedError
from runner.scheduler.retrained import RetrainedSpecs
from schema.site import Site

# Trials that a line names, and those whose files a dry run looks for
SHOWN = 5
LOOKED_AT = 1000
# What training each of some trials has cost, with what was lost on the way
SPENT = """
SELECT trial, sum(seconds) / 3600 AS hours, sum(flops) / 1e15 AS pflops FROM costs
WHERE phase <> 'measure' AND trial IN (SELECT unnest(?::BIGINT[]))
GROUP BY trial
"""
# Trials that are done, the newest first, with how many tasks they have, but none that is about to
# be trained again
DONE = """
SELECT t.id, s.tasks FROM trial t JOIN stream s ON s.name = t.stream
SEMI JOIN (SELECT trial FROM trained WHERE state = 'done') d ON d.trial = t.id
ANTI JOIN retraining r ON r.trial = t.id
ORDER BY t.id DESC LIMIT ?
"""


@dataclass(frozen=True, kw_only=True)
class Bill:
    """Some trials, and what training all of them once more would cost, as far as that is known."""

    trials: Sequence[int]
    hours: float
    pflops: float
    # How many of them brought no costs
    unknown: int

    def document(self) -> dict[str, Any]:
        """Return what a dry run says of it to a program."""
        return {"trials": list(self.trials), "hours": self.hours, "pflops": self.pflops}

    def words(self) -> str:
        """Return the trials and the cost in words."""
        listed = ", ".join(map(str, self.trials[:SHOWN]))
        if len(self.trials) > SHOWN:
            listed += f" and {len(self.trials) - SHOWN} more"
        cost = f"{self.hours:.3g} hours and {self.pflops:.3g} PFLOPs, as much as they took before"
        if self.unknown == len(self.trials):
            cost = "what that costs is not known"
        elif self.unknown:
            cost += f", and {self.unknown} of which that is not known"
        return f"{listed}: {cost}"


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """What would be trained again, what cannot be, and what somebody might want to be."""

    due: Bill
    refusals: Sequence[str]
    # Trials that are done and whose weights are gone, of which nobody wishes anything
    gone: Bill

    def document(self) -> dict[str, Any]:
        """Return what a dry run says of it to a program."""
        return {
            "would_train_again": self.due.document(),
            "cannot_be_trained_again": list(self.refusals),
            "weights_gone": self.gone.document(),
        }

    def lines(self) -> list[str]:
        """Return what a dry run says of it."""
        lines = []
        if self.due.trials:
            lines.append(f"would train again, for weights that are gone, {_of(self.due)}")
        lines += self.refusals[:SHOWN]
        if len(self.refusals) > SHOWN:
            lines.append(f"... and {len(self.refusals) - SHOWN} more that are not trained again")
        if self.gone.trials:
            lines.append(
                "weights are gone that nobody has asked for yet, to export or to measure: "
                f"training again {_of(self.gone)}. To have it done: INSERT INTO request "
                f"(trial, wish) SELECT unnest({list(self.gone.trials[:SHOWN])}), 'retrain'"
            )
        return lines


def _of(bill: Bill) -> str:
    noun = "trial" if len(bill.trials) == 1 else "trials"
    return f"{noun} {bill.words()}"


def pending(site: Site, connection: duckdb.DuckDBPyConnection) -> Retrained:
    """Return what would be trained again, and which of the newest LOOKED_AT trials lack weights."""
    rows = connection.execute(
        "SELECT trial, study FROM todo WHERE retrains IS NOT NULL ORDER BY trial"
    ).fetchall()
    specs = RetrainedSpecs(site, connection, [trial for trial, _ in rows])
    due, refusals = [], []
    for trial, study in rows:
        try:
            specs.again(trial, study)
            due.append(trial)
        except RefusedError as error:
            refusals.append(str(error))
    return Retrained(
        due=_bill(connection, due),
        refusals=refusals,
        gone=_bill(connection, _gone(site, connection)),
    )


def _gone(site: Site, connection: duckdb.DuckDBPyConnection) -> list[int]:
    """Return the trials whose last task has left no file of weights, by number."""
    # A disk that is not mounted says nothing about any trial
    if not site.runs.is_dir():
        return []
    trials, sizes = [], tensor_store.present(site.runs)
    for trial, tasks in connection.execute(DONE, [LOOKED_AT]).fetchall():
        if not last_is_there(site, trial, tasks, sizes):
            trials.append(trial)
    return sorted(trials)


def _bill(connection: duckdb.DuckDBPyConnection, trials: list[int]) -> Bill:
    """Return what training these trials has cost."""
    rows = connection.execute(SPENT, [trials]).fetchall() if trials else []
    return Bill(
        trials=trials,
        hours=sum(hours for _, hours, _ in rows),
        pflops=sum(pflops for _, _, pflops in rows),
        unknown=len(trials) - len(rows),
    )
