"""Which trials train the same, which of them goes first, and what the store keeps for the others."""

import importlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import merger
from runner.backends.local import Local
from runner.run_folder import trunks_folder
from runner.scheduler.choose import choose
from runner.scheduler.dry_run import dry_run
from runner.scheduler.sharing import prune, stems
from schema import grid
from schema.catalog import Catalog
from schema.checks.parts import names
from schema.site import Site
from tests.filled import Filled
from tests.toy import AXES

MERGES = {
    "zs_all": ("ties", '{"keep": 0.3, "over": "all"}', "initial", "merged"),
    "zs_ema": ("slerp", "{}", "initial", "merged"),
    "finetune_zs": ("none", "{}", "initial", "last"),
    "ema_ft": ("ties", '{"keep": 0.3, "over": "running"}', "merged", "last"),
    "ema_all": (
        "ties",
        '{"keep": 0.3, "over": "all", "start_over": "running"}',
        "merged",
        "merged",
    ),
    "ema_keep": ("ties", '{"keep": 0.4}', "merged", "last"),
    "ends_all": ("ties", '{"keep": 0.3, "over": "all", "start_over": "ends"}', "merged", "merged"),
    "steps": ("ema_step", '{"decay": 0.9}', "last", "merged"),
    "steps_ft": ("ema_step", '{"decay": 0.9}', "last", "last"),
    "steps_less": ("ema_step", '{"decay": 0.8}', "last", "merged"),
}
OTHERS = 'INSERT INTO method (name, merging, merging_params, "start", deploy) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING'


@pytest.fixture
def merged(filled: Filled) -> Filled:
    for name, row in MERGES.items():
        filled.connection.execute(OTHERS, [name, *row])
    filled.connection.execute(
        "INSERT INTO method (name, tuning) VALUES ('bits', 'bitfit') ON CONFLICT DO NOTHING"
    )
    filled.connection.execute("UPDATE policy SET value = 1 WHERE name = 'share_trunks'")
    return filled


def after(filled: Filled) -> dict[int, int | None]:
    return {row["trial"]: row["after"] for row in filled.rows("ready")}


def todo(filled: Filled) -> list[int]:
    return [row["trial"] for row in filled.rows("todo")]


# ---------------------------------------------------------------- what trains the same


@pytest.mark.parametrize(("left", "right", "same"), [
    # Merged afterwards only
    ("zs_all", "zs_ema", (True, True)),
    # The first tasks of both begin from the backbone
    ("zs_all", "ema_ft", (False, True)),
    # The same is merged where a task begins
    ("ema_ft", "ema_all", (True, True)),
    ("ema_all", "ends_all", (False, True)),
    ("ema_ft", "ema_keep", (False, True)),
    ("finetune", "zs_all", (False, True)),
    # Averages steps: part of training
    ("finetune", "steps", (False, False)),
    ("steps", "steps_ft", (True, True)),
    ("steps", "steps_less", (False, False)),
    ("finetune", "bits", (False, False)),
])  # fmt: skip
def test_methods_that_train_the_same(
    merged: Filled, left: str, right: str, same: tuple[bool, bool]
) -> None:
    trials = [merged.row("trunk", trial=merged.trial(method=name)) for name in (left, right)]
    assert (
        trials[0]["trunk"] == trials[1]["trunk"],
        trials[0]["stem"] == trials[1]["stem"],
    ) == same


@pytest.mark.parametrize("words", [{"seed": 1}, {"mixture": "replay"}, {"budget": "large"}])
def test_any_other_word_parts_them(merged: Filled, words: dict[str, Any]) -> None:
    left, right = (
        merged.row("trunk", trial=trial) for trial in (merged.trial(), merged.trial(**words))
    )
    assert left["trunk"] != right["trunk"] and left["stem"] != right["stem"]


