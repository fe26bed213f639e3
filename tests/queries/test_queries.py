"""Every question of the folder: its form, its grain, and an answer on an empty and on a filled catalog."""

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from queries import AskError, QuestionError, SnapshotError, ask, fingerprint, questions
from schema import questions as read
from schema import views
from tests.filled import DATASETS, PAPER, Filled, varied
from tests.template import in_memory

QUESTIONS = questions()
NAMES = [question.name for question in QUESTIONS]
ASKED = {
    "cheapest": "max_loss := 0.5",
    "fallen_behind": "on_test := TRUE",
    "searched": "on_test := TRUE",
    "rung_after": "on_test := TRUE",
    "halving": "study := 'first', rungs := 'small,large', on_test := TRUE",
    "sweep": "base := 'usual', lr_low := 1e-4, lr_high := 1e-2",
    "suggested": "base := 'usual', study := 'first', lr_low := 1e-4, lr_high := 1e-2, on_test := TRUE",
    "heat_difference": "'finetune', 'plain', 'usual', 'lora', 'replay', 'usual'",
}  # where the defaults exclude everything in the small catalog
CONSTANT = {
    # The streams of the small catalog, and their suites
    "asked_suite",
    "critical",
    "resolution",
    "student",
    "sweep",
    "stream_seen",
    "task_dataset",
}  # of no catalog, or of its words alone
each_question = pytest.mark.parametrize("question", QUESTIONS, ids=NAMES)


@pytest.fixture(scope="module")
def empty() -> Iterator[Filled]:
    made = Filled()
    yield made
    made.connection.close()


def imported(made: Filled) -> None:
    """Add a trial that was run elsewhere."""
    made.connection.execute("INSERT INTO method (name) VALUES ('finetune@theirs')")
    trial = made.done(PAPER, method="finetune@theirs", source="theirs")
    made.connection.execute(
        "INSERT INTO imported SELECT $1, 'theirs', 'theirs.csv', 'aa', (SELECT count(*) FROM result "
        "WHERE trial = $1) + (SELECT count(*) FROM cost WHERE trial = $1), 'theirs', now()",
        [trial],
    )


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    made = Filled(tmp_path_factory.mktemp("a catalog") / "catalog.duckdb")
    varied(made)
    made.connection.execute(
        "INSERT INTO method (name, merging, deploy) VALUES ('merged', 'ties', 'merged')"
    )
    made.trial(method="merged", budget="large")  # which trains what `finetune` does
    made.connection.execute(
        "INSERT INTO stream (name, sequence, tasks, suite) VALUES ('world_validation', 'order', 2, 'five')"
    )
    made.done(PAPER, stream="world_validation")
    # A search, of which one trial has fallen behind after its first task
    made.done(PAPER, study="search", seed=7)
    made.connection.execute("INSERT INTO recipe (name, lr, batch_pairs) VALUES ('steep', 1e-2, 16)")
    behind = made.trial(study="search", seed=7, recipe="steep")
    made.attempt(behind, 1, None)
    for task in (0, 1):
        made.results(behind, task, dict.fromkeys(DATASETS, 0.01))
    made.connection.execute(
        "INSERT INTO rule (name, query, most_trials) VALUES ('more', 'SELECT 1', 9)"
    )
    made.connection.execute(
        "INSERT INTO study (name, hypothesis) VALUES ('first', 'nothing changes')"
    )
    made.connection.execute(
        "INSERT INTO disk_use (study, kind, bytes, spare_bytes, files) VALUES "
        "('first', 'checkpoints', 2000, 1000, 4), ('', 'checkpoints', 500, 500, 1), "
        "('', 'catalog', 300, 0, 1)"
    )
    imported(made)
    measured_later(made)
    mixed(made)
    made.connection.execute("INSERT INTO request (trial, wish) VALUES (2, 'retrain')")
    made.connection.execute(
        "UPDATE attempt SET origin = '/theirs/runs/000007/01' WHERE trial = 3 AND attempt = 1"
    )
    yield made
    made.connection.close()


