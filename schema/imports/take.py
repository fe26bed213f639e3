"""`python -m schema --import FILE`: results of runs that were made elsewhere become trials.

Such a trial is of its own kind: `trial.source` says who ran it, and its method ends with @ and that
name. So it shares the other words with own trials, compares with them at equal words, and is never
taken for one of them. Sync never starts it. All of a file is taken in, or nothing of it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from schema.catalog import transaction
from schema.imports import kept, rows
from schema.imports.checks import Facts, Known, Sentence, check
from schema.imports.rows import ImportRefusedError
from schema.spec import Spec

# The attempt of a trial that was run elsewhere
ATTEMPT = 1
SHOWN = 5
# The columns of `trial` that a sentence has
COLUMNS = "backbone, stream, mixture, method, recipe, budget, seed"
# A method that was run elsewhere, from the row of the same name without the source
METHOD = """
INSERT INTO method BY NAME
SELECT * REPLACE ($full AS name, concat($plain, ' as ', $source, ' ran it: imported') AS note)
FROM method WHERE name = $plain
ON CONFLICT DO NOTHING
"""
# Of each trial the tasks that have results, and those of its stream
MEASURED = """
SELECT trial.id, list(DISTINCT result.task ORDER BY result.task), any_value(stream.tasks)
FROM trial
JOIN stream ON stream.name = trial.stream
JOIN result ON result.trial = trial.id
WHERE trial.id IN (SELECT unnest(?::BIGINT[]))
GROUP BY trial.id ORDER BY trial.id
"""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a file brought: trials and rows that are new, and trials that were there before."""

    trials: int = 0
    there: int = 0
    results: int = 0
    costs: int = 0
    # What a person should know of it, in words
    remarks: tuple[str, ...] = ()


def take(connection: duckdb.DuckDBPyConnection, path: Path, place: Path) -> Taken:
    """Take the trials of a file into an open catalog; `place` is where its rows are kept.

    Raises:
        ImportRefusedError: the file is refused; nothing of it is in the catalog.
        OSError: its rows cannot be kept; likewise.
    """
    facts = check(path, rows.read(path), Known.of(connection))
    with transaction(connection):
        new = _new(connection, path, facts)
        there = len(facts) - len(new)
        if not new:
            return Taken(there=there)
        _insert_methods(connection, new)
        ids = _insert_trials(connection, new)
        folder = place / kept.name_of([each.sha256 for each in new.values()])
        trials = _described(connection, path, new, ids)
        insert(connection, path.name, folder.name, trials)
        for sentence, of_trial in new.items():
            _insert_facts(connection, ids[sentence], of_trial)
        # The last before the commit: a folder without rows is completed by the same command
        kept.write(connection, folder, path.name, trials)
        return Taken(
            trials=len(new),
            there=there,
            results=sum(len(each.results) for each in new.values()),
            costs=sum(len(each.costs) for each in new.values()),
            remarks=tuple(_remarks(connection, list(ids.values()))),
        )


def _new(
    connection: duckdb.DuckDBPyConnection, path: Path, facts: Mapping[Sentence, Facts]
) -> dict[Sentence, Facts]:
    """Return the trials that were never imported.

    Raises:
        ImportRefusedError: one was, with other rows; the message names it.
    """
    known = {}
    for *words, trial, file, sha256 in connection.execute(
        f"SELECT imported.source, {COLUMNS}, trial.id, imported.file, imported.sha256 "
        "FROM imported JOIN trial ON trial.id = imported.trial"
    ).fetchall():
        source, backbone, stream, mixture, method, recipe, budget, seed = words
        sentence = Sentence(
            source=source,
            backbone=backbone,
            stream=stream,
            mixture=mixture,
            method=method,
            recipe=recipe,
            budget=budget,
            seed=seed,
        )
        known[sentence] = (trial, file, sha256)
    new, changed = {}, []
    for sentence, of_trial in facts.items():
        if sentence not in known:
            new[sentence] = of_trial
            continue
        trial, file, sha256 = known[sentence]
        if sha256 != of_trial.sha256:
            changed.append(f"  trial {trial} ({sentence}), from {file}")
    if changed:
        raise ImportRefusedError("\n".join(_refusal(path, changed)))
    return new


def _refusal(path: Path, changed: Sequence[str]) -> Iterable[str]:
    """Yield the lines of the message about trials that were imported with other rows."""
    yield (
        f"{path}: nothing was taken in, because trials were imported before and have other rows "
        "in this file:"
    )
    yield from changed[:SHOWN]
    if len(changed) > SHOWN:
        yield f"  and {len(changed) - SHOWN} more"
    yield (
        "What was imported is never changed. Name another source in the file (fomo_2), or leave "
        "these trials out."
    )


