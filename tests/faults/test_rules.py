"""Rules, standing grids: what they return becomes trials, once, whoever kills or edits what."""

import re
import threading

import pytest

from runner.backends import backend
from runner.scheduler import rules
from runner.scheduler.dry_run import dry_run
from runner.scheduler.report import Report
from schema.catalog import Catalog
from tests.faults.stage import Stage
from tests.journey import Rows

WORDS = "backbone, stream, mixture, method, recipe, budget"
# So many seeds of the toy trials
SEEDS = (
    f"SELECT DISTINCT {WORDS}, seeds.seed, 'more' AS study FROM trial, range({{}}) AS seeds(seed)"
)
# One seed more than are done, up to five: a grid that grows with its answers
ONE_MORE = (
    f"SELECT {WORDS}, seed FROM (SELECT {WORDS}, max(seed) + 1 AS seed FROM trial "
    "WHERE id IN (SELECT trial FROM outcome WHERE state = 'done') GROUP BY ALL) WHERE seed < 5"
)


def declare(stage: Stage, name: str, query: str, most: int = 100) -> None:
    """A person's row, past the checks of a grid file."""
    with Catalog(stage.site.catalog).transaction() as connection:
        connection.execute(
            "INSERT INTO rule (name, query, most_trials) VALUES (?, ?, ?)", [name, query, most]
        )


def trials(stage: Stage) -> Rows:
    return stage.ask("SELECT seed, study, rule FROM trial ORDER BY id")


def problems(stage: Stage) -> dict[str, str]:
    return dict(stage.ask("SELECT subject, message FROM health"))


def test_what_a_rule_returns_and_the_catalog_lacks_starts_in_the_same_pass(stage: Stage) -> None:
    """Inserted once, in the order of the query, with the name of the rule; a person's rows stay (I9, I14)."""
    declare(stage, "more", SEEDS.format(4) + " ORDER BY seeds.seed DESC")
    report = stage.sync()
    assert report.by_rules == ["rule more: 2 trials added, 98 more allowed"]
    assert trials(stage) == [
        (0, "toy", None), (1, "toy", None), (3, "more", "more"), (2, "more", "more"),
    ]  # fmt: skip
    assert (report.submitted, report.added, report.problems) == (4, 2, [])
    stage.settle()
    assert stage.sync().by_rules == [] and len(trials(stage)) == 4
    stage.done_once(4)


def test_a_rule_grows_with_its_answers_until_it_has_no_more_to_ask(stage: Stage) -> None:
    declare(stage, "one more", ONE_MORE)
    stage.settle()
    assert [row[::2] for row in trials(stage)] == [
        (0, None), (1, None), (2, "one more"), (3, "one more"), (4, "one more"),
    ]  # fmt: skip
    stage.done_once(5)


def test_a_rule_adds_no_more_than_it_may_in_all(stage: Stage) -> None:
    declare(stage, "more", SEEDS.format(30) + " ORDER BY seed", most=3)
    assert stage.sync().by_rules == ["rule more: 3 trials added, 0 more allowed"]
    assert stage.sync().by_rules == []
    # Whoever wants more of it says so
    stage.tell("UPDATE rule SET most_trials = 4")
    assert stage.sync().by_rules == ["rule more: 1 trial added, 0 more allowed"]
    assert [row[0] for row in trials(stage)] == [0, 1, 2, 3, 4, 5]


def test_an_edited_rule_goes_on_as_it_is_now(stage: Stage) -> None:
    """What the former query added stays, and counts."""
    declare(stage, "more", SEEDS.format(4), most=3)
    stage.sync()
    stage.tell("UPDATE rule SET query = replace(query, 'range(4)', 'range(10, 20)')")
    assert stage.sync().by_rules == ["rule more: 1 trial added, 0 more allowed"]
    assert len(trials(stage)) == 5


def test_a_request_ends_a_rule_and_lets_it_go_on(stage: Stage) -> None:
    declare(stage, "more", SEEDS.format(4))
    stage.tell("INSERT INTO request (rule, wish, reason) VALUES ('more', 'withdraw', 'answered')")
    assert stage.sync().added == 0
    stage.tell("INSERT INTO request (rule, wish) VALUES ('more', 'retry')")
    assert stage.sync().added == 2
    # A wish about a rule is none about a trial
    stage.settle()
    stage.done_once(4)


