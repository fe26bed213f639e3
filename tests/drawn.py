"""A catalog drawn at random, with everything that answers must tell apart: several backbones, orders, numbers of tasks, budgets and
label spaces, seeds that some have and others lack, attempts that were lost, members that were not measured, parts of test sets."""

import random
from typing import Any

import polars as pl

from tests.filled import PAPER, Filled, varied

STREAMS = {  # stream -> (sequence, tasks, suite)
    "world": ("order", 2, "five"),
    "reversed": ("turned", 2, "five"),
    "at_once": ("order", 1, "five"),
    "line": ("line", 4, "line"),
    "watched": ("line", 4, "watched"),
}
ROWS = """
INSERT INTO backbone (name, architecture) VALUES ('big', 'ViT-L-14');
INSERT INTO sequence (name, ordering, seed) VALUES ('turned', 'time', 3), ('line', 'given', 0);
INSERT INTO sequence_concept VALUES ('turned', 1, 'ships', 'tug'), ('turned', 2, 'birds', 'crow');
INSERT INTO dataset (name, format, kind) SELECT 'line' || i, 'world', 'classification' FROM range(1, 6) r(i);
INSERT INTO sequence_concept SELECT 'line', i, 'line' || CASE WHEN i <= 3 THEN (i + 1) // 2 ELSE (i + 2) // 2 END, 'c' || i FROM range(1, 10) r(i);
INSERT INTO suite (name) VALUES ('line'), ('watched');
INSERT INTO suite_member (suite, dataset, role, metric, weight, label_space) VALUES
    ('line', 'line1', 'adapt', 'top1', 1, 'all'), ('line', 'line2', 'adapt', 'top1', 2, 'all'), ('line', 'line3', 'adapt', 'top1', 1, 'all'),
    ('line', 'line4', 'adapt', 'top1', 1, 'all'), ('line', 'line5', 'adapt', 'top1', 3, 'all'), ('line', 'dogs', 'retain', 'top1', 1, 'all'),
    ('line', 'line1', 'probe', 'top5', 1, 'all');
INSERT INTO suite_member BY NAME SELECT * REPLACE ('watched' AS suite) FROM suite_member WHERE suite = 'line' AND role <> 'adapt';
INSERT INTO suite_member (suite, dataset, role, metric, weight, label_space)
    SELECT 'watched', 'line' || i, 'adapt', 'top1', i, s.space FROM range(1, 6) r(i), (VALUES ('task'), ('all')) s(space);
INSERT INTO suite_member (suite, dataset, role, metric)
    SELECT 'watched', 'line2', 'probe', 'between' || p.place || '_top1' FROM (VALUES (25), (50), (75)) p(place);
INSERT INTO stream (name, sequence, tasks, suite) VALUES
    ('reversed', 'turned', 2, 'five'), ('at_once', 'order', 1, 'five'), ('line', 'line', 4, 'line'), ('watched', 'line', 4, 'watched');
UPDATE stream SET validation = 'reversed' WHERE name = 'world';
INSERT INTO method (name, merging, deploy) VALUES ('ema_merge', 'interpolate', 'merged');
UPDATE method SET tuning = 'lora' WHERE name = 'lora';
UPDATE method SET objective = 'contrastive+ewc' WHERE name = 'ewc';
INSERT INTO recipe (name, lr, batch_pairs, schedule) VALUES ('high', 1e-2, 32, 'constant');
INSERT INTO budget (name, unit, total, charging) VALUES ('flops', 'maf_gflops', 1234, 'once'), ('fomo', 'maf_gflops', 1234, 'per_step'),
    ('seen', 'pairs', 999, 'once'), ('medium', 'steps', 500, 'once');
INSERT INTO budget (name, unit, total, costs) VALUES ('published', 'maf_gflops', 1234, 'published'), ('published_flops', 'gflops', 1234, 'published');
"""
# What rules added, how they stand, and what studies expected
STANDING = """
INSERT INTO rule (name, query, most_trials) VALUES
    ('grown', 'SELECT 1', 4), ('full', 'SELECT 2', 3), ('over', 'SELECT 3', 9), ('broken', 'SELECT 4', 9);
UPDATE trial SET rule = CASE id % 9 WHEN 0 THEN 'full' ELSE 'over' END WHERE id % 9 IN (0, 4);
UPDATE trial SET rule = 'grown' WHERE id IN (2, 3, (SELECT max(id) FROM trial));
INSERT INTO request (rule, wish, reason) VALUES ('over', 'withdraw', 'answered'), ('full', 'withdraw', 'a try'), ('full', 'retry', NULL);
INSERT INTO problem (subject, message) VALUES ('rule broken', 'it returns no trials');
INSERT INTO study VALUES ('first', 'nothing changes', '2020-01-01'), ('second', NULL, now() + INTERVAL 1 DAY), ('none yet', 'x', now());
"""
REFERENCES = (
    ('{"stream": "line", "method": "FINETUNE"}', "transfer", 0.5),
    ('{"stream": "line"}', "forgotten_mean", 0.1),
    ('{"backbone": "tiny", "dataset": "dogs", "task": 0, "suite": "five"}', "top1", 0.6),
    ('{"backbone": "tiny", "shots": 5}', "a_zs", 0.5),
    ("table 1", "a_zs", 0.5),
)


