"""`python -m runner.sync`: make the cluster do what the rows say, and the rows say what the cluster did.

One pass observes (files and jobs become rows), decides (`SELECT * FROM todo`), acts (folders, then the backend), audits what
came and publishes a snapshot. It remembers nothing: run it as often as you like, kill it anywhere, run two at once. `--watch`
repeats it until nothing is pending or running.
"""

import argparse
import sys
from dataclasses import replace
from functools import partial

import duckdb

from runner.backends import Backend, BackendError, backend
from runner.run_folder import crash_point
from runner.scheduler.attempts import live_attempts
from runner.scheduler.audit import audit
from runner.scheduler.observe import observe
from runner.scheduler.profiles import ProfilingError
from runner.scheduler.report import Report
from runner.scheduler.sharing import prune
from runner.scheduler.submit import act
from schema import declared, migrations
from schema.catalog import Catalog, CatalogBusyError, CatalogMissingError, FileLock, transaction
from schema.site import Site, SiteError
from schema.words import nearest

EXPECTED = (
    SiteError,
    BackendError,
    ProfilingError,
    CatalogMissingError,
    CatalogBusyError,
    migrations.MigrationError,
    duckdb.IOException,
    duckdb.FatalException,
)  # what a person can mend: said without a traceback


def sync(site: Site, place: Backend, limit: int | None = None) -> Report:
    """One pass.

    Raises:
        CatalogMissingError, CatalogBusyError: the catalog or another sync's lock cannot be had in time.
    """
    catalog = Catalog(site.catalog, site.lock_wait_s)
    if not catalog.path.exists():
        raise CatalogMissingError(f"no catalog at {catalog.path}; make one with: python -m schema")
    report = Report()
    with FileLock(catalog.path.with_name("sync.lock"), site.lock_wait_s).held():
        with migrations.prepared(catalog) as connection:
            settle_policy(site, connection)
            attempts = live_attempts(site, connection)
        live = observe(site, catalog, place, report, attempts)
        if place.name not in report.silent:
            act(site, catalog, place, report, limit, live)
        report.running = max(report.running, len(live))
        with catalog.open() as connection:
            newer = stale(site, catalog)
            note(site, connection, report, newer or report.changed)
            crash_point("publish")
            if newer or report.changed:
                publish(site, catalog, connection)
    return report


def settle_policy(site: Site, connection: duckdb.DuckDBPyConnection) -> None:
    """`[retries]` of site.toml become the knobs that `todo` reads.

    Raises:
        SiteError: a knob that the catalog does not have.
    """
    if not site.retries:
        return
    known = dict(connection.execute("SELECT name, value FROM policy").fetchall())
    wanted = {
        name if name in known else f"retries_{name}": value for name, value in site.retries.items()
    }
    for name in wanted:
        if name not in known:
            said = name.removeprefix("retries_")
            keys = [known_name.removeprefix("retries_") for known_name in sorted(known)]
            raise SiteError(
                f"site.toml: [retries] has no {said!r}. Known: {', '.join(keys)}.{nearest(said, keys)}"
            )
    changed = [(value, name) for name, value in wanted.items() if known[name] != value]
    if changed:
        connection.executemany("UPDATE policy SET value = ? WHERE name = ?", changed)


def note(site: Site, connection: duckdb.DuckDBPyConnection, report: Report, changed: bool) -> None:
    """What this pass could not trust or reach, and what audits find in what it brought (`changed`: anything since the last
    snapshot), kept for `health` until a pass finds it in order; and the counts to report."""
    audit(site, connection, report, changed)
    prune(site, connection)
    known = set(connection.execute("SELECT subject, message FROM problem").fetchall())
    gone, new = known - set(report.problems), set(report.problems) - known
    if gone or new:
        with transaction(connection):
            for subject, message in gone:
                connection.execute(
                    "DELETE FROM problem WHERE subject = ? AND message = ?", [subject, message]
                )
            for subject, message in new:
                connection.execute(
                    "INSERT INTO problem (subject, message) VALUES (?, ?)", [subject, message]
                )
        report.noted = True
    if report.pending is None:
        found = connection.execute("SELECT count(*) FROM startable").fetchone()
        report.pending = found[0] if found else 0


def publish(site: Site, catalog: Catalog, connection: duckdb.DuckDBPyConnection) -> None:
    """A new snapshot of the catalog that is open, and what people declared, outside of it."""
    declared.export(connection, site.declared)
    catalog.publish(site.snapshot, connection)


def stale(site: Site, catalog: Catalog) -> bool:
    """Whether the catalog is newer than the last snapshot."""
    newest = site.current.resolve() if site.current.exists() else None
    return newest is None or newest.stat().st_mtime < catalog.path.stat().st_mtime


# ---------------------------------------------------------------- the command


def again(name: str | None, limit: int | None) -> Report:
    """A pass under what site.toml says now, so that a person can mend it while a grid runs."""
    site = _site(name)
    return sync(site, backend(site.backend, site), limit)


def _site(name: str | None) -> Site:
    """What site.toml says, with a backend named on the command line instead of its own."""
    site = Site.load()
    return replace(site, backend=name or site.backend)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0; 1 when something could not be trusted or reached (degraded); 2 when nothing could be done."""
    parser = argparse.ArgumentParser(
        prog="python -m runner.sync",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="repeat until nothing is pending or running, with live progress",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print what would be submitted, and what it costs; change nothing",
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="with --dry-run: first profile what is pending and was not yet",
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help="submit at most N trials in this pass"
    )
    parser.add_argument("--backend", metavar="NAME", help="instead of the one in site.toml")
    asked = parser.parse_args(arguments)
    if asked.limit is not None and asked.limit < 0:
        parser.error("--limit must be 0 or more")
    if asked.profile and not asked.dry_run:
        parser.error("--profile is for --dry-run: trials profile themselves as they start")
    try:
        site = _site(asked.backend)
        place = backend(site.backend, site)
        if asked.dry_run:
            from runner.scheduler.dry_run import dry_run

            return dry_run(site, place, asked.limit, asked.profile)
        if asked.watch:
            from runner.scheduler.watch import watch

            return watch(site.current, place.pause_s, partial(again, asked.backend, asked.limit))
        report = sync(site, place, asked.limit)
    except KeyboardInterrupt:
        print("stopped; what runs goes on, and the next sync takes it from here", file=sys.stderr)
        return 130
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:  # a disk that is full, read-only or gone
        print(f"{error}; nothing is lost: run sync again when that is mended", file=sys.stderr)
        return 2
    print(
        f"{report.submitted} submitted, {report.ended} ended, {report.rows} rows ingested, {report.refused} refused; "
        f"{report.running} running, {report.pending} pending"
    )
    for subject, message in report.problems:
        print(f"degraded: {subject}: {message}", file=sys.stderr)
    return 1 if report.problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
