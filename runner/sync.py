"""`python -m runner.sync`: make the cluster do what the rows say, and the rows say what it did.

One pass observes (files and jobs become rows), decides (`SELECT * FROM todo`), acts (folders, then
the backend), audits what came and publishes a snapshot. It remembers nothing: run it as often as
you like, kill it anywhere, run two at once. `--watch` repeats it until nothing is pending or
running.
"""

import os
import signal
import sys

if __name__ == "__main__":
    # Ctrl-C while packages are still imported ends the command, without a traceback. At once, since
    # an exception within the import of a compiled package comes out as an error of that import
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))

import argparse
import json
import logging
from dataclasses import replace
from functools import partial

import duckdb

from runner import code_snapshot
from runner.backends import Backend, BackendError, backend
from runner.run_folder import crash_point
from runner.scheduler import choose, disk, memory, notify, retrained, rules
from runner.scheduler.attempts import Live, live_attempts
from runner.scheduler.audit import audit
from runner.scheduler.measured_forecast import note_refused
from runner.scheduler.observe import observe
from runner.scheduler.profiles import ProfilingError
from runner.scheduler.report import Report
from runner.scheduler.sharing import prune
from runner.scheduler.submit import act
from runner.scheduler.tidy import tidy
from schema import declared, migrations, publishing
from schema.catalog import (
    LONG_LOG_BYTES,
    Catalog,
    CatalogBusyError,
    CatalogMissingError,
    FileLock,
    transaction,
)
from schema.site import Site, SiteError
from schema.vocabulary import OUTCOME_KINDS
from schema.words import nearest

# What a person can mend, and is told without a traceback
EXPECTED = (
    SiteError,
    BackendError,
    ProfilingError,
    CatalogMissingError,
    CatalogBusyError,
    migrations.MigrationError,
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.SerializationException,
)


def sync(site: Site, place: Backend, limit: int | None = None) -> Report:
    """Do one pass.

    Raises:
        CatalogMissingError, CatalogBusyError: the catalog or another sync's lock cannot be had
            in time.
    """
    catalog = Catalog(site.catalog, site.lock_wait_s, LONG_LOG_BYTES)
    if not catalog.path.exists():
        raise CatalogMissingError(f"no catalog at {catalog.path}; make one with: python -m schema")
    report = Report()
    with FileLock(catalog.path.with_name("sync.lock"), site.lock_wait_s).held():
        # Whether somebody else wrote into it since the last pass
        report.touched = stale(site, catalog)
        with migrations.prepared(catalog, unchanged=not report.touched) as connection:
            settle_policy(site, connection)
            attempts = live_attempts(site, connection, report)
            standing = rules.standing(connection)
            startable = choose.pending(connection)
        live = observe(site, catalog, place, report, attempts)
        restore_code(site, live, report)
        # After the facts are in and before trials start: what a rule adds starts in this pass
        rules.add(catalog, report, standing)
        if not (startable or report.changed):
            # Opening the catalog is most of a pass, and there is nothing to choose from
            limit = report.pending = 0
        if place.name not in report.silent:
            act(site, catalog, place, report, limit, live)
        report.running = max(report.running, len(live))
        with catalog.open() as connection:
            newer = stale(site, catalog)
            note(site, connection, report, newer or report.changed)
            crash_point("publish")
            if newer or report.changed:
                publish(site, catalog, connection)
            news = notify.news(site, connection, report)
    # After the locks are free: a slow listener must hold up nobody
    notify.send(site, news)
    return report


def settle_policy(site: Site, connection: duckdb.DuckDBPyConnection) -> None:
    """Make `[retries]` of site.toml the knobs that `todo` reads.

    Raises:
        SiteError: a knob that there is none of.
    """
    # How often half as much memory again is given: until memory_gb_most is reached
    raises = max(needs.raises for needs in (site.needs, *site.by_backbone.values()))
    knobs = {"oom_host": raises} | dict(site.retries) if raises else dict(site.retries)
    if not knobs:
        return
    known = dict(connection.execute("SELECT name, value FROM policy").fetchall())
    allowed = {*known, *(f"retries_{kind}" for kind in OUTCOME_KINDS)}
    changed = []
    for key, value in knobs.items():
        name = key if key in known else f"retries_{key}"
        if name not in allowed:
            keys = sorted(each.removeprefix("retries_") for each in allowed)
            raise SiteError(
                f"site.toml: [retries] has no {key!r}. Known: {', '.join(keys)}."
                f"{nearest(key, keys)}"
            )
        if known.get(name) != value:
            changed.append((name, value))
    for name, value in changed:
        connection.execute("UPDATE policy SET value = ? WHERE name = ?", [value, name])
        connection.execute(
            "INSERT INTO policy (name, value, note) SELECT ?, ?, 'from site.toml' "
            "WHERE ? NOT IN (SELECT name FROM policy)",
            [name, value, name],
        )