def mixed(made: Filled) -> None:
    """A mixing said the shares of two segments of trial 1's first task, and measured after one."""
    made.connection.execute(
        "INSERT INTO statistic (trial, attempt, task, name, part, value) VALUES "
        "(1, 1, 1, 'mixing_share', '1 update', 0.6), (1, 1, 1, 'mixing_share', '1 buffer', 0.4), "
        "(1, 1, 1, 'mixing_share', '2 update', 0.3), (1, 1, 1, 'mixing_share', '2 buffer', 0.7), "
        "(1, 1, 1, 'mixing_loss', '1 update', 0.2), (1, 1, 1, 'mixing_loss', '1 buffer', 0.5), "
        "(1, 1, 1, 'held_out_pairs', 'update', 12), (1, 1, 1, 'held_out_pairs', 'buffer', 40)"
    )


def measured_later(made: Filled) -> None:
    """Trial 1 is measured on another suite: a dataset of it is there, the other is still missing."""
    for statement in (
        "INSERT INTO dataset (name, format, kind, test_pairs) VALUES "
        "('cars', 'world', 'classification', 100), ('text', 'world', 'retrieval', 20)",
        "INSERT INTO suite (name) VALUES ('later')",
        "INSERT INTO suite_member (suite, dataset, role, metric) VALUES "
        "('later', 'cars', 'retain', 'top1'), ('later', 'text', 'retain', 'top1')",
        "INSERT INTO measurement (trial, suite) VALUES (1, 'later')",
    ):
        made.connection.execute(statement)
    made.attempt(1, 9)
    made.connection.execute("UPDATE attempt SET measures = 'later' WHERE attempt = 9")
    for task in (0, 2):
        made.results(1, task, {"cars": 0.4}, attempt=9)
        made.cost(1, task, "measure", attempt=9)
        made.connection.execute(
            "INSERT INTO statistic (trial, attempt, task, name, part, value) "
            "SELECT 1, 1, ?, 'inference_flops', part, 1e9 FROM (VALUES ('image'), ('text')) p(part)",
            [task],
        )


def call(question: read.Question) -> str:
    return (
        f"{question.name}({ASKED.get(question.name, '')})"
        if question.kind == "macro"
        else question.name
    )


@each_question
def test_form(question: read.Question) -> None:
    lines = question.sql.splitlines()
    assert re.fullmatch(r"-- [A-Z].*\?( \(No rows is good\.\))?", lines[0])
    assert re.match(r"-- grain: one row per ", lines[1])
    assert all(len(line) <= 150 for line in lines)
    assert question.is_audit == ("no rows is good" in "".join(lines[:3]).lower())
    # The suite that is asked about is the one thing that may be set beside the parameters
    assert ("getvariable" in question.sql) == (
        question.name in {"asked_suite", "unkept", "item", "item_files"}
    )


@each_question
def test_answers_on_an_empty_catalog(question: read.Question, empty: Filled) -> None:
    assert bool(empty.rows(call(question))) == (question.name in CONSTANT)


@each_question
def test_answers_on_a_filled_catalog(question: read.Question, full: Filled) -> None:
    if question.name == "setting_of":
        # Of the words that a rule names, and without any there is nothing
        words = "setting_of('tiny, world, plain, usual, small')"
        assert full.rows(words)[0]["recipe"] == "usual" and not full.rows(call(question))
        return
    found = full.rows(call(question))
    if question.topic == "items":
        # They read files, of which there are none here: tests/queries/test_items.py has some
        assert not found
        return
    # `definition_drift` cannot be clean here: the attempts were not given the definition of their rows
    assert question.name == "definition_drift" or bool(found) != question.is_audit


@each_question
def test_grain(question: read.Question, full: Filled) -> None:
    """Where the grain is written as columns, they are unique in the answer."""
    listed = re.match(r"one row per (?:\(([a-z_, ]+)\)|(trial|study)\b)", question.grain)
    columns = (listed[1] or listed[2]) if listed else ""
    if question.is_audit or question.topic == "items" or not columns:
        return
    answer = full.connection.sql(f"FROM {call(question)} LIMIT 0")
    if "setting" not in answer.columns:
        # The words of a trial but the seed, named together
        words = "backbone, stream, mixture, method, recipe, budget"
        columns = re.sub(r"\bsetting\b", words, columns)
    found = full.connection.execute(
        f"SELECT count(*), count(DISTINCT ({columns})) FROM {call(question)}"
    ).fetchone()
    assert found is not None
    assert found[0] == found[1] > 0