class Drawn:
    """What is drawn, put into the catalog as whole tables in the end."""

    def __init__(self, filled: Filled, seed: int) -> None:
        self.filled, self.random = filled, random.Random(seed)
        self.facts: dict[str, list[dict[str, Any]]] = {"result": [], "cost": [], "statistic": []}
        names = ("dataset", "metric", "label_space")
        members = filled.rows("(SELECT suite, dataset, metric, label_space FROM suite_member)")
        self.members = {
            suite: [[m[n] for n in names] for m in members if m["suite"] == suite]
            for suite in ("five", "line", "watched")
        }

    def trial(self, number: int, stream: str, **words: Any) -> None:
        """A trial that ended, perhaps in its second attempt; now and then a task or a member was not measured."""
        _, tasks, suite = STREAMS[stream]
        trial = self.filled.trial(stream=stream, **words)
        attempt = self.random.choice((1, 1, 1, 2))
        device = self.random.choice(("old", "new", None))
        hour = f"2026-01-{1 + number // 24:02d} {number % 24:02d}"
        if attempt == 2:
            self.filled.attempt(
                trial,
                1,
                "lost",
                kind="no_result",
                started_at=f"{hour}:00:00+00",
                finished_at=f"{hour}:10:00+00",
            )
        self.filled.attempt(
            trial,
            attempt,
            "done",
            device=device,
            started_at=f"{hour}:00:00+00",
            finished_at=f"{hour}:40:00+00",
        )
        stop = tasks - (self.random.random() < 0.05)
        missing = self.random.randint(0, tasks) if self.random.random() < 0.1 else None
        for task in range(stop + 1):
            for tried in range(1, attempt + 1):
                if tried == attempt or task <= 1:
                    self.measure(trial, tried, task, suite, skipped=task == missing)
                    self.charge(trial, tried, task)
                    self.infer(trial, tried, task)
                    self.mix(trial, tried, task)

    def measure(self, trial: int, attempt: int, task: int, suite: str, skipped: bool) -> None:
        """All members at the end, other weights too, a few within the task and on a part."""
        members = self.members[suite][1:] if skipped else self.members[suite]
        extra = [("last", 1.0, 10), ("deployed", 0.1, 10)] + (
            [("deployed", 1.0, 5)] if task and trial % 3 == 0 else []
        )
        for weights, fraction, step in [("deployed", 1.0, 10), *extra]:
            for dataset, metric, label_space in members if weights == "deployed" else members[:1]:
                row = {
                    "trial": trial,
                    "attempt": attempt,
                    "task": task,
                    "step": step,
                    "dataset": dataset,
                    "metric": metric,
                }
                value = 0.6 if task == 0 and dataset == "dogs" else self.random.uniform(0.2, 0.9)
                row |= {
                    "label_space": label_space,
                    "weights": weights,
                    "value": value,
                    "examples": 50,
                    "fraction": fraction,
                }
                self.facts["result"].append(row)

    def infer(self, trial: int, attempt: int, task: int) -> None:
        """What an image and a text cost: some trials deploy several models, some were not counted."""
        if trial % 7 == 0:
            return
        models = 1 + trial % 3 if task else 1
        for part, flops in (("image", 4e9), ("text", 1e9)):
            row = {"trial": trial, "attempt": attempt, "task": task, "name": "inference_flops"}
            self.facts["statistic"].append(row | {"part": part, "value": models * flops})

    def mix(self, trial: int, attempt: int, task: int) -> None:
        """What a mixing said in a task: of some trials, some without anything that was measured."""
        if trial % 5 or not task:
            return
        row = {"trial": trial, "attempt": attempt, "task": task}
        for place, source in enumerate(("update", "buffer")):
            for segment in (1, 2):
                said = row | {"part": f"{segment} {source}", "value": 0.1 * (place + segment)}
                self.facts["statistic"].append(said | {"name": "mixing_share"})
                if trial % 10 == 0 and segment == 1:
                    self.facts["statistic"].append(said | {"name": "mixing_loss"})
            if trial % 10 == 0:
                held = row | {"part": source, "name": "held_out_pairs", "value": 10.0 + task}
                self.facts["statistic"].append(held)

    def charge(self, trial: int, attempt: int, task: int) -> None:
        """Phases of a task; a taken-over training is charged all the same."""
        for phase in ("evaluate", *(("train", "merge") if task else ())):
            row = {
                "trial": trial,
                "attempt": attempt,
                "task": task,
                "phase": phase,
                "flops": self.random.uniform(1e9, 9e9),
            }
            row |= {
                "peak_bytes": self.random.choice((None, 10**9, 2 * 10**9)),
                "seconds": self.random.uniform(1, 5),
            }
            steps = 10 if phase == "train" else 0
            taken = phase == "train" and self.random.random() < 0.2
            self.facts["cost"].append(
                row | {"steps": steps, "pairs": 16 * steps, "energy_j": None, "shared": taken}
            )

    def insert(self) -> None:
        for table, rows in self.facts.items():
            frame = pl.DataFrame(rows, infer_schema_length=None)
            self.filled.connection.register("drawn_rows", frame)
            self.filled.connection.execute(f"INSERT INTO {table} BY NAME FROM drawn_rows")
            self.filled.connection.unregister("drawn_rows")