def test_a_stream_is_known_by_what_is_learned(merged: Filled) -> None:
    """Another suite, or a study of another name, trains the same."""
    merged.connection.execute("INSERT INTO suite (name) VALUES ('two') ON CONFLICT DO NOTHING")
    merged.connection.execute(
        "INSERT INTO stream (name, sequence, tasks, suite) VALUES ('same', 'order', 2, 'two'), ('cut', 'order', 1, 'two') "
        "ON CONFLICT DO NOTHING"
    )
    mine, same, cut = (
        merged.row("trunk", trial=merged.trial(stream=name, study=name))
        for name in ("world", "same", "cut")
    )
    assert mine["trunk"] == same["trunk"] != cut["trunk"]


@pytest.mark.parametrize("name", names("methods/merging"))
def test_a_merging_that_averages_steps_belongs_to_what_is_trained(
    name: str, merged: Filled
) -> None:
    """The file of the merging says so, not a list in SQL."""
    (answer,) = merged.connection.execute("SELECT averages_steps(?)", [name]).fetchone() or ()
    assert answer == hasattr(importlib.import_module(f"methods.merging.{name}"), "share")


@pytest.mark.parametrize("name", MERGES)
def test_what_is_merged_where_a_task_begins_is_read_as_a_trial_reads_it(name: str) -> None:
    """`start_over`, else `over`, else running: as `methods.merger`."""
    technique, said, start, deploy = MERGES[name]
    params = json.loads(said)
    begins = merger(technique, params, start, deploy).start
    if start == "merged":
        assert begins == params.get("start_over", params.get("over", "running"))
    else:
        assert begins is None


# ---------------------------------------------------------------- who goes first


def test_one_goes_first_and_the_others_when_it_is_done(merged: Filled) -> None:
    first, second, other = merged.trial("zs_all"), merged.trial("zs_ema"), merged.trial("ema_ft")
    assert after(merged) == {first: None, second: first, other: None}
    assert todo(merged) == [first, other]
    assert merged.row("trial_state", trial=second)["state"] == "pending"
    assert (
        merged.row("trial_state", trial=second)["reason"]
        == f"takes over what trial {first} trains, when that is done"
    )
    merged.attempt(first, 1, None)
    assert after(merged) == {second: first, other: None}
    merged.connection.execute(
        "INSERT INTO outcome (trial, attempt, state) VALUES (?, 1, 'done')", [first]
    )
    assert todo(merged) == [second, other]


def test_the_higher_priority_goes_first_and_then_what_has_begun(merged: Filled) -> None:
    trials = [
        merged.trial(name, priority=priority) for name, priority in (("zs_all", 0), ("zs_ema", 5))
    ]
    assert todo(merged) == [trials[1]]
    merged.connection.execute("UPDATE trial SET priority = 0")
    merged.attempt(trials[1], 1, "failed", kind="preempted")
    assert todo(merged) == [trials[1]], "it has a checkpoint"


@pytest.mark.parametrize("end", ["failed", "refused", "cancelled", "withdrawn"])
def test_nobody_waits_for_what_will_never_be(merged: Filled, end: str) -> None:
    first, second = merged.trial("zs_all"), merged.trial("zs_ema")
    if end == "withdrawn":
        merged.connection.execute(
            "INSERT INTO request (trial, wish) VALUES (?, 'withdraw')", [first]
        )
    else:
        merged.attempt(first, 1, end, kind="error")
    assert after(merged) == {second: None}


def test_what_was_done_before_a_trial_was_declared_was_not_left_for_it(merged: Filled) -> None:
    """Then nothing may be in the store, and again one goes first."""
    old = merged.trial("zs_all")
    merged.attempt(old, 1, "done")
    merged.connection.execute("UPDATE attempt SET created_at = TIMESTAMPTZ '2020-01-01'")
    first, second = merged.trial("zs_ema"), merged.trial("finetune_zs")
    assert after(merged) == {first: None, second: first}
    merged.attempt(first, 1, "done")
    assert after(merged) == {second: None}


def test_the_policy_may_say_that_nothing_is_shared(merged: Filled, tmp_path: Path) -> None:
    first, second = merged.trial("zs_all"), merged.trial("zs_ema")
    site = Site(store=tmp_path)
    assert set(stems(site, merged.connection, [first, second])) == {first, second}
    merged.connection.execute("UPDATE policy SET value = 0 WHERE name = 'share_trunks'")
    assert todo(merged) == [first, second] and stems(site, merged.connection, [first, second]) == {}


