"""States, statuses, failures and audits, one situation each."""

import pytest

from schema import ddl
from schema.vocabulary import OUTCOME_KINDS, POLICY
from tests.filled import DATASETS, PAPER, Filled


def state(filled: Filled, trial: int) -> tuple[str, str | None]:
    row = filled.row("trial_state", trial=trial)
    return row["state"], row["reason"]


def wish(filled: Filled, trial: int, wish: str, reason: str | None = None) -> None:
    """Requests are told apart by time, and a test is quick: each is a second later than all before."""
    filled.connection.execute(
        "INSERT INTO request (trial, wish, reason, created_at) SELECT ?, ?, ?, coalesce(max(created_at), now()) + INTERVAL 1 SECOND FROM request",
        [trial, wish, reason],
    )


def test_new(filled: Filled) -> None:
    assert state(filled, filled.trial()) == ("pending", None)


def test_submitting_and_running(filled: Filled) -> None:
    first, second = filled.trial(), filled.trial(seed=1)
    filled.attempt(first, 1, None, submitted=False)
    filled.attempt(second, 1, None)
    assert state(filled, first) == ("submitting", "no backend has taken it yet")
    assert state(filled, second) == ("running", f"local job pid-{second}")
    wish(filled, second, "withdraw")
    assert state(filled, second) == ("running", "to be withdrawn")


def test_done_stays_done(filled: Filled) -> None:
    trial = filled.trial()
    filled.attempt(trial, 1, "lost", kind="no_result")
    filled.attempt(trial, 2, "done")
    filled.attempt(trial, 3, None)
    wish(filled, trial, "withdraw")
    assert state(filled, trial) == ("done", None)
    assert filled.row("trial_state")["attempt"] == 2


@pytest.mark.parametrize(("ended", "kind", "said"), [
    ("failed", "preempted", ("pending", "goes on after: preempted")),
    ("failed", "timeout", ("pending", "goes on after: timeout")),
    ("lost", "killed", ("pending", "goes on after: killed")),
    ("failed", "error", ("failed", "error: boom")),
    ("refused", "code_drift", ("refused", "code_drift: boom")),
    ("cancelled", None, ("cancelled", "boom")),
])  # fmt: skip
def test_after_an_end(filled: Filled, ended: str, kind: str | None, said: tuple[str, str]) -> None:
    trial = filled.trial()
    filled.attempt(trial, 1, ended, kind=kind, message="boom")
    assert state(filled, trial) == said


RETRIES = {
    name.removeprefix("retries_"): value for name, value, _ in POLICY if name.startswith("retries_")
}


@pytest.mark.parametrize("kind", [*OUTCOME_KINDS, None])
def test_each_kind_is_tried_again_as_often_as_the_policy_says(
    filled: Filled, kind: str | None
) -> None:
    trial, retries = filled.trial(), min(RETRIES.get(str(kind), 0), 12)
    filled.connection.execute(
        "UPDATE policy SET value = ? WHERE name = ?", [retries, f"retries_{kind}"]
    )
    for attempt in range(1, retries + 1):
        filled.attempt(trial, attempt, "lost", kind=kind, message="gone")
        assert state(filled, trial)[0] == "pending", attempt
        assert filled.row("todo")["attempt"] == attempt + 1
    filled.attempt(trial, retries + 1, "failed" if kind else "refused", kind=kind, message="gone")
    assert state(filled, trial)[0] == ("failed" if kind else "refused")
    assert filled.row("exhausted") == {
        "trial": trial,
        "measures": None,
        "kind": kind or "refused",
        "ends": retries + 1,
        "retries": retries,
    }
    assert filled.rows("todo") == []
    wish(filled, trial, "retry")  # a person grants all of them anew
    assert state(filled, trial)[0] == "pending"
    filled.connection.execute("DELETE FROM policy")
    filled.connection.execute(ddl.policy())