@each_question
def test_comment_is_the_question(question: read.Question, full: Filled) -> None:
    source = (
        "duckdb_views(), view_name"
        if question.kind == "view"
        else "duckdb_functions(), function_name"
    )
    table, name = source.split(", ")
    (comment,) = full.connection.execute(
        f"SELECT comment FROM {table} WHERE {name} = ?", [question.name]
    ).fetchall()
    assert comment[0] == f"{question.question} ({question.grain})"


def test_refresh_changes_nothing_the_second_time(empty: Filled) -> None:
    assert not views.refresh(empty.connection)


def test_refresh_follows_the_folder(tmp_path: Path) -> None:
    topic = tmp_path / "choices"
    topic.mkdir()
    catalog = Filled()
    (topic / "first.sql").write_text(
        "-- Is it one?\n-- grain: one row per number\nCREATE OR REPLACE VIEW first AS\nSELECT 1 AS n;\n"
    )
    (topic / "a_second.sql").write_text(
        "-- Is it two?\n-- grain: one row per number\n-- about\n"
        "CREATE OR REPLACE MACRO a_second(more INTEGER := 1) AS TABLE\nSELECT n + more AS n FROM first;\n"
    )
    assert views.refresh(catalog.connection, tmp_path)
    assert catalog.rows("a_second()") == [{"n": 2}]
    with pytest.raises(duckdb.CatalogException):
        catalog.rows("status")
    (topic / "first.sql").write_text(
        "-- Is it 9?\n-- grain: one row per number\nCREATE OR REPLACE VIEW first AS\nSELECT 9::DOUBLE AS n;\n"
    )
    assert views.refresh(catalog.connection, tmp_path)
    assert catalog.rows("a_second(more := 3)") == [{"n": 12.0}]
    assert read.fingerprint(tmp_path) != fingerprint()


def test_refresh_renews_what_someone_dropped_and_leaves_alone_what_someone_added() -> None:
    catalog = Filled()
    catalog.connection.execute("CREATE VIEW mine AS SELECT 1; CREATE MACRO twice(x) AS 2 * x")
    assert not views.refresh(catalog.connection)
    catalog.connection.execute("DROP VIEW status")
    assert views.refresh(catalog.connection)
    assert catalog.rows("status") == []
    assert catalog.rows("duckdb_views()", view_name="mine")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("SELECT 1", r"queries/choices/broken\.sql is not a question\. The first line must be"),
        ("-- Is it?\n-- one row\nCREATE OR REPLACE VIEW broken AS SELECT 1", "is not a question"),
        (
            "-- Is it?\n-- grain: one row per x\nCREATE OR REPLACE VIEW other AS SELECT 1",
            "creates other; .* must create broken",
        ),
        (
            "-- Is it?\n-- grain: one row per x\nCREATE OR REPLACE MACRO broken(x) AS TABLE SELECT 1",
            "cannot read the parameter `x`",
        ),
        (
            "-- Is it?\n-- grain: one row per x\nCREATE OR REPLACE VIEW broken AS SELECT nope FROM trial",
            r"broken\.sql of queries/: Binder Error",
        ),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, match: str) -> None:
    topic = tmp_path / "choices"
    topic.mkdir()
    (topic / "broken.sql").write_text(text)
    (topic / "waits.sql").write_text(
        "-- Is it?\n-- grain: one row per x\nCREATE OR REPLACE VIEW waits AS SELECT * FROM broken"
    )
    with in_memory() as connection:
        connection.execute("CREATE VIEW before AS SELECT 1 AS one")
        with pytest.raises(QuestionError, match=match) as refused:
            views.refresh(connection, tmp_path)
        assert connection.execute("FROM before").fetchall() == [(1,)]
    assert "waits.sql" not in str(refused.value)


def test_a_folder_is_a_topic(tmp_path: Path) -> None:
    """A new file is on the list of its folder's topic, and a folder that is no topic is refused."""
    text = "-- Is it?\n-- grain: one row per x\n-- In words.\nCREATE OR REPLACE VIEW {} AS SELECT 1"
    for topic, name in (("choices", "new"), ("costs", "dear"), ("audits", "checked")):
        (tmp_path / topic).mkdir()
        (tmp_path / topic / f"{name}.sql").write_text(text.format(name))
    assert {
        topic: [one.name for one in asked] for topic, asked in read.by_topic(tmp_path).items()
    } == {
        "What to choose": ["new"],
        "What it costs": ["dear"],
        "What must have no rows": ["checked"],
    }
    assert {(one.about, one.is_audit) for one in read.all_questions(tmp_path)} == {
        ("In words.", False),
        ("In words.", True),
    }
    (tmp_path / "cost").mkdir()
    (tmp_path / "cost/lost.sql").write_text(text.format("lost"))
    unknown = r"queries/cost/lost\.sql: unknown topic 'cost'\. Known: choices, scores, .*Did you mean 'costs'"
    with pytest.raises(QuestionError, match=unknown):
        read.all_questions(tmp_path)