def restore_code(site: Site, live: list[Live], report: Report) -> None:
    """Make the snapshot of the code of attempts that wait or run again, where somebody removed it.

    That is possible while the tree holds the same code; otherwise their jobs fail and are made
    anew.
    """
    gone = {each.code for each in live if each.code and not (site.code / each.code).is_dir()}
    if not gone:
        return
    snapshot = code_snapshot.snapshot(site.code).name
    for name in sorted(gone - {snapshot}):
        report.problem(
            f"code {name}",
            f"{site.code / name} is gone, and the tree holds other code now; attempts that have "
            "not begun fail and are made anew. Put the folder back to have them run",
        )


def note(site: Site, connection: duckdb.DuckDBPyConnection, report: Report, changed: bool) -> None:
    """Keep for `health` what this pass could not trust or reach, and what audits find.

    A problem stays until a pass finds it in order. `changed`: anything came since the last
    snapshot.
    """
    audit(site, connection, report, changed)
    prune(site, connection)
    tidy(site, connection, report)
    disk.keep(site, connection, report, changed)
    note_refused(connection, report)
    retrained.note(site, connection, report, changed)
    for sentence in memory.raised(site, connection):
        report.problem("memory_gb", sentence)
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
        report.pending = choose.pending(connection)


def publish(site: Site, catalog: Catalog, connection: duckdb.DuckDBPyConnection) -> None:
    """Publish a snapshot of the catalog that is open, and what people declared, outside of it."""
    declared.export(connection, site.declared)
    publishing.publish(catalog, site.snapshot)


def stale(site: Site, catalog: Catalog) -> bool:
    """Return whether the catalog is newer than the last snapshot.

    It is, too, where there is no snapshot or no export.
    """
    newest = site.current.resolve() if site.current.exists() else None
    if newest is None or not (site.declared / "declared.json").is_file():
        return True
    return newest.stat().st_mtime_ns < catalog.file.changed_at_ns()


# ---------------------------------------------------------------- the command


def again(name: str | None, limit: int | None) -> Report:
    """Do a pass under what site.toml says now, so that a person can mend it while a grid runs."""
    site = _site(name)
    return sync(site, backend(site.backend, site), limit)


def _site(name: str | None) -> Site:
    """Return what site.toml says, with a backend named on the command line instead of its own."""
    site = Site.load()
    return replace(site, backend=name or site.backend)


def _parser() -> argparse.ArgumentParser:
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
    parser.add_argument(
        "--json", action="store_true", help="print what it did, or would do, as JSON"
    )
    parser.add_argument("--backend", metavar="NAME", help="instead of the one in site.toml")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for, and return the exit code.

    It is 0; 1 when something could not be trusted or reached; 2 when nothing was done.
    """

    parser = _parser()
    options = parser.parse_args(arguments)
    if options.limit is not None and options.limit < 0:
        parser.error("--limit must be 0 or more")
    if options.profile and not options.dry_run:
        parser.error("--profile is for --dry-run: trials profile themselves as they start")
    if options.json and options.watch:
        parser.error("--json is of one pass, and --watch makes many: read lab/snapshot meanwhile")
    # A live picture is no place for lines of a log
    level = logging.WARNING if options.watch else logging.INFO
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=level)
    try:
        return _do(options)
    except KeyboardInterrupt:
        print("stopped; what runs goes on, and the next sync takes it from here", file=sys.stderr)
        return 130
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        # A disk that is full, read-only or gone
        print(f"{error}; nothing is lost: run sync again when that is mended", file=sys.stderr)
        return 2


def _do(options: argparse.Namespace) -> int:
    site = _site(options.backend)
    place = backend(site.backend, site)
    if options.dry_run:
        from runner.scheduler.dry_run import dry_run

        return dry_run(site, place, options.limit, options.profile, options.json)
    if options.watch:
        from runner.scheduler.watch import watch

        return watch(site.current, place, partial(again, options.backend, options.limit))
    report = sync(site, place, options.limit)
    if options.json:
        print(json.dumps(report.document(), ensure_ascii=False, indent=1))
        return 1 if report.problems else 0
    print(
        f"{report.submitted} submitted, {report.ended} ended, {report.rows} rows ingested, "
        f"{report.refused} refused; {report.running} running, {report.pending} pending"
    )
    for line in report.by_rules:
        print(line)
    if report.removed:
        print(f"removed to keep to disk_gb: {', '.join(report.removed)}")
    for subject, message in report.problems:
        print(f"degraded: {subject}: {message}", file=sys.stderr)
    return 1 if report.problems else 0


if __name__ == "__main__":
    # From here on Ctrl-C is caught where a sentence can say what goes on
    signal.signal(signal.SIGINT, signal.default_int_handler)
    raise SystemExit(main())