def test_kinds_are_counted_apart(filled: Filled) -> None:
    trial = filled.trial()
    for attempt in range(1, 7):
        filled.attempt(trial, attempt, "lost", kind=("killed", "no_result")[attempt % 2])
    assert state(filled, trial)[0] == "pending"
    filled.attempt(trial, 7, "lost", kind="killed")
    assert state(filled, trial) == ("failed", "killed")


def test_what_sync_could_not_reach_is_said_where_people_look(filled: Filled) -> None:
    waiting, running = filled.trial(), filled.trial(seed=1)
    filled.attempt(waiting, 1, None, submitted=False)
    assert state(filled, waiting) == ("submitting", "no backend has taken it yet")
    filled.connection.execute(
        "INSERT INTO problem (subject, message) VALUES ('weir-1', 'slurm refuses it: Invalid qos')"
    )
    assert state(filled, waiting) == ("submitting", "slurm refuses it: Invalid qos")
    filled.attempt(running, 1, None)
    assert state(filled, running) == (
        "running",
        f"local job pid-{running}; slurm refuses it: Invalid qos",
    )
    said = filled.row("health")
    assert (said["subject"], said["message"], said["study"], said["trials"]) == (
        "weir-1",
        "slurm refuses it: Invalid qos",
        "first",
        2,
    )


def test_gpu_hours_are_hours_times_the_gpus_of_the_job(filled: Filled) -> None:
    trial = filled.trial()
    filled.attempt(
        trial, 1, "done", started_at="2026-01-01 10:00:00+00", finished_at="2026-01-01 12:00:00+00"
    )
    filled.connection.execute("UPDATE submission SET gpus = 4")
    assert (filled.row("status")["hours"], filled.row("status")["gpu_hours"]) == (2, 8)


def test_results_of_two_codes_are_said(filled: Filled) -> None:
    trial = filled.trial()
    for attempt, code in ((1, "aaaa"), (2, "bbbb")):
        filled.attempt(trial, attempt, "lost" if attempt == 1 else "done", kind=None)
        filled.results(trial, attempt, {"birds": 0.5}, attempt)
        filled.connection.execute("UPDATE attempt SET code = ? WHERE attempt = ?", [code, attempt])
    assert filled.row("audit_code") == {
        "trial": trial,
        "codes": ["aaaa", "bbbb"],
        "attempts": [1, 2],
    }
    filled.connection.execute("UPDATE attempt SET code = 'aaaa'")
    assert filled.rows("audit_code") == []


def test_a_retry_brings_it_back_and_a_withdrawal_ends_it(filled: Filled) -> None:
    trial = filled.trial()
    filled.attempt(trial, 1, "failed", kind="error")
    wish(filled, trial, "retry")
    assert state(filled, trial) == ("pending", "goes on after: error")
    wish(filled, trial, "withdraw", "not needed")
    assert state(filled, trial) == ("withdrawn", "not needed")


def test_waiting_for_what_it_begins_from(filled: Filled) -> None:
    parent = filled.trial()
    filled.connection.execute(
        "INSERT INTO backbone (name, architecture, pretrained) VALUES ('child', 'x', ?), ('orphan', 'x', 'trial:99999')",
        [f"trial:{parent}"],
    )
    child, orphan = filled.trial(backbone="child"), filled.trial(backbone="orphan")
    assert state(filled, child) == ("waiting", f"begins from trial {parent}, which is pending")
    assert state(filled, orphan) == (
        "waiting",
        "begins from trial 99999, which is not in the catalog",
    )
    filled.attempt(parent)
    assert state(filled, child) == ("pending", None)


def test_a_held_study_waits(filled: Filled) -> None:
    for seed in range(5):
        filled.attempt(
            filled.trial(seed=seed),
            1,
            "failed",
            kind="error",
            message="boom",
            finished_at="2026-01-01 10:00:00+00",
        )
    waiting = filled.trial(seed=5)
    assert state(filled, waiting)[0] == "waiting"
    assert "insert a retry request" in str(state(filled, waiting)[1])
    assert filled.row("failures")["open_trials"] == 5


