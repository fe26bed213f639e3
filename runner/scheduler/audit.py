"""The audits of `queries/`, run by sync on what it brought home.

Over a large catalog an audit takes seconds, so a pass looks at the trials whose receipts came since the last snapshot: what is
kept of them is brought up to their facts, their rows are copied into a catalog in memory, and asked there. Only when that finds
something, has found something before, or a row was edited under trials that ran, is the question put to the whole. A pass that
changes nothing asks nothing, and what was found stands.
"""

import contextlib
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from runner.scheduler.report import Report
from schema import declared, views
from schema.questions import all_questions
from schema.site import Site
from schema.summaries import MARKS, renew

SHOWN = 5  # trials that a finding names


def audit(site: Site, connection: duckdb.DuckDBPyConnection, report: Report, changed: bool) -> None:
    """Report a problem for each audit that finds something; `changed`: the catalog is newer than the last snapshot."""
    audits = [question.name for question in all_questions() if question.is_audit]
    known = {
        name: message
        for name, message in connection.execute("SELECT subject, message FROM problem").fetchall()
        if name in audits
    }
    if not changed:
        for name, message in known.items():
            report.problem(name, message)
        return
    renew(connection)
    suspect = (
        set(known) if site.current.exists() else set(audits)
    )  # a catalog that was never published is new, or rebuilt
    suspect |= {
        "audit_kept",
        "audit_kept_costs",
    }  # look at a thousand trials by themselves; a copy of rows keeps nothing
    if declared.edited(connection, site.declared):
        suspect.add("definition_drift")
    trials = _brought(connection, site.current)
    if trials:
        suspect |= _found(connection, trials, [name for name in audits if name not in suspect])
    for name in audits:
        if name in suspect and (said := _said(connection, name)):
            report.problem(name, said)


def _brought(connection: duckdb.DuckDBPyConnection, snapshot: Path) -> list[int]:
    """Trials with receipts that came after the snapshot: also those that a killed pass took and did not audit."""
    since = datetime.fromtimestamp(
        snapshot.resolve().stat().st_mtime if snapshot.exists() else 0, UTC
    )
    found = connection.execute(
        "SELECT DISTINCT split_part(receipt, '/', 1)::BIGINT FROM ingested WHERE ingested_at >= ?::TIMESTAMPTZ",
        [since.isoformat()],
    )
    return [trial for (trial,) in found.fetchall()]


def _found(connection: duckdb.DuckDBPyConnection, trials: list[int], audits: list[str]) -> set[str]:
    """Which audits find something among these trials, asked in a copy of their rows and of the vocabulary."""
    with contextlib.closing(connection.cursor()) as own:
        (catalog,) = own.execute("SELECT current_database()").fetchone() or ("",)
        own.execute("CREATE TEMP TABLE brought AS SELECT unnest(?::BIGINT[]) AS trial", [trials])
        own.execute("ATTACH ':memory:' AS audited")
        try:
            own.execute("USE audited")
            for table, key in _keys(own, catalog):
                chosen = (
                    "false"
                    if table in ("ingested", "kept_until")
                    else f'"{key}" IN (FROM temp.brought)'
                    if key
                    else "true"
                )
                own.execute(f'CREATE TABLE "{table}" AS FROM "{catalog}"."{table}" WHERE {chosen}')
            views.install_some(own, audits)
            for mark in MARKS:  # what is kept is copied, too, and holds here
                own.execute(mark)
            return {name for name in audits if own.execute(f"FROM {name} LIMIT 1").fetchone()}
        finally:
            own.execute(f'USE "{catalog}"')
            own.execute("DETACH audited")
            own.execute("DROP TABLE temp.brought")


def _keys(connection: duckdb.DuckDBPyConnection, catalog: str) -> list[tuple[str, str | None]]:
    """Every table of the catalog, and its column that is a trial's id."""
    return connection.execute(
        "SELECT table_name, max(CASE WHEN column_name = if(table_name = 'trial', 'id', 'trial') THEN column_name END) "
        "FROM duckdb_columns() SEMI JOIN duckdb_tables() USING (database_name, table_name) "
        "WHERE database_name = ? GROUP BY table_name ORDER BY table_name",
        [catalog],
    ).fetchall()


def _said(connection: duckdb.DuckDBPyConnection, name: str) -> str | None:
    """What an audit finds in the whole catalog, in one line; None: nothing."""
    found = connection.execute(
        f"SELECT count(*), list(DISTINCT trial ORDER BY trial) FROM {name}"
    ).fetchone()
    if not found or not found[0]:
        return None
    rows, trials = found
    more = f" and {len(trials) - SHOWN} more" if len(trials) > SHOWN else ""
    return f"{rows} row{'s' * (rows > 1)}, of trials {', '.join(map(str, trials[:SHOWN]))}{more}. See: python -m queries {name}"
