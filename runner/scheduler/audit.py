"""Runs the audits of `queries/` on the results that sync ingested.

On a large catalog an audit takes seconds, so a pass audits only the trials with receipts since the
last snapshot: their summaries are updated, their rows are copied into a catalog in memory, and the
audits run there. The whole catalog is audited only if that finds something, if an audit found
something before, or if a row that trials used was edited. A catalog that is small, or most of whose
trials came in this pass, is audited as a whole, which is faster than the copy. A pass without
changes runs no audit and keeps the earlier findings.
"""

import contextlib
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from runner.scheduler.report import Report
from schema import declared, views
from schema.questions import all_questions
from schema.site import Site
from schema.summaries import MARKS, alone, renew

# The most trials that a finding names
SHOWN = 5
# Up to this many rows of results the whole catalog is audited directly
SMALL = 100_000


def audit(site: Site, connection: duckdb.DuckDBPyConnection, report: Report, changed: bool) -> None:
    """Report a problem for each audit that finds something.

    `changed` says whether the catalog is newer than the last snapshot.
    """
    audits = [question.name for question in all_questions() if question.is_audit]
    problems = connection.execute("SELECT subject, message FROM problem").fetchall()
    known = {subject: message for subject, message in problems if subject in audits}
    if not changed:
        for name, message in known.items():
            report.problem(name, message)
        return
    renewed = renew(connection)
    # A catalog that was never published is new, or rebuilt
    suspect = set(known) if site.current.exists() else set(audits)
    if renewed or report.touched:
        # Limited to a thousand trials themselves, and a copy has no stored summaries
        suspect |= {"audit_kept", "audit_kept_costs"}
    if declared.edited(connection, site.declared):
        suspect.add("definition_drift")
    # Without a snapshot all audits run on the whole catalog, and none on a part
    left = [name for name in audits if name not in suspect]
    trials = _brought(connection, site.current) if left else []
    if trials and _whole_is_faster(connection, trials):
        suspect |= set(left)
    elif trials:
        suspect |= _suspected(connection, trials, left)
    with alone(connection):
        for name in audits:
            if name in suspect:
                finding = _finding(connection, name)
                if finding is not None:
                    report.problem(name, finding)


def _whole_is_faster(connection: duckdb.DuckDBPyConnection, brought: list[int]) -> bool:
    """Return whether the audits of the catalog take no longer than those of a copy of a part."""
    ((rows, trials),) = connection.execute(
        "SELECT (SELECT count(*) FROM result), (SELECT count(*) FROM trial)"
    ).fetchall()
    return bool(rows <= SMALL or 2 * len(brought) > trials)


def _brought(connection: duckdb.DuckDBPyConnection, snapshot: Path) -> list[int]:
    """Return the trials with receipts ingested after the snapshot.

    They include those that a killed pass ingested and did not audit.
    """
    published_s = snapshot.resolve().stat().st_mtime if snapshot.exists() else 0.0
    rows = connection.execute(
        "SELECT DISTINCT split_part(receipt, '/', 1)::BIGINT FROM ingested "
        "WHERE ingested_at >= ?::TIMESTAMPTZ",
        [datetime.fromtimestamp(published_s, UTC).isoformat()],
    )
    return [trial for (trial,) in rows.fetchall()]


def _suspected(
    connection: duckdb.DuckDBPyConnection, trials: list[int], audits: list[str]
) -> set[str]:
    """Return the audits that find something among these trials.

    They run in a copy of the trials' rows and of the vocabulary.
    """
    with contextlib.closing(connection.cursor()) as own:
        (catalog,) = own.execute("SELECT current_database()").fetchone() or ("",)
        own.execute("CREATE TEMP TABLE brought AS SELECT unnest(?::BIGINT[]) AS trial", [trials])
        own.execute("ATTACH ':memory:' AS audited")
        try:
            own.execute("USE audited")
            for table, key in _keys(own, catalog):
                chosen = "true"
                if table in ("ingested", "kept_until"):
                    chosen = "false"
                elif key:
                    chosen = f'"{key}" IN (FROM temp.brought)'
                own.execute(f'CREATE TABLE "{table}" AS FROM "{catalog}"."{table}" WHERE {chosen}')
            views.install_some(own, audits)
            # Stored summaries are copied, too, and are valid in the copy
            for mark in MARKS:
                own.execute(mark)
            return {name for name in audits if own.execute(f"FROM {name} LIMIT 1").fetchone()}
        finally:
            own.execute(f'USE "{catalog}"')
            own.execute("DETACH audited")
            own.execute("DROP TABLE temp.brought")


def _keys(connection: duckdb.DuckDBPyConnection, catalog: str) -> list[tuple[str, str | None]]:
    """Return every table of the catalog, with its column of trials' ids, if any."""
    return connection.execute(
        "SELECT table_name, max(CASE WHEN column_name = if(table_name = 'trial', 'id', 'trial') "
        "THEN column_name END) FROM duckdb_columns() "
        "SEMI JOIN duckdb_tables() USING (database_name, table_name) "
        "WHERE database_name = ? GROUP BY table_name ORDER BY table_name",
        [catalog],
    ).fetchall()


def _finding(connection: duckdb.DuckDBPyConnection, name: str) -> str | None:
    """Return an audit's finding in the whole catalog, in one line; None if it finds nothing."""
    counts = connection.execute(
        f"SELECT count(*), list(DISTINCT trial ORDER BY trial) FROM {name}"
    ).fetchone()
    if not counts or not counts[0]:
        return None
    rows, trials = counts
    listed = ", ".join(map(str, trials[:SHOWN]))
    if len(trials) > SHOWN:
        listed += f" and {len(trials) - SHOWN} more"
    return f"{rows} row{'s' * (rows > 1)}, of trials {listed}. See: python -m queries {name}"