EVENTS = ("start", "done", "failed", "preempted", "withdraw", "retry")


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 4)), max_size=12))
def test_whatever_happens_one_of_a_trunk_trains_and_none_waits_for_ever(
    shared: Filled, events: list[tuple[str, int]]
) -> None:
    """Any order of submissions, ends and wishes, of five trials in two trunks."""
    shared.clear()
    shared.connection.execute("UPDATE policy SET value = 1 WHERE name = 'share_trunks'")
    for name, row in MERGES.items():
        shared.connection.execute(OTHERS, [name, *row])
    trials = [shared.trial(name) for name in ("zs_all", "zs_ema", "ema_ft", "ema_all")] + [
        shared.trial("zs_ema", priority=1, study="x", budget="large")
    ]
    trunk = {row["trial"]: row["trunk"] for row in shared.rows("trunk")}
    attempts: dict[int, int] = {}
    live: set[int] = set()
    done: set[int] = set()
    ready = after(shared)
    for event, place in events:
        trial = trials[place]
        if event == "start" and ready.get(trial, 0) is None:
            attempts[trial] = attempts.get(trial, 0) + 1
            shared.attempt(trial, attempts[trial], None)
            live.add(trial)
        elif event in ("done", "failed", "preempted") and trial in live:
            live.remove(trial)
            done |= {trial} if event == "done" else set()
            said = (
                ("done", None)
                if event == "done"
                else ("failed", "error" if event == "failed" else "preempted")
            )
            shared.connection.execute(
                "INSERT INTO outcome (trial, attempt, state, kind) VALUES (?, ?, ?, ?)",
                [trial, attempts[trial], *said],
            )
        elif event in ("withdraw", "retry"):
            shared.connection.execute(
                "INSERT INTO request (trial, wish) VALUES (?, ?)", [trial, event]
            )
        ready = after(shared)
        waits, free = (
            {one: first for one, first in ready.items() if first},
            {one for one, first in ready.items() if not first},
        )
        opened = {trunk[one] for one in done}
        for one, first in waits.items():
            assert trunk[one] == trunk[first] not in opened and first != one
            assert first in live or first in free, "it waits for one that runs or may start"
        startable = [trunk[one] for one in free if trunk[one] not in opened]
        assert len(startable) == len(set(startable)), "one of a trunk at a time"
        assert not {trunk[one] for one in live if trunk[one] not in opened} & set(startable)


# ---------------------------------------------------------------- jobs, the store, and what is said


@pytest.fixture
def lab(site: Site, catalog: Catalog) -> Site:
    """A toy grid of two trunks, two trials each, and one trial that is alone."""
    rows = ", ".join(
        str((name, *MERGES[name])) for name in ("zs_all", "zs_ema", "ema_ft", "ema_all", "steps")
    )
    text = f"""{AXES}
INSERT INTO method (name, merging, merging_params, "start", deploy) VALUES {rows};
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study)
SELECT 'toy', 'toy', 'toy', method.name, 'toy', 'toy', 1, 'toy' FROM method
WHERE method.name IN ('zs_all', 'zs_ema', 'ema_ft', 'ema_all', 'steps') ORDER BY method.name;
"""
    with catalog.open() as connection:
        grid.apply(connection, text, "toy")
    return site


def test_a_job_is_told_where_work_in_common_is(lab: Site, catalog: Catalog) -> None:
    with catalog.open() as connection:
        chosen = choose(lab, connection, 10, None)
        methods = dict(connection.execute("SELECT id, method FROM trial").fetchall())
    told = {methods[wanted.trial]: wanted for _, job in chosen.jobs for wanted in job}
    assert set(told) == {"ema_all", "steps", "zs_all"} and chosen.pending == 5
    assert {wanted.store for wanted in told.values()} == {str(lab.store)}
    assert told["steps"].stem == "" and told["ema_all"].stem == told["zs_all"].stem != "", (
        "alone, nobody wants its tasks"
    )


