"""From one INSERT INTO rule to an answer, unattended, on the local backend."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from runner.job import LOOK_S
from schema import grid
from schema.site import Site
from tests.journey import LOCAL, ask, crashing, one_pass, settle, stopped
from tests.kills import Kills
from tests.processes import command
from tests.searching import (
    RETRIES,
    declare_search,
    killed_search,
    same_search,
    undisturbed_search,
)
from tests.template import fresh
from tests.toy import AXES, toy_methods

RULE = """
INSERT INTO study (name, hypothesis) VALUES ('decide toy_ema or toy_lora_ewc', 'the average forgets less');
INSERT INTO rule (name, query, most_trials) VALUES (
    'which of the two',
    $$SELECT * FROM decided(a := 'toy_ema', b := 'toy_lora_ewc', most_seeds := 6, measure := 'a_zs',
                            words := 'toy,toy,toy,toy,toy')$$,
    12
);
"""

# Two recipes side by side, of which one goes on after the first of two tasks
BEHIND = """
INSERT INTO budget (name, unit, total) VALUES ('forty', 'steps', 40);
INSERT INTO recipe BY NAME FROM sweep(base := 'toy', draws := 2, lr_low := 1e-5, lr_high := 1e-1);
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study)
SELECT 'toy', 'toy', 'toy', 'toy_ema', name, 'forty', 0, 'search'
FROM recipe WHERE starts_with(name, 'toy_lr');
INSERT INTO rule (name, query, most_trials)
VALUES ('behind', $$SELECT * FROM fallen_behind(on_test := TRUE)$$, 2);
"""


@pytest.mark.slow
def test_one_rule_and_one_command_lead_to_an_answer(folder: Path) -> None:
    """The rule declares three pairs, looks, and where that does not tell declares three more; then --watch ends."""
    (folder / "site.toml").write_text(f"{LOCAL}trials_per_job = 6\n")
    site = Site.load(folder)
    with fresh(site.catalog).open() as connection:
        grid.apply(connection, AXES + toy_methods() + RULE, "rule.sql")
        assert connection.execute("SELECT count(*) FROM trial").fetchone() == (0,)
    done = command(folder, "runner.sync", "--watch")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rule which of the two: 6 trials added, 6 more allowed" in done.stdout
    ((pairs, look, verdict),) = ask(
        site,
        "SELECT pairs, look, verdict FROM decide(a := 'toy_ema', b := 'toy_lora_ewc', measure := 'a_zs')",
    )
    decided = verdict in ("toy_ema is better", "toy_lora_ewc is better")
    assert (pairs, look) in ([(3, 1), (6, 2)] if decided else [(6, 2)])
    assert ask(site, "SELECT DISTINCT seed FROM trial ORDER BY 1") == [(n,) for n in range(pairs)]
    ((state, trials, finished, waiting),) = ask(
        site, "SELECT state, trials, done, open_trials FROM rules"
    )
    assert (trials, finished, waiting) == (2 * pairs, 2 * pairs, 0)
    assert state == ("spent" if trials == 12 else "standing")
    ((hypothesis, before, first),) = ask(
        site, "SELECT hypothesis, trials_before, said_first FROM hypotheses"
    )
    assert (hypothesis, before, first) == ("the average forgets less", 0, True)


@pytest.mark.slow
def test_what_has_fallen_behind_after_a_task_ends_and_the_best_goes_on(folder: Path) -> None:
    """Both are met in their second task, before the rule has looked at what the first came to."""
    (folder / "site.toml").write_text(f"{LOCAL}trials_at_once = 2\n")
    site = Site.load(folder)
    with fresh(site.catalog).open() as connection:
        grid.apply(connection, AXES + toy_methods() + BEHIND, "behind.sql")
    with crashing("step:25", by="SIGSTOP"):
        one_pass(site)
    workers = [stopped(site, trial) for trial in (1, 2)]
    # One takes what the first task came to, and adds the wish; the next tells the worker
    assert one_pass(site).by_rules
    one_pass(site)
    # Both jobs have looked, also on a busy machine
    time.sleep(5 * LOOK_S)
    for worker in workers:
        os.kill(worker, signal.SIGCONT)
    settle(site)
    rows = ask(
        site,
        "SELECT rank, goes_on, state, reason, last_task FROM rung_after(on_test := TRUE) "
        "JOIN trial_state USING (trial) "
        "JOIN (SELECT trial, max(task) AS last_task FROM result GROUP BY trial) USING (trial) "
        "ORDER BY rank",
    )
    reason = "rule behind: recipe 2 of 2 by gm after task 1"
    assert rows == [(1, True, "done", None, 2), (2, False, "withdrawn", reason, 1)]


@pytest.mark.slow
def test_a_search_that_is_killed_at_random_ends_as_an_undisturbed_one(folder: Path) -> None:
    """F20, F41: syncs and workers are killed; the same trials by the same rules, the same results to
    the bit, the same answer (I2, I3, I4, I8)."""
    quiet = undisturbed_search(folder / "quiet")
    site = declare_search(folder / "killed", f"{LOCAL}trials_per_job = 2\n{RETRIES}")
    kills = Kills(site=site, dice=random.Random(5), parents=False)
    killed_search(kills, each=5, pause_s=1.5)
    assert kills.killed["sync"] > 1 and kills.killed["worker"] > 1, kills.killed
    same_search(site, quiet)
