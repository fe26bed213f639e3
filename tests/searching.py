"""A search and a decision that rules make by themselves, undisturbed and killed at random.

One INSERT INTO rule draws nothing by hand: `search` tries three learning rates of two methods on
validation images, `halve` goes on with the better one of each, `confirm` runs what was chosen with
new seeds on the stream itself, and `decide` adds seeds until it is known which method is better.
"""

import time
from pathlib import Path

import duckdb

from schema import grid
from schema.catalog import Catalog
from schema.site import Site
from tests.alike import same_answer
from tests.journey import AUDITS, LOCAL, Rows, ask, settle
from tests.kills import Kills
from tests.once import once
from tests.processes import command
from tests.template import fresh
from tests.toy import AXES, toy_methods

VALIDATION = """
INSERT INTO dataset (name, format, params, kind, classes, templates)
SELECT name || '_validation', format, json_merge_patch(params, '{"held": "validation"}'), kind, classes, templates
FROM dataset WHERE name IN ('toy_blobs', 'toy_colour', 'toy_scenes');
INSERT INTO suite (name) VALUES ('toy_validation');
INSERT INTO suite_member (suite, dataset, role, metric)
SELECT 'toy_validation', dataset || '_validation', role, metric FROM suite_member WHERE suite = 'toy';
INSERT INTO stream (name, sequence, tasks, suite) VALUES ('toy_validation', 'toy', 2, 'toy_validation');
UPDATE stream SET validation = 'toy_validation' WHERE name = 'toy';
INSERT INTO budget (name, unit, total) VALUES ('toy20', 'steps', 20), ('toy40', 'steps', 40);
INSERT INTO recipe BY NAME FROM sweep(base := 'toy', draws := 3, lr_low := 2e-4, lr_high := 5e-2);
"""
RULES = """
INSERT INTO rule (name, query, most_trials) VALUES
('search', $$
    SELECT 'toy' AS backbone, 'toy_validation' AS stream, 'toy' AS mixture, method.name AS method,
           recipe.name AS recipe, 'toy20' AS budget, 0 AS seed, 'search' AS study
    FROM method, recipe
    WHERE method.name IN ('toy_ema', 'toy_lora_ewc') AND starts_with(recipe.name, 'toy_lr_')
    ORDER BY 4, 5 $$, 6),
('halve', $$SELECT * FROM halving(study := 'search', rungs := 'toy20,toy40', keep := 0.3)$$, 2),
('confirm', $$SELECT * FROM tuned(seeds := 3, study := 'search') WHERE budget = 'toy40'$$, 6),
('decide', $$
    SELECT * FROM decided(a := 'toy_ema', b := 'toy_lora_ewc', most_seeds := 6, recipes := 'chosen')
    WHERE stream = 'toy' $$, 6);
"""
# Sync goes on whatever happens to its jobs
RETRIES = "[retries]\n" + "".join(
    f"{kind} = 1000\n" for kind in ("killed", "no_result", "submit", "node_fail")
)
TRIALS = """
SELECT stream, method, recipe, budget, seed, study, rule FROM trial ORDER BY ALL
"""
RESULTS = """
SELECT t.stream, t.method, t.recipe, t.budget, t.seed, r.task, r.dataset, r.metric, r.value
FROM (SELECT trial, task, max(attempt) AS attempt FROM result GROUP BY trial, task) s
JOIN result r USING (trial, task, attempt) JOIN trial t ON t.id = r.trial ORDER BY ALL
"""
ANSWER = """
SELECT recipe_a, recipe_b, pairs, look, difference, verdict
FROM decide(a := 'toy_ema', b := 'toy_lora_ewc', recipes := 'chosen') WHERE stream = 'toy'
"""


def declare_search(folder: Path, text: str) -> Site:
    """Return a lab with this site.toml in which nothing is declared but words and four rules."""
    folder.mkdir(exist_ok=True)
    (folder / "site.toml").write_text(text)
    site = Site.load(folder)
    with fresh(site.catalog).open() as connection:
        grid.apply(connection, AXES + toy_methods() + VALIDATION + RULES, "search.sql")
        assert connection.execute("SELECT count(*) FROM trial").fetchone() == (0,)
    return site


def undisturbed_search(folder: Path) -> dict[str, Rows]:
    """Return what the search comes to when `sync --watch` runs it, once for all tests."""
    return once("undisturbed search", lambda: _undisturbed(folder))


def _undisturbed(folder: Path) -> dict[str, Rows]:
    site = declare_search(folder, f"{LOCAL}trials_per_job = 6\n")
    watched = command(site.folder, "runner.sync", "--watch")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    return search_of(site)


def killed_search(kills: Kills, each: int, pause_s: float, limit_s: float = 600) -> None:
    """Sync until nothing is left to do, and kill `each` syncs and as many workers on the way.

    Syncs are killed `pause_s` seconds apart on average. Workers are there for a while only, so they
    are looked for four times as often.
    """
    deadline = time.monotonic() + limit_s
    while not answered(kills.site):
        left = [victim for victim in ("sync", "worker") if kills.killed[victim] < each]
        if not left:
            break
        assert time.monotonic() < deadline, (dict(kills.killed), ask(kills.site, TRIALS))
        kills.keep_syncing()
        victim = kills.dice.choice(left)
        pause = kills.dice.expovariate(1 / pause_s)
        time.sleep(pause if victim == "sync" else pause / 4)
        died = kills.kill_sync() if victim == "sync" else kills.kill_worker()
        kills.killed[victim] += died
    if kills.sync is not None:
        kills.sync.wait()
    settle(kills.site, limit_s)


def answered(site: Site) -> bool:
    """Return whether the last snapshot has trials of the decision, and no trial that is open."""
    if not site.current.exists():
        return False
    with duckdb.connect(str(site.current.resolve()), read_only=True) as connection:
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE stream = 'toy'), count(*) FILTER (WHERE state <> 'done') "
            "FROM trial JOIN stage ON stage.trial = trial.id"
        ).fetchone()
    return row is not None and row[0] > 0 and row[1] == 0


def same_search(site: Site, expected: dict[str, Rows]) -> None:
    """Hold a search that was killed against an undisturbed one: trials, results and the answer."""
    trials = expected["trials"]
    assert ask(site, TRIALS) == trials
    assert ask(site, RESULTS) == expected["results"]
    assert same_answer(ask(site, ANSWER), expected["answer"])
    assert {row[-1] for row in trials} >= {"search", "halve", "confirm"}
    assert ask(
        site, "SELECT count(*), count(DISTINCT trial) FROM outcome WHERE state = 'done'"
    ) == [(len(trials), len(trials))]
    assert ask(site, "SELECT subject, message FROM health") == []
    with Catalog(site.catalog).open() as connection:
        for audit in AUDITS:
            assert connection.execute(f"FROM {audit}").fetchall() == [], audit


def search_of(site: Site) -> dict[str, Rows]:
    """Return what a search came to: its trials with the rules that added them, results, answer."""
    return {"trials": ask(site, TRIALS), "results": ask(site, RESULTS), "answer": ask(site, ANSWER)}