def test_a_pass_takes_one_of_each_trunk_within_its_limit(lab: Site, catalog: Catalog) -> None:
    with catalog.open() as connection:
        for limit, expected in ((0, 0), (1, 1), (2, 2), (9, 3)):
            assert choose(lab, connection, 10, limit).attempts == expected
        connection.execute(
            "INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position) SELECT trial, 1, '{}', '', '', 0 FROM todo"
        )
        chosen = choose(lab, connection, 10, None)
        assert (chosen.attempts, chosen.pending) == (0, 2), (
            "they wait, and are pending all the same"
        )


def test_the_store_keeps_what_is_still_wanted(lab: Site, catalog: Catalog) -> None:
    with catalog.open() as connection:
        trials = [
            trial for (trial,) in connection.execute("SELECT id FROM trial ORDER BY id").fetchall()
        ]
        common = stems(lab, connection, trials)
        (stem,) = set(common.values())
        for name in (stem, "of nobody"):
            (trunks_folder(lab.store) / name / "key").mkdir(parents=True)
        (lab.store / "untouched" / "key").mkdir(parents=True)
        assert prune(lab, connection) == 1
        assert [path.name for path in trunks_folder(lab.store).iterdir()] == [stem]
        for one, other in pairwise(list(common)):
            connection.execute("INSERT INTO request (trial, wish) VALUES (?, 'withdraw')", [one])
            assert prune(lab, connection) == 0
            assert other in stems(lab, connection, [other]), (
                "what was left is for the last one, too"
            )
        connection.execute(
            "INSERT INTO request (trial, wish) VALUES (?, 'withdraw')", [list(common)[-1]]
        )
        assert prune(lab, connection) == 1
        assert (lab.store / "untouched" / "key").exists()


def test_the_dry_run_says_how_much_is_distinct(
    lab: Site, catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    dry_run(lab, Local(lab), None)
    said = capsys.readouterr().out
    assert (
        "5 pending trials train 3 distinct trunks: 2 wait to take over what others train; " in said
    )
    assert "5 pending in all" in said
    with catalog.open() as connection:
        connection.execute("UPDATE policy SET value = 0 WHERE name = 'share_trunks'")
    dry_run(lab, Local(lab), None)
    assert (
        "5 pending trials train 3 distinct trunks, each its own: share_trunks is 0 in the policy"
        in capsys.readouterr().out
    )


def test_what_was_shared_is_counted_by_study(merged: Filled) -> None:
    """Two trials, one trunk: 4 GFLOPs charged to each, merging and evaluation apart; the second
    took over 3.
    """
    first, second = merged.trial("zs_all"), merged.trial("zs_ema")
    for trial in (first, second):
        merged.attempt(trial, 1, "done")
        for task, flops in ((1, 1e9), (2, 3e9)):
            merged.results(trial, task, {"birds": 0.5})
            merged.cost(trial, task, flops=flops)
            merged.cost(trial, task, "evaluate", flops=7e9)
            merged.cost(trial, task, "merge", flops=9e9)
    merged.connection.execute(
        "UPDATE cost SET shared = true WHERE trial = ? AND task = 2", [second]
    )
    row = merged.row("sharing", study="first")
    assert (row["trials"], row["trunks"], row["begun"]) == (2, 1, 2)
    assert (row["charged_pflops"], row["done_pflops"]) == pytest.approx((8e-6, 5e-6))
    assert row["done_share"] == pytest.approx(5 / 8)
    assert (row["charged_hours"], row["done_hours"]) == pytest.approx((8 / 3600, 6 / 3600))
    assert (
        merged.row("finished", trial=second)["flops"]
        == merged.row("finished", trial=first)["flops"]
    ), "charged in full"


def test_hours_of_an_attempt_that_vanished_are_its_own(merged: Filled) -> None:
    trial = merged.trial("zs_all")
    merged.attempt(trial, 1, "lost", kind="killed")
    merged.cost(trial, 1, seconds=3600)
    merged.cost(trial, 2, seconds=7200)
    assert merged.row("status", study="first")["hours"] == 3
    merged.connection.execute("UPDATE cost SET shared = true WHERE task = 2")
    assert merged.row("status", study="first")["hours"] == 1
