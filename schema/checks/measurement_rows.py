"""Refuse rows of `measurement`, and requests for them or for weights, that are impossible."""

from collections.abc import Collection
from typing import Any

import duckdb

SHOWN = 5


class MeasurementError(ValueError):
    """A measurement, or a request about one, is impossible; the message says what is allowed."""


def check_measurements(
    connection: duckdb.DuckDBPyConnection, rows: Collection[tuple[Any, ...]]
) -> None:
    """Refuse measurements of unknown trials, of weights in several files, and of empty suites.

    `rows` begin with trial and suite.

    Raises:
        MeasurementError: the message names what is missing.
    """
    if not rows:
        return
    known = {trial for (trial,) in connection.execute("SELECT id FROM trial").fetchall()}
    # Checked here, as the table of trials has no key for a foreign key to refer to
    unknown = sorted({trial for trial, *_ in rows} - known)
    if unknown:
        listed = ", ".join(map(str, unknown[:SHOWN]))
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        raise MeasurementError(
            f"measurement: there is no trial {listed}{more}. Take the ids from the table: INSERT "
            "INTO measurement (trial, suite) SELECT id, 'SUITE' FROM trial WHERE ..."
        )
    asked = {trial for trial, *_ in rows}
    _check_here(connection, asked)
    ensembles = connection.execute(
        "SELECT trial.id, trial.method FROM trial JOIN method ON method.name = trial.method "
        "WHERE method.deploy = 'ensemble' ORDER BY trial.id"
    ).fetchall()
    several = [(trial, method) for trial, method in ensembles if trial in asked]
    if several:
        trial, method = several[0]
        raise MeasurementError(
            f"measurement: trial {trial} deploys an ensemble (method {method!r}), several models "
            "that no single file holds, so it cannot be measured later. Leave such trials out "
            "(WHERE method NOT IN (SELECT name FROM method WHERE deploy = 'ensemble')), or "
            "declare a stream with the suite"
        )
    members = connection.execute("SELECT DISTINCT suite FROM suite_member").fetchall()
    with_members = {suite for (suite,) in members}
    empty = sorted({suite for _, suite, *_ in rows} - with_members)
    if empty:
        raise MeasurementError(
            f"measurement: suite {empty[0]!r} has no rows in suite_member, so there is nothing to "
            "measure. Insert its members first"
        )


def _check_here(connection: duckdb.DuckDBPyConnection, asked: set[int]) -> None:
    """Refuse trials that were run elsewhere, whose weights were never here."""
    elsewhere = connection.execute(
        "SELECT id, source FROM trial WHERE source IS NOT NULL ORDER BY id"
    ).fetchall()
    for trial, source in elsewhere:
        if trial in asked:
            raise MeasurementError(
                f"measurement: trial {trial} was run elsewhere ({source}) and imported, so its "
                "weights are not here. Leave such trials out (WHERE source IS NULL)"
            )


def last_wish(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the serial number of the newest request; 0: there is none."""
    (serial,) = connection.execute("SELECT coalesce(max(serial), 0) FROM request").fetchall()[0]
    return int(serial)


def check_retrains(connection: duckdb.DuckDBPyConnection, since: int) -> None:
    """Refuse requests behind the serial number `since` to train again what cannot be.

    Raises:
        MeasurementError: there is no such trial, or it was run elsewhere.
    """
    wrong = connection.execute(
        "SELECT request.trial, trial.source "
        "FROM request LEFT JOIN trial ON trial.id = request.trial "
        "WHERE request.wish = 'retrain' AND request.serial > ? "
        "AND (trial.id IS NULL OR trial.source IS NOT NULL) ORDER BY request.serial",
        [since],
    ).fetchall()
    for trial, source in wrong:
        if source is None:
            raise MeasurementError(
                f"request: there is no trial {trial} to be trained again. "
                "See: SELECT id, method, seed FROM trial"
            )
        raise MeasurementError(
            f"request: trial {trial} was run elsewhere ({source}) and imported, so it is never "
            "trained here. Declare a trial of your own by the same words, with a method without @"
        )


def check_wishes(connection: duckdb.DuckDBPyConnection, since: int) -> None:
    """Refuse requests behind the serial number `since` about measurements that are not declared.

    Raises:
        MeasurementError: the message names it, and the measurements that the trial has.
    """
    wrong = connection.execute(
        "SELECT trial, suite FROM request WHERE suite IS NOT NULL AND serial > ? "
        "AND (trial, suite) NOT IN (SELECT (trial, suite) FROM measurement) ORDER BY serial",
        [since],
    ).fetchall()
    if not wrong:
        return
    trial, suite = wrong[0]
    rows = connection.execute(
        "SELECT DISTINCT suite FROM measurement WHERE trial = ? ORDER BY suite", [trial]
    ).fetchall()
    # The measurement that may have been meant
    declared = ", ".join(name for (name,) in rows) or "none"
    raise MeasurementError(
        f"request: trial {trial} is not to be measured on suite {suite!r}. Its measurements: "
        f"{declared}. Leave suite out of a wish about the trial itself"
    )
