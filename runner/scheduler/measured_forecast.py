"""The part of a dry run and of `health` that is about measuring later, without training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from runner.scheduler.fact_rows import named_rows
from runner.scheduler.measured_specs import MeasuredSpecs
from runner.scheduler.report import Report
from runner.scheduler.resolve import RefusedError
from schema.site import Site

# Trials that a line names, and measurements whose weights a dry run looks for
SHOWN = 5
LOOKED_AT = 100
# By what happened alone: `measurements` looks at every result of these trials, in each pass
REFUSED = """
WITH
newest AS (
    SELECT trial, measures AS suite, arg_max(state, attempt) AS state,
           arg_max(message, attempt) AS message
    FROM attempt JOIN outcome USING (trial, attempt)
    WHERE measures IS NOT NULL GROUP BY trial, measures
),
wish AS (
    SELECT newest.trial, newest.suite, arg_max(request.wish, request.serial) AS wish
    FROM newest
    JOIN request ON request.trial = newest.trial
        AND (request.suite IS NULL OR request.suite = newest.suite)
    GROUP BY newest.trial, newest.suite
)
SELECT newest.suite, count(*), list(newest.trial ORDER BY newest.trial)[:?],
       arg_min(newest.message, newest.trial)
FROM newest
SEMI JOIN exhausted ON exhausted.trial = newest.trial AND exhausted.measures = newest.suite
LEFT JOIN wish ON wish.trial = newest.trial AND wish.suite = newest.suite
WHERE newest.state = 'refused' AND wish.wish IS DISTINCT FROM 'withdraw'
GROUP BY newest.suite ORDER BY newest.suite
"""


@dataclass(frozen=True, kw_only=True)
class Pending:
    """The measurements that are to be made, and why some of them cannot be."""

    # Rows of the view `measuring_cost`
    rows: Sequence[dict[str, Any]]
    # Why measurements cannot start, each reason once
    refusals: Sequence[str]

    def document(self) -> dict[str, object]:
        """Return what a dry run says of it to a program."""
        return {"would_measure": list(self.rows), "cannot_be_measured": list(self.refusals)}

    def lines(self) -> list[str]:
        """Return what a dry run says of it."""
        lines = [_line(row) for row in self.rows]
        lines += [f"cannot be measured: {reason}" for reason in self.refusals[:SHOWN]]
        if len(self.refusals) > SHOWN:
            lines.append(f"... and {len(self.refusals) - SHOWN} more that cannot be measured")
        return lines


def pending(site: Site, connection: duckdb.DuckDBPyConnection) -> Pending:
    """Return what would be measured now; looks for the weights of the first LOOKED_AT of them."""
    rows = named_rows(connection, "SELECT * FROM measuring_cost")
    candidates = connection.execute(
        "SELECT trial, measures FROM todo WHERE measures IS NOT NULL "
        f"ORDER BY priority DESC, trial, measures LIMIT {LOOKED_AT}"
    ).fetchall()
    specs, refusals = MeasuredSpecs(site, connection, candidates), list[str]()
    for trial, suite in candidates:
        try:
            specs.spec(trial, suite)
        except RefusedError as error:
            refusals.append(str(error))
    return Pending(rows=rows, refusals=list(dict.fromkeys(refusals)))


def _line(row: dict[str, Any]) -> str:
    """Return what is said of the measurements of one suite and backbone."""
    words = f"would measure {row['trials']} trials of {row['backbone']} on suite {row['suite']!r}"
    words += f" without training: {row['missing']} times a dataset after a task"
    if row["seconds"] is None:
        return f"{words}; how long that takes is not known yet"
    words += f", about {row['seconds'] / 3600:.2g} hours"
    if row["unknown"]:
        words += f" and {row['unknown']} of which that is not known"
    return words


def note_refused(connection: duckdb.DuckDBPyConnection, report: Report) -> None:
    """Note for `health` the suites on which trials cannot be measured."""
    if not connection.execute("SELECT 1 FROM measurement LIMIT 1").fetchall():
        return
    for suite, count, trials, reason in connection.execute(REFUSED, [SHOWN]).fetchall():
        listed = ", ".join(map(str, trials))
        more = f" and {count - len(trials)} more" if count > len(trials) else ""
        report.problem(
            f"measurement {suite}",
            f"trials {listed}{more} cannot be measured on suite {suite!r}. Of trial {trials[0]}: "
            f"{reason} `python -m queries measurements state=refused` says it of each. When it is "
            "mended request a retry, or withdraw the measurement",
        )