def _insert_methods(connection: duckdb.DuckDBPyConnection, sentences: Iterable[Sentence]) -> None:
    """Insert the methods with a source that are not there, like those without."""
    for full, plain, source in sorted({(s.method, s.plain_method, s.source) for s in sentences}):
        connection.execute(METHOD, {"full": full, "plain": plain, "source": source})


def _insert_trials(
    connection: duckdb.DuckDBPyConnection, new: Mapping[Sentence, Facts]
) -> dict[Sentence, int]:
    """Insert the trials and return their numbers."""
    ids = {}
    for sentence, facts in new.items():
        values = vars(sentence) | {"study": facts.study}
        names = ", ".join(values)
        places = ", ".join(f"${name}" for name in values)
        connection.execute(
            f"INSERT INTO trial ({names}) VALUES ({places}) ON CONFLICT DO NOTHING", values
        )
        same = " AND ".join(f"{name} = ${name}" for name in vars(sentence))
        (row,) = connection.execute(f"SELECT id FROM trial WHERE {same}", vars(sentence)).fetchall()
        ids[sentence] = row[0]
    return ids


def _described(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    new: Mapping[Sentence, Facts],
    ids: Mapping[Sentence, int],
) -> list[kept.KeptTrial]:
    """Return what the receipt says of each trial, its definition as of now in it.

    Raises:
        ImportRefusedError: a trial has no definition.
    """
    specs = dict(
        connection.execute(
            "SELECT trial, spec FROM definition WHERE trial IN (SELECT unnest(?::BIGINT[]))",
            [list(ids.values())],
        ).fetchall()
    )
    trials = []
    for sentence, facts in new.items():
        trial = ids[sentence]
        if trial not in specs:
            raise ImportRefusedError(
                f"{path}: nothing was taken in, because {sentence} has no definition: its stream "
                "needs a sequence with concepts and a suite with members, and its backbone must "
                "not be a trial that is not done"
            )
        (serial,) = connection.execute("SELECT nextval('event')").fetchone() or (0,)
        trials.append(
            kept.KeptTrial(
                trial=trial,
                serial=serial,
                words=vars(sentence) | {"study": facts.study},
                spec=specs[trial],
                spec_id=Spec.from_row(json.loads(specs[trial])).id,
                sha256=facts.sha256,
                rows=facts.rows,
            )
        )
    return trials


def insert(
    connection: duckdb.DuckDBPyConnection,
    file: str,
    folder: str,
    trials: Iterable[kept.KeptTrial],
) -> None:
    """Insert what happened to trials that were run elsewhere, without their results and costs."""
    for position, each in enumerate(trials):
        source, batch = each.words["source"], f"import-{folder}"
        connection.execute(
            "INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position, serial) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            [each.trial, ATTEMPT, each.spec, each.spec_id, batch, position, each.serial],
        )
        connection.execute(
            "INSERT INTO outcome (trial, attempt, state, message) VALUES (?, ?, 'done', ?)",
            [each.trial, ATTEMPT, f"run elsewhere ({source}); imported from {file}"],
        )
        connection.execute(
            "INSERT INTO imported (trial, source, file, sha256, rows, folder) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [each.trial, source, file, each.sha256, each.rows, folder],
        )


def _insert_facts(connection: duckdb.DuckDBPyConnection, trial: int, facts: Facts) -> None:
    """Insert the results and costs of a trial."""
    for table, of_table in (("result", facts.results), ("cost", facts.costs)):
        if of_table:
            packed: dict[str, list[Any]] = {name: [] for name in of_table[0]}
            for row in of_table:
                for name, value in row.items():
                    packed[name].append(value)
            unnested = ", ".join(f"unnest(${name}) AS {name}" for name in packed)
            connection.execute(
                f"INSERT INTO {table} BY NAME "
                f"SELECT {trial} AS trial, {ATTEMPT} AS attempt, {unnested}",
                packed,
            )


def _remarks(connection: duckdb.DuckDBPyConnection, trials: Sequence[int]) -> Iterable[str]:
    """Yield what answers will lack of trials: the untouched backbone, or the end of the stream."""
    lacking: dict[str, list[int]] = {}
    for trial, tasks, of_stream in connection.execute(MEASURED, [list(trials)]).fetchall():
        if of_stream not in tasks:
            reason = "have no result of the last task, so most answers leave them out"
            lacking.setdefault(reason, []).append(trial)
        if 0 not in tasks:
            reason = "have no result of task 0, so what they gained and lost is not known"
            lacking.setdefault(reason, []).append(trial)
    for reason, of_reason in lacking.items():
        listed = ", ".join(map(str, of_reason[:SHOWN]))
        if len(of_reason) > SHOWN:
            listed += f" and {len(of_reason) - SHOWN} more"
        yield f"trials {listed} {reason}"
