"""What the rules would add before anything starts, for `python -m runner.sync --dry-run`.

Nothing is changed: what a rule would add is priced in a transaction that is taken back.
"""

from collections.abc import Sequence
from dataclasses import replace

import duckdb
from rich.console import Console

from runner.scheduler import forecast_tables, rules
from runner.scheduler.estimates import Outlook
from runner.scheduler.fact_rows import named_rows
from schema.checks.standing import WORDS
from schema.site import Site


def show(
    console: Console,
    site: Site,
    answers: Sequence[rules.Answer],
    additions: Sequence[Outlook],
) -> int:
    """Print what rules would add before anything starts, with its price; return the exit code."""
    for answer in answers:
        if answer.rows and not answer.wishes and not answer.error:
            _show_addition(console, answer, additions)
    if additions:
        console.print("rules would add first:")
        # One after the other: which of them run side by side is not known before they are there
        console.print(forecast_tables.studies(site, additions, 1))
    for answer in answers:
        subject = f"rule {answer.rule.name}"
        if answer.error:
            console.print(f"{subject}: {answer.error}", soft_wrap=True)
        elif answer.wishes and answer.rows:
            trials = ", ".join(str(trial) for trial, *_ in answer.rows)
            console.print(f"{subject} would withdraw trials {trials}", soft_wrap=True)
    return exit_code(answers)


def _show_addition(console: Console, answer: rules.Answer, additions: Sequence[Outlook]) -> None:
    """Print how many trials a rule would add, and how many of them have no price."""
    name, count = answer.rule.name, len(answer.rows)
    priced = sum(row["trials"] for row in additions if row["study"] == f"rule {name}")
    line = f"rule {name} would add {count} trial{'s' * (count != 1)}"
    if priced < count:
        line += f"; {count - priced} would wait for their backbone, and are in no sum"
    console.print(line, soft_wrap=True)


def exit_code(answers: Sequence[rules.Answer]) -> int:
    """Return 1 where a rule fails, else 0."""
    return int(any(answer.error for answer in answers))


def rows(answers: Sequence[rules.Answer]) -> list[dict[str, object]]:
    """Return for a program what each rule would add, in sentences, or withdraw, or why it fails."""
    table: list[dict[str, object]] = []
    for answer in answers:
        named = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        key = "would_withdraw" if answer.wishes else "would_add"
        row: dict[str, object] = {
            "rule": answer.rule.name,
            "error": answer.error or None,
            key: named,
        }
        table.append(row)
    return table


def priced(
    connection: duckdb.DuckDBPyConnection, answers: Sequence[rules.Answer]
) -> tuple[list[rules.Answer], list[Outlook]]:
    """Return the answers, and the rows of `outlook` of what these rules would add.

    The studies of the rows are the rules. An answer that the catalog refuses has the error.
    """
    checked: list[rules.Answer] = []
    additions: list[Outlook] = []
    for answer in answers:
        if answer.error or answer.wishes or not answer.rows:
            checked.append(answer)
            continue
        if lines := rules.unknown(connection, answer):
            checked.append(replace(answer, error=" ".join(lines)))
            continue
        additions += _price(connection, answer)
        checked.append(answer)
    return checked, additions


def _price(connection: duckdb.DuckDBPyConnection, answer: rules.Answer) -> Sequence[Outlook]:
    """Return the rows of `outlook` of the trials that a rule would add.

    They are inserted, asked about, and taken back again.
    """
    ((number,),) = connection.execute("SELECT coalesce(max(id), 0) FROM trial").fetchall()
    study = f"rule {answer.rule.name}"
    rows = [(*row[: len(WORDS)], study) for row in answer.rows]
    named = replace(answer, columns=(*WORDS, "study"), rows=rows)
    connection.execute("BEGIN")
    try:
        rules.insert_recipes(connection, answer.recipes)
        # Numbers of their own: the sequence of the catalog stays as it is
        rules.insert_trials(connection, named, range(number + 1, number + 1 + len(rows)))
        quoted = study.replace("'", "''")
        return named_rows(connection, f"SELECT * FROM outlook WHERE study = '{quoted}'")
    finally:
        connection.execute("ROLLBACK")