def test_hours_count_lost_work_too(filled: Filled) -> None:
    trial = filled.trial()
    filled.attempt(
        trial,
        1,
        "failed",
        kind="preempted",
        started_at="2026-01-01 10:00:00+00",
        finished_at="2026-01-01 12:00:00+00",
    )
    filled.attempt(
        trial,
        2,
        "lost",
        kind="no_result",
        started_at="2026-01-01 12:00:00+00",
        finished_at="2026-01-05 12:00:00+00",
    )
    filled.cost(
        trial, 1, attempt=2, seconds=1800
    )  # when it vanished is not known, that it did this is
    filled.attempt(trial, 3, None)
    filled.cost(trial, 2, attempt=3, seconds=900)
    filled.results(trial, 0, dict.fromkeys(DATASETS, 0.5))
    row = filled.row("status")
    assert row["hours"] == pytest.approx(2 + 0.5 + 0.25)
    assert (row["study"], row["trials"], row["running"], row["results"]) == ("first", 1, 1, 5)


def test_failures_are_grouped_by_what_they_say(filled: Filled) -> None:
    trials = [filled.trial(seed=seed) for seed in range(4)]
    for trial, number in zip(trials[:3], ("17", "4e-3", "0x7f1c"), strict=True):
        said = {"message": f"loss is nan at {number}", "log_tail": f"tail {number}"}
        filled.attempt(
            trial,
            1,
            "failed",
            kind="error",
            host="node1",
            finished_at="2026-01-01 10:00:00+00",
            **said,
        )
    filled.attempt(trials[3], 1, "failed", kind="oom_gpu", message="out of memory")
    filled.attempt(trials[0], 2, "done")  # tried again, and done
    nan = filled.row("failures", kind="error")
    assert (nan["signature"], nan["trials"], nan["attempts"], nan["open_trials"]) == (
        "loss is nan at #",
        3,
        3,
        2,
    )
    assert nan["hosts"] == "node1"
    assert (nan["example_trial"], nan["log_tail"]) == (trials[2], "tail 0x7f1c")
    assert (
        nan["retry"]
        == f"INSERT INTO request (trial, wish) SELECT unnest([{trials[1]}, {trials[2]}]), 'retry';"
    )
    filled.connection.execute(nan["retry"])
    assert {row["trial"] for row in filled.rows("trial_state", state="pending")} == set(trials[1:3])
    assert filled.row("failures", kind="error")["retry"] is None
    assert filled.row("failures", kind="oom_gpu")["open_trials"] == 1


# ---------------------------------------------------------------- audits


AUDITS = ("audit_orphans", "audit_duplicates", "audit_values", "audit_tasks", "audit_attempts")


def test_audits_are_quiet_when_all_is_well(filled: Filled) -> None:
    filled.done(PAPER)
    assert [filled.rows(audit) for audit in AUDITS] == [[]] * len(AUDITS)


def test_orphans(filled: Filled) -> None:
    filled.results(999, 0, {"birds": 0.5}, attempt=3)
    wish(filled, 998, "retry")
    assert {(r["fact"], r["trial"], r["attempt"], r["rows"]) for r in filled.rows("audit_orphans")} == {
        ("result", 999, 3, 1), ("request", 998, None, 1),
    }  # fmt: skip


def test_duplicates(filled: Filled) -> None:
    trial = filled.done(PAPER)
    filled.connection.execute("INSERT INTO result FROM result WHERE dataset = 'birds' AND task = 1")
    filled.cost(trial, 1)
    assert {(r["fact"], r["key"]) for r in filled.rows("audit_duplicates")} == {
        ("result", "step 10 birds top1 all deployed 1.0"), ("cost", "train"),
    }  # fmt: skip


def test_values(filled: Filled) -> None:
    trial = filled.done(PAPER)
    filled.results(trial, 2, {"birds": 1.5}, metric="a")
    filled.results(trial, 2, {"birds": float("nan")}, metric="b")
    filled.results(trial, 2, {"birds": 0.5}, metric="c", fraction=0, weights="best")
    filled.cost(trial, 2, "merge", flops=float("inf"))
    assert [(r["what"], r["rule"]) for r in filled.rows("audit_values")] == [
        ("merge", "flops must be at least 0 and finite"),
        ("best", "weights must be deployed, last or merged"),
        ("birds a", "value must be in [0, 1]"),
        ("birds b", "value must be in [0, 1]"),
        ("birds c", "fraction must be in (0, 1]"),
    ]