def drawn(filled: Filled, seed: int = 0) -> None:
    """Beside what is `varied`, about 150 trials."""
    varied(filled)
    filled.connection.execute("BEGIN")
    filled.connection.execute(ROWS)
    made = Drawn(filled, seed)
    chance = made.random
    number = 0
    for backbone, stream in (
        ("tiny", "world"),
        ("big", "world"),
        ("tiny", "reversed"),
        ("tiny", "at_once"),
        ("tiny", "line"),
        ("big", "watched"),
    ):
        for method in ("finetune", "lora", "ewc", "ema_merge"):
            for mixture, recipe, budget in (
                ("plain", "usual", "medium"),
                ("replay", "usual", "medium"),
                ("plain", "high", "seen"),
            ):
                first = chance.choice((0, 0, 1))
                for at in (
                    range(first, first + chance.choice((1, 2, 3, 4)))
                    if chance.random() < 0.8
                    else ()
                ):
                    study = chance.choice(("first", "second", None))
                    words = {
                        "backbone": backbone,
                        "method": method,
                        "mixture": mixture,
                        "recipe": recipe,
                        "budget": budget,
                    }
                    made.trial(number, stream, seed=at, study=study, **words)
                    number += 1
    made.insert()
    alike = (
        (0.6, 0.5, "finetune", "plain"),
        (0.7, 0.5, "ewc", "plain"),
        (0.7, 0.4, "lora", "plain"),
        (0.7, 0.5, "ewc", "replay"),
    )
    for ka, zs, method, mixture in alike:  # in one of the two, or in both
        filled.done(
            [*PAPER[:-1], [ka, ka, zs, zs]],
            method=method,
            mixture=mixture,
            recipe="high",
            budget="large",
            seed=7,
        )
        filled.trial(
            method=method, mixture=mixture, budget="medium", seed=9
        )  # most of them of a kind that has finished
    grown(filled)
    filled.connection.execute("UPDATE result SET value = value * 0.9 WHERE fraction = 0.1")
    for budget in ("published", "published_flops"):
        filled.trial(budget=budget, method="ewc")
        filled.trial(budget=budget, method="lora")
    for budget in ("flops", "fomo", "seen"):
        filled.trial(budget=budget, method="ewc", recipe="high")
        filled.trial(budget=budget, method="finetune", backbone="big")
    filled.profile(
        "ewc", train=(2.1e9, 10), score=(0.3e9, 12), objective=(4.4e9, 15), full=(2e9, 10)
    )
    for setting, metric, value in REFERENCES:
        filled.connection.execute(
            "INSERT INTO reference_result VALUES ('drawn', ?, ?, ?, 'derived', NULL)",
            [setting, metric, value],
        )
    for word, value in (("step_gflops", 6.0), ("memory_multiplier", 1.25), ("steps_per_task", 4.0)):
        setting = '{"backbone": "tiny", "batch_pairs": 16, "method": "EWC", "tasks": 20}'
        filled.connection.execute(
            "INSERT INTO reference_result VALUES ('FoMo-in-Flux, compute', ?, ?, ?, 'seen', NULL)",
            [setting, word, value],
        )
    filled.connection.execute(STANDING)
    filled.connection.execute("COMMIT")


def grown(filled: Filled) -> None:
    """A search of two learning rates and two seeds, over for two methods, for the third not."""
    words = {"stream": "reversed", "study": "grown", "budget": "small"}
    filled.connection.execute(
        "INSERT INTO recipe BY NAME SELECT * REPLACE ('usual_lr_' || lr AS name, lr::DOUBLE AS lr) "
        "FROM (SELECT * EXCLUDE (lr) FROM recipe WHERE name = 'usual'), (VALUES ('2e-4'), ('3e-3')) AS rates(lr)"
    )
    for method, worse in (("lora", 0.1), ("finetune", 0.2), ("ewc", 0.0)):
        for recipe in ("usual_lr_2e-4", "usual_lr_3e-3"):
            for seed in (5, 4):
                if (method, recipe) == ("finetune", "usual_lr_3e-3"):
                    failed = filled.trial(method=method, recipe=recipe, seed=seed, **words)
                    filled.attempt(failed, 1, "failed", kind="diverged", message="at step 3")
                elif method != "ewc" or seed == 5:
                    value = 0.7 - worse + 0.01 * seed
                    values = [*PAPER[:-1], [value] * 4]
                    filled.done(values, method=method, recipe=recipe, seed=seed, **words)
    filled.trial(method="ewc", recipe="usual_lr_2e-4", seed=4, **words)