REFUSED = {
    "INSERT INTO budget (name, unit, total) VALUES ('b', 'steps', 1)": "must be one SELECT, and this is INSERT",
    "SELECT 1; SELECT 2": "must be one SELECT, and this is SELECT, SELECT",
    "SELECT": "no SQL that DuckDB can read",
    "SELECT * FROM no_such_table": "no_such_table",
    f"SELECT {WORDS} FROM trial": "it lacks seed",
    "SELECT * EXCLUDE (id, rule, created_at), 1 AS sed FROM trial": "has 'sed', which is no word of a trial Did you mean 'seed'",
    f"SELECT {WORDS.replace('method', 'NULL AS method')}, seed FROM trial": "method is NULL",
    f"SELECT {WORDS}, -1 AS seed FROM trial": "seeds are 0 or more",
    f"SELECT {WORDS.replace('method', chr(39) + 'toy_emma' + chr(39) + ' AS method')}, seed FROM trial":
        "unknown method 'toy_emma'. Known: .*Did you mean 'toy_ema'",
    "SELECT 1 AS trial, 'retry' AS wish, '' AS reason": "may wish withdraw, and no more",
    "SELECT * FROM read_csv('/etc/passwd')": "Permission Error|disabled",
    "SELECT nextval('trial_id')": "read-only|lacks",
}  # fmt: skip


@pytest.mark.parametrize("query", REFUSED)
def test_a_rule_that_fails_is_a_problem_and_stops_nothing_else(
    stage: Stage, capsys: pytest.CaptureFixture[str], query: str
) -> None:
    """F41: inserted past the checks of a grid file: said in health and by the exit code (I13, I16)."""
    declare(stage, "a bad one", query)
    declare(stage, "more", SEEDS.format(3))
    said = stage.say(capsys, code=1)
    assert "rule more: 1 trial added" in said and "degraded: rule a bad one: " in said
    message = problems(stage)["rule a bad one"]
    assert re.search(REFUSED[query], message), message
    assert stage.ask("SELECT count(*) FROM attempt") == [(3,)]


ENDLESS = f"SELECT {WORDS}, sum(a.i * b.i)::BIGINT AS seed FROM trial, range(10000000) a(i), range(10000000) b(i) GROUP BY ALL"


def test_a_rule_that_does_not_end_is_stopped_and_those_behind_it_run(stage: Stage) -> None:
    """F41: after the seconds that a rule may take (I11)."""
    declare(stage, "endless", ENDLESS)
    declare(stage, "more", SEEDS.format(3))
    report = Report()
    catalog = Catalog(stage.site.catalog)
    rules.add(catalog, report, rules.read(catalog), seconds=0.5)
    assert report.by_rules == ["rule more: 1 trial added, 99 more allowed"]
    assert report.problems == [
        ("rule endless", "its query ran longer than 0.5 s and was stopped. Ask for less.")
    ]


def test_a_rule_that_wants_too_much_memory_is_a_problem(stage: Stage) -> None:
    """F41: its process may have a gigabyte (I11, I16)."""
    greedy = f"SELECT {WORDS}, len(list(i)) AS seed FROM trial, range(1000000000) r(i) GROUP BY ALL"
    declare(stage, "greedy", greedy)
    report = Report()
    catalog = Catalog(stage.site.catalog)
    rules.add(catalog, report, rules.read(catalog), seconds=60)
    assert "memory" in dict(report.problems)["rule greedy"].lower()


@pytest.mark.parametrize(
    "moment",
    [
        {"crash_at": "rule"},
        {"before": "runner.scheduler.rules:ask"},
        {"after": "runner.scheduler.rules:ask"},
        {"after": "runner.scheduler.rules:add"},
        {"after": "runner.scheduler.rules:insert_trials"},
    ],
    ids=str,
)
def test_sync_is_killed_while_a_rule_adds(stage: Stage, moment: dict[str, str]) -> None:
    """F41: all of its trials are there or none, and the next pass adds what is missing (I2, I8)."""
    declare(stage, "more", SEEDS.format(4))
    stage.sync_dies(**moment)
    assert len(trials(stage)) in (2, 4)
    stage.settle()
    assert [row[0] for row in trials(stage)] == [0, 1, 2, 3]
    stage.done_once(4)


