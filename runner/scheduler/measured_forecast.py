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
    SELECT trial, measures AS suite, arg_max(state, attempt) AS state
    FROM attempt JOIN outcome USING (trial, attempt)
    WHERE measures IS NOT NULL GROUP BY trial, measures
),
wish AS (
    SELECT n.trial, n.suite, arg_max(r.wish, r.serial) AS wish
    FROM newest n
    JOIN request r ON r.trial = n.trial AND (r.suite IS NULL OR r.suite = n.suite)
    GROUP BY n.trial, n.suite
)
SELECT n.suite, count(*), list(n.trial ORDER BY n.trial)[:?]
FROM newest n
SEMI JOIN exhausted e ON e.trial = n.trial AND e.measures = n.suite
LEFT JOIN wish w ON w.trial = n.trial AND w.suite = n.suite
WHERE n.state = 'refused' AND w.wish IS DISTINCT FROM 'withdraw'
GROUP BY n.suite ORDER BY n.suite
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
    for suite, count, trials in connection.execute(REFUSED, [SHOWN]).fetchall():
        listed = ", ".join(map(str, trials))
        more = f" and {count - len(trials)} more" if count > len(trials) else ""
        report.problem(
            f"measurement {suite}",
            f"trials {listed}{more} cannot be measured on suite {suite!r}, most likely because "
            "their weights are gone; `python -m queries measurements state=refused` says why and "
            "what training again would cost. Request a retry when the files are back, or withdraw "
            "the measurement",
        )