def test_a_macro_that_reads_an_unqualified_column_says_how_to_mend_it(tmp_path: Path) -> None:
    topic = tmp_path / "choices"
    topic.mkdir()
    head = "-- Is it?\n-- grain: one row per x\n"
    (topic / "below.sql").write_text(
        f"{head}CREATE OR REPLACE VIEW below AS SELECT budget FROM trial"
    )
    (topic / "above.sql").write_text(
        f"{head}CREATE OR REPLACE MACRO above(budget VARCHAR := NULL) AS TABLE FROM below b WHERE b.budget = budget"
    )
    with (
        pytest.raises(QuestionError, match="qualify the column there"),
        in_memory() as connection,
    ):
        views.install(connection, tmp_path)


# ---------------------------------------------------------------- ask


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published catalog behind a link."""
    folder = tmp_path_factory.mktemp("snap shot")
    made = Filled(folder / "catalog-000001.duckdb")
    varied(made)
    made.connection.close()
    (folder / "current.duckdb").symlink_to("catalog-000001.duckdb")
    return folder / "current.duckdb"


@each_question
def test_ask(question: read.Question, snapshot: Path) -> None:
    assert ask(question.name, snapshot).columns


def test_ask_with_parameters(snapshot: Path) -> None:
    everything = ask("retention_at_budget", snapshot)
    small = ask("retention_at_budget", snapshot, budget="small", stream=None)
    assert set(everything["budget"]) == {"small", "large"}
    assert set(small["budget"]) == {"small"}
    assert ask("retention_at_budget", snapshot, budget="large", stream="world").height == 1


@pytest.mark.parametrize(
    ("name", "parameters", "match"),
    [
        ("statsu", {}, r"unknown question 'statsu'\. Questions: .*Did you mean 'status'"),
        ("status", {"study": "x"}, r"status has no parameter 'study'\. Allowed: none"),
        (
            "comparison",
            {"bugdet": "x"},
            r"no parameter 'bugdet'\. Allowed: budget, .*Did you mean 'budget'",
        ),
        ("ranked", {"measure": "zz"}, r"ranked: measure is one of a_ka, .*; not zz"),
        ("effect", {"axis": "colour"}, r"effect: axis is one of backbone, .*; not colour"),
        (
            "decide",
            {"a": "ewc", "b": "lora", "power": "2"},
            r"decide: power is a probability, in \[0\.01, 0\.999\], not 2",
        ),
        ("decide", {"a": "bas"}, r"unknown a 'bas'\. Known: .*"),
        ("lost", {"dataset": "dgos"}, r"unknown dataset 'dgos'\. Known: .*"),
        ("ranked", {"study": "nope"}, r"unknown study 'nope'\. Known: "),
        ("ranked", {"objective": "ewcc"}, r"unknown objective 'ewcc'\. Known: .*contrastive"),
        (
            "comparison",
            {"budget": "smal"},
            r"unknown budget 'smal'\. Known: large, small\. Did you mean 'small'",
        ),
    ],
)
def test_ask_refuses(snapshot: Path, name: str, parameters: dict[str, str], match: str) -> None:
    with pytest.raises(AskError, match=match):
        ask(name, snapshot, **parameters)


def test_ask_without_snapshot(folder: Path) -> None:
    with pytest.raises(
        SnapshotError,
        match=r"no snapshot at .*current\.duckdb\. Publish one with: python -m schema",
    ):
        ask("status")


def test_ask_an_older_snapshot(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "old.duckdb")) as connection:
        connection.execute("CREATE TABLE t (a INTEGER)")
    with pytest.raises(SnapshotError, match="the snapshot does not know status"):
        ask("status", tmp_path / "old.duckdb")


def test_ask_leaves_no_lock(snapshot: Path) -> None:
    ask("status", snapshot)
    duckdb.connect(str(snapshot.resolve())).close()