def test_two_syncs_at_once_add_the_trials_once(stage: Stage) -> None:
    declare(stage, "more", SEEDS.format(5), most=2)
    from tests.processes import command

    threads = []
    codes: list[int] = []

    def run() -> None:
        codes.append(command(stage.folder, "runner.sync").returncode)

    for _ in range(2):
        threads.append(threading.Thread(target=run))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0]
    assert stage.ask("SELECT count(*) FROM trial WHERE rule = 'more'") == [(2,)]
    stage.settle()
    assert len(stage.ran) == 4


def test_a_rule_withdraws_trials_once_and_never_against_a_person(stage: Stage) -> None:
    declare(stage, "stop", "SELECT id AS trial, 'withdraw' AS wish, 'behind' AS reason FROM trial")
    stage.tell("INSERT INTO request (trial, wish) VALUES (1, 'retry')")
    report = stage.sync()
    assert report.by_rules == ["rule stop: 1 wish added"]
    assert stage.ask("SELECT trial, wish, reason FROM request ORDER BY serial") == [
        (1, "retry", None), (2, "withdraw", "rule stop: behind"),
    ]  # fmt: skip
    assert stage.ask("SELECT trial, state FROM trial_state ORDER BY trial") == [
        (1, "running"), (2, "withdrawn"),
    ]  # fmt: skip
    # Whoever wants it all the same has the last word
    stage.tell("INSERT INTO request (trial, wish) VALUES (2, 'retry')")
    stage.settle()
    stage.done_once(2)


def test_a_dry_run_shows_what_rules_would_add_and_changes_nothing(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(stage, "more", SEEDS.format(7))
    declare(stage, "stop", "SELECT id AS trial, 'withdraw' AS wish, '' AS reason FROM trial")
    before = stage.site.catalog.read_bytes()
    assert dry_run(stage.site, backend("slurm", stage.site), None) == 0
    said = capsys.readouterr().out
    assert "rules would add first:" in said
    assert re.search(r"^rule more +5 ", said, re.MULTILINE), said
    assert "rule more would add 5 trials\n" in said
    assert "rule stop would withdraw trials 1, 2" in said
    assert stage.site.catalog.read_bytes() == before
    declare(stage, "wrong", "SELECT 1 AS one")
    assert dry_run(stage.site, backend("slurm", stage.site), None) == 1
    assert "rule wrong: its query returns one: it lacks backbone" in capsys.readouterr().out


def test_a_dry_run_counts_what_has_no_price(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trials whose backbone another trial has yet to make."""
    stage.tell(
        "INSERT INTO backbone (name, architecture, pretrained) "
        "SELECT 'child', architecture, 'trial:1' FROM backbone WHERE name = 'toy'"
    )
    declare(stage, "later", SEEDS.format(3).replace("backbone,", "'child' AS backbone,", 1))
    assert dry_run(stage.site, backend("slurm", stage.site), None) == 0
    words = "rule later would add 3 trials; 3 would wait for their backbone, and are in no sum"
    assert words in capsys.readouterr().out


def test_a_lost_catalog_has_its_rules_again(stage: Stage) -> None:
    from runner.scheduler.rebuild import main

    declare(stage, "more", SEEDS.format(4), most=2)
    stage.tell("INSERT INTO study (name, hypothesis) VALUES ('more', 'nothing changes')")
    stage.settle()
    stage.sync()
    known = stage.ask("SELECT * FROM rule") + stage.ask("SELECT * FROM study") + trials(stage)
    stage.site.catalog.unlink()
    assert main() == 0
    stage.settle()
    assert known == stage.ask("SELECT * FROM rule") + stage.ask("SELECT * FROM study") + trials(
        stage
    )
