"""The rules, standing grids: what each returns that the catalog lacks becomes trials.

A rule is run on the catalog as the pass has it after observing, read-only, where no file and no
network can be reached, and in a process that can be ended. What it returns is inserted in one
transaction for each rule, which the database refuses as a whole where a word does not exist. So a
pass that is killed has added all of a rule's trials or none, the next pass adds what is missing,
and a rule that fails stops nothing else.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from runner.run_folder import crash_point
from runner.scheduler.ask_rules import BUSY
from runner.scheduler.learned import Drawn
from runner.scheduler.report import Report
from schema.catalog import Catalog, CatalogBusyError, transaction
from schema.checks.standing import SECONDS, WISH, WORDS, Rule, RuleError, unknown_words

ROOT = Path(__file__).resolve().parents[2]
# The parent's patience beyond the seconds of the rules: for starting, and for handing over
START_S = 60.0
# Rules that nobody has ended, with what is left to them. A rule of wishes adds no trials.
STANDING = """
WITH added AS (
    SELECT rule AS name, count(*) AS trials FROM trial WHERE rule IS NOT NULL GROUP BY rule
),
ended AS (
    SELECT rule AS name FROM request WHERE rule IS NOT NULL
    GROUP BY rule HAVING arg_max(wish, serial) = 'withdraw'
)
SELECT rule.name, rule.query, rule.most_trials - coalesce(added.trials, 0) AS remaining
FROM rule
LEFT JOIN added ON added.name = rule.name
ANTI JOIN ended ON ended.name = rule.name
WHERE remaining > 0
ORDER BY rule.name
"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a rule returned that the catalog lacks, or why there is no answer."""

    rule: Rule
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    # Recipes of the rows that are made with them
    recipes: Sequence[Drawn] = ()
    error: str = ""

    @property
    def wishes(self) -> bool:
        """Return whether the rows are wishes about trials, and no trials."""
        return tuple(self.columns) == WISH


def add(catalog: Catalog, report: Report, rules: Sequence[Rule], seconds: float = SECONDS) -> None:
    """Insert the trials and wishes that rules return and the catalog lacks, and report them.

    A rule that fails is a problem of this pass. The caller holds the lock of sync.

    Raises:
        CatalogBusyError: the catalog cannot be had in time.
    """
    answers = ask(catalog, rules, seconds)
    if not answers:
        return
    with catalog.open() as connection:
        for answer in answers:
            if answer.error:
                report.problem(f"rule {answer.rule.name}", answer.error)
            elif answer.rows:
                _insert(connection, answer, report)


def read(catalog: Catalog) -> list[Rule]:
    """Return the rules of a closed catalog that nobody has ended and that may still add trials."""
    with catalog.open() as connection:
        return standing(connection)


def standing(connection: duckdb.DuckDBPyConnection) -> list[Rule]:
    """Return the rules that nobody has ended and that may still add trials."""
    rows = connection.execute(STANDING).fetchall()
    return [Rule(name=name, query=query, remaining=remaining) for name, query, remaining in rows]


def ask(catalog: Catalog, rules: Sequence[Rule], seconds: float = SECONDS) -> list[Answer]:
    """Run rules on the catalog, which must be closed and stays locked meanwhile.

    Raises:
        CatalogBusyError: the catalog cannot be had in time.
    """
    answers: list[Answer] = []
    if not rules:
        return answers
    with catalog.lock.held():
        # A process that dies of a rule has answered those before it; another goes on behind it
        while len(answers) < len(rules):
            answers += _ask_some(catalog.path, rules[len(answers) :], seconds)
    return answers