def test_a_done_trial_with_missing_tasks(filled: Filled) -> None:
    trial = filled.done(PAPER[:-1])
    running = filled.trial(seed=1)
    filled.attempt(running, 1, None)
    filled.results(running, 0, dict.fromkeys(DATASETS, 0.5))
    assert filled.row("audit_tasks") == {"trial": trial, "task": 2, "problem": "no results"}


@pytest.mark.parametrize(
    ("of_study", "word", "suite", "released"),
    [
        ("first", "retry", None, True),
        ("first", "withdraw", None, False),
        ("first", "retry", "views", False),
        ("another", "retry", None, False),
        ("another", "withdraw", None, False),
    ],
)
def test_a_held_study_goes_on_after_a_retry_of_one_of_its_own_trials_alone(
    filled: Filled, of_study: str, word: str, suite: str | None, released: bool
) -> None:
    filled.connection.execute("UPDATE policy SET value = 2 WHERE name = 'same_errors'")
    for study in ("first", "another"):
        for seed in range(2):
            trial = filled.trial(seed=seed + 5 * (study == "another"), study=study)
            filled.attempt(trial, 1, "failed", kind="error", message="boom")
    waiting = filled.trial(seed=2, study="first")
    failed = filled.trial(seed=9, study=of_study)
    assert state(filled, waiting)[0] == "waiting"
    filled.connection.execute(
        "INSERT INTO request (trial, wish, suite) VALUES (?, ?, ?)", [failed, word, suite]
    )
    assert state(filled, waiting)[0] == ("pending" if released else "waiting")


def test_a_definition_that_is_written_otherwise_has_not_drifted(filled: Filled) -> None:
    """Of each attempt only the words whose values differ are named, whatever those of others do."""
    connection = filled.connection
    first, second, third = (filled.trial(seed=seed) for seed in range(3))
    for trial in (first, second, third):
        filled.attempt(trial)
    connection.execute(
        "UPDATE attempt SET spec = definition.spec FROM definition "
        "WHERE definition.trial = attempt.trial"
    )
    assert filled.rows("definition_drift") == []
    written = "UPDATE attempt SET spec = replace(spec::VARCHAR, ?, ?) WHERE trial <> ?"
    ((pairs,),) = connection.execute(
        "SELECT batch_pairs FROM recipe WHERE name = 'usual'"
    ).fetchall()
    connection.execute(written, [f'"batch_pairs":{pairs}', f'"batch_pairs":{pairs}.0', third])
    assert connection.execute("SELECT count(DISTINCT spec->'recipe') FROM attempt").fetchall() == [
        (2,)
    ]
    assert filled.rows("definition_drift") == []
    for trial, change in ((second, '{"seed": 99}'), (third, '{"recipe": {"lr": 7}}')):
        connection.execute(
            "UPDATE attempt SET spec = json_merge_patch(spec, ?) WHERE trial = ?", [change, trial]
        )
    drifted = {row["trial"]: row["words"] for row in filled.rows("definition_drift")}
    assert drifted == {second: ["seed"], third: ["recipe"]}


def test_two_values_of_one_attempt_are_no_disagreement_of_attempts(filled: Filled) -> None:
    trial = filled.done(PAPER)
    filled.attempt(trial, 2, "lost")
    again = (
        "INSERT INTO result BY NAME SELECT * REPLACE (? AS attempt, value / 2 AS value) FROM result "
        "WHERE attempt = 1 AND dataset = 'birds' AND task = 1 AND value > ?"
    )
    filled.connection.execute(again, [1, 0.0])
    assert filled.rows("audit_attempts") == [] and len(filled.rows("audit_duplicates")) == 1
    filled.connection.execute(again, [2, PAPER[1][0] / 2])
    assert [row["dataset"] for row in filled.rows("audit_attempts")] == ["birds"]