def _ask_some(path: Path, rules: Sequence[Rule], seconds: float) -> list[Answer]:
    """Run rules in one process; return the answers up to the first that ends the process."""
    entries = [asdict(rule) for rule in rules]
    request = {"catalog": str(path), "rules": entries, "seconds": seconds}
    # The process may be started in any folder; the package is found where this file is
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    child = subprocess.Popen(
        [sys.executable, "-m", "runner.scheduler.ask_rules"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": search},
    )
    try:
        output, trouble = child.communicate(
            json.dumps(request), timeout=START_S + seconds * len(rules)
        )
    except subprocess.TimeoutExpired:
        child.kill()
        output, trouble = child.communicate()
    if child.returncode == BUSY:
        raise CatalogBusyError(
            f"{path} is open in another program, so that rules cannot be run; close it. "
            f"DuckDB says: {trouble.strip()}"
        )
    # A line that the end of the process cut short is no answer
    lines = [line for line in output.splitlines(keepends=True) if line.endswith("\n")]
    answers = []
    for rule, line in zip(rules, lines, strict=False):
        reply = json.loads(line)
        reply["recipes"] = [Drawn(**recipe) for recipe in reply.get("recipes", [])]
        answers.append(Answer(rule=rule, **reply))
    if len(answers) < len(rules):
        error = _death(child.returncode, seconds, trouble)
        answers.append(Answer(rule=rules[len(answers)], error=error))
    return answers


def _death(code: int, seconds: float, trouble: str) -> str:
    """Return why a process ended that had not answered yet."""
    if code == -signal.SIGALRM:
        return f"its query ran longer than {seconds:g} s and was stopped. Ask for less."
    last = trouble.strip().rpartition("\n")[2]
    return (
        f"the process that ran its query ended with code {code}, perhaps because the machine is "
        f"short of memory. Ask for less. {last}"
    ).rstrip()


def _insert(connection: duckdb.DuckDBPyConnection, answer: Answer, report: Report) -> None:
    """Insert what a rule returned, all of it or nothing."""
    name = answer.rule.name
    # Before the insertion: one that is refused has drawn numbers of trials, again in every pass
    if lines := unknown(connection, answer):
        report.problem(f"rule {name}", " ".join(lines))
        return
    try:
        with transaction(connection):
            if not _unchanged(connection, answer.rule):
                return
            if answer.wishes:
                count = _insert_wishes(connection, answer)
            else:
                insert_recipes(connection, answer.recipes)
                count = insert_trials(connection, answer)
            crash_point("rule")
    except RuleError as error:
        report.problem(f"rule {name}", str(error))
        return
    except duckdb.Error as error:
        report.problem(f"rule {name}", f"the catalog refuses what its query returns. {error}")
        return
    report.added += count
    report.by_rules.append(_line(answer, count))


def _line(answer: Answer, count: int) -> str:
    """Return how many rows a rule added, in words."""
    things = "wishes" if answer.wishes else "trials"
    if count == 1:
        things = "wish" if answer.wishes else "trial"
    line = f"rule {answer.rule.name}: {count} {things} added"
    if answer.wishes:
        return line
    return f"{line}, {answer.rule.remaining - count} more allowed"


def _unchanged(connection: duckdb.DuckDBPyConnection, rule: Rule) -> bool:
    """Return whether a rule stands as it did when it was run.

    A person may have edited or ended it meanwhile; then the next pass runs it as it is now.
    """
    return rule in standing(connection)


def unknown(connection: duckdb.DuckDBPyConnection, answer: Answer) -> list[str]:
    """Return a line for every word of the trials of an answer that nobody has."""
    if answer.wishes:
        return []
    recipes = [recipe.name for recipe in answer.recipes]
    return unknown_words(connection, answer.rows, recipes)


def insert_recipes(connection: duckdb.DuckDBPyConnection, recipes: Sequence[Drawn]) -> None:
    """Insert the recipes that the catalog lacks.

    Raises:
        RuleError: a recipe of that name is there and is another one.
    """
    for recipe in recipes:
        values = asdict(recipe)
        drawn = (
            "SELECT * REPLACE ($name AS name, coalesce($lr, lr) AS lr, "
            "coalesce($weight_decay, weight_decay) AS weight_decay, $note AS note) "
            "FROM recipe WHERE name = $base"
        )
        connection.execute(f"INSERT INTO recipe BY NAME {drawn} ON CONFLICT DO NOTHING", values)
        other = connection.execute(
            f"SELECT * EXCLUDE (note) FROM ({drawn}) "
            "EXCEPT SELECT * EXCLUDE (note) FROM recipe WHERE name = $name",
            values,
        ).fetchall()
        if other:
            raise RuleError(
                f"it draws recipe {recipe.name!r}, and there is another recipe of that name. Give "
                "the sampler another seed, or search around another base."
            )


def insert_trials(
    connection: duckdb.DuckDBPyConnection, answer: Answer, ids: Sequence[int] = ()
) -> int:
    """Insert the trials of an answer and return how many are new.

    `ids` are their numbers, where the sequence of the catalog must not be drawn from.
    """
    values: dict[str, list[Any]] = {name: [] for name in answer.columns}
    for row in answer.rows:
        for name, value in zip(answer.columns, row, strict=True):
            values[name].append(value)
    # What a rule leaves out, or returns as NULL, is as where a person leaves it out
    values["priority"] = [value or 0 for value in values.get("priority", [0] * len(answer.rows))]
    values["rule"] = [answer.rule.name] * len(answer.rows)
    if ids:
        values["id"] = list(ids)
    columns = ", ".join(values)
    unnested = ", ".join(f"unnest(${name})" for name in values)
    inserted = connection.execute(
        f"INSERT INTO trial ({columns}) SELECT {unnested} "
        f"ON CONFLICT ({', '.join(WORDS)}) DO NOTHING RETURNING id",
        values,
    ).fetchall()
    return len(inserted)


def _insert_wishes(connection: duckdb.DuckDBPyConnection, answer: Answer) -> int:
    """Insert the wishes of an answer, each with the name of the rule in its reason."""
    for trial, wish, reason in answer.rows:
        connection.execute(
            "INSERT INTO request (trial, wish, reason) VALUES (?, ?, ?)",
            [trial, wish, f"rule {answer.rule.name}: {reason or 'no reason given'}"],
        )
    return len(answer.rows)
