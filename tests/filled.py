"""A small catalog filled by hand: every number in it is short enough to compute with on paper."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from schema.summaries import renew
from tests.template import fresh, in_memory

DATASETS = {
    "birds": ("adapt", 3),
    "ships": ("adapt", 1),
    "dogs": ("retain", 1),
    "cats": ("retain", 1),
    "toys": ("probe", 1),
}
TASKS = 2
FACTS = (
    "attempt",
    "submission",
    "outcome",
    "result",
    "cost",
    "progress",
    "statistic",
    "measurement",
    "request",
    "problem",
    "imported",
    "trial",
    "reference_result",
    "profile",
    "rule",
    "study",
    "tag",
    "remark",
)

AXES = f"""
INSERT INTO backbone (name, architecture) VALUES ('tiny', 'ViT-B-32');
INSERT INTO dataset (name, format, kind) SELECT unnest({list(DATASETS)}), 'world', 'classification';
INSERT INTO sequence (name, ordering) VALUES ('order', 'random');
INSERT INTO sequence_concept VALUES ('order', 1, 'birds', 'crow'), ('order', 2, 'ships', 'tug');
INSERT INTO suite (name) VALUES ('five');
INSERT INTO stream (name, sequence, tasks, suite, validation) VALUES ('world', 'order', {TASKS}, 'five', 'world_validation');
INSERT INTO mixture (name, update_share, buffer_share, pretraining_share) VALUES ('plain', 1, 0, 0), ('replay', 0.5, 0.5, 0);
INSERT INTO method (name) VALUES ('finetune'), ('lora'), ('ewc');
INSERT INTO recipe (name, lr, batch_pairs) VALUES ('usual', 1e-3, 16);
INSERT INTO budget (name, unit, total) VALUES ('small', 'steps', 100), ('large', 'steps', 1000);
"""


class Filled:
    """An open catalog and short words for filling it."""

    def __init__(self, path: Path | None = None) -> None:
        self.connection = duckdb.connect(str(fresh(path).path)) if path else in_memory()
        self.connection.execute("BEGIN")
        self.connection.execute(AXES)
        for dataset, (role, weight) in DATASETS.items():
            self.connection.execute(
                "INSERT INTO suite_member (suite, dataset, role, metric, weight) VALUES ('five', ?, ?, 'top1', ?)",
                [dataset, role, weight],
            )
        self.connection.execute("COMMIT")

    def clear(self) -> None:
        """Keep the axes as they were made, drop every fact."""
        for table in FACTS:
            self.connection.execute(f"DELETE FROM {table}")
        self.connection.execute("DELETE FROM backbone WHERE name <> 'tiny'")
        self.connection.execute("DELETE FROM method WHERE contains(name, '@')")

    def trial(
        self, method: str = "finetune", mixture: str = "plain", seed: int = 0, **words: Any
    ) -> int:
        """Want a trial; its id."""
        row = {
            "backbone": "tiny",
            "stream": "world",
            "recipe": "usual",
            "budget": "small",
            "study": "first",
        } | words
        row |= {"method": method, "mixture": mixture, "seed": seed}
        found = self.connection.execute(
            f"INSERT INTO trial ({', '.join(row)}) VALUES ({', '.join('?' * len(row))}) RETURNING id",
            list(row.values()),
        ).fetchone()
        assert found is not None
        return int(found[0])

    def attempt(
        self,
        trial: int,
        attempt: int = 1,
        state: str | None = "done",
        submitted: bool = True,
        **outcome: Any,
    ) -> None:
        """Try a trial; `state` None: it has not ended."""
        self.connection.execute(
            "INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position) VALUES (?, ?, '{}', 'abc', 'weir-1', 0)",
            [trial, attempt],
        )
        if submitted:
            self.connection.execute(
                "INSERT INTO submission (trial, attempt, backend, job_id, folder) VALUES (?, ?, 'local', ?, ?)",
                [trial, attempt, f"pid-{trial}", f"runs/{trial:06d}/{attempt:02d}"],
            )
        if state is not None:
            outcome = {key: value for key, value in outcome.items() if value is not None}
            row = {"trial": trial, "attempt": attempt, "state": state} | outcome
            self.connection.execute(
                f"INSERT INTO outcome ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
                list(row.values()),
            )

    def results(
        self, trial: int, task: int, values: dict[str, float], attempt: int = 1, **words: Any
    ) -> None:
        """Measure datasets after a task."""
        row = {
            "step": 10 * task,
            "metric": "top1",
            "label_space": "all",
            "weights": "deployed",
            "fraction": 1.0,
        } | words
        for dataset, value in values.items():
            self.connection.execute(
                "INSERT INTO result VALUES ($trial, $attempt, $task, $step, $dataset, $metric, $label_space, $weights, "
                "$value, 50, $fraction)",
                row
                | {
                    "trial": trial,
                    "attempt": attempt,
                    "task": task,
                    "dataset": dataset,
                    "value": value,
                },
            )

    def cost(
        self,
        trial: int,
        task: int,
        phase: str = "train",
        attempt: int = 1,
        flops: float = 1e9,
        seconds: float = 2.0,
    ) -> None:
        """Charge a phase with 10 steps and 160 pairs."""
        self.connection.execute(
            "INSERT INTO cost VALUES (?, ?, ?, ?, ?, NULL, ?, 10, 160, NULL, false)",
            [trial, attempt, task, phase, flops, seconds],
        )

    def profile(self, method: str, mixture: str = "plain", **phases: tuple[float, int]) -> None:
        """A profile: of each phase the FLOPs and the bytes of its peak."""
        for phase, (flops, peak_bytes) in phases.items():
            self.connection.execute(
                "INSERT INTO profile VALUES ('tiny', ?, ?, 'usual', ?, ?, ?)",
                [mixture, method, phase, flops, peak_bytes],
            )

    def done(self, matrix: list[list[float]], attempt: int = 1, **words: Any) -> int:
        """A trial that is done: one row of values (birds, ships, dogs, cats) per task, task 0 first."""
        trial = self.trial(**words)
        self.attempt(
            trial,
            attempt,
            "done",
            started_at="2026-01-01 10:00:00+00",
            finished_at="2026-01-01 11:30:00+00",
        )
        for task, row in enumerate(matrix):
            self.results(trial, task, dict(zip(DATASETS, [*row, 0.5], strict=True)), attempt)
            if task:
                self.cost(trial, task, attempt=attempt)
            self.cost(trial, task, "evaluate", attempt, flops=5e9, seconds=1.0)
        return trial

    def probed(
        self, recalls: Sequence[tuple[float, float, float]], before: Sequence[float]
    ) -> None:
        """Trials, one a seed, of one task and an image index: the recall at 5 before it, and after it on the old index, on the same
        with the drift taken back, and on a new one. Between the two models it falls: a ridge."""
        metrics = ("index_r5", "index_shifted_r5", "text_to_image_r5")
        line = {"between25_r5": 0.7, "between50_r5": 0.6, "between75_r5": 0.75, "r5": 0.7}
        for statement in (
            "INSERT INTO dataset (name, format, kind) VALUES ('scenes', 'world', 'retrieval')",
            "INSERT INTO suite (name) VALUES ('probed')",
            f"INSERT INTO suite_member (suite, dataset, role, metric) SELECT 'probed', 'scenes', 'probe', unnest({[*metrics, *line]})",
            "INSERT INTO stream BY NAME SELECT * REPLACE ('probed' AS name, 'probed' AS suite) FROM stream WHERE name = 'world'",
        ):
            self.connection.execute(statement)
        for seed, (after, at_first) in enumerate(zip(recalls, before, strict=True)):
            trial = self.trial(stream="probed", seed=seed, study="probes")
            self.attempt(trial, state=None)
            for task, found in enumerate([(at_first,) * 3, after]):
                self.cost(trial, task)
                for metric, value in zip(metrics, found, strict=True):
                    self.results(trial, task, {"scenes": value}, metric=metric)
                for metric, value in line.items():
                    self.results(trial, task, {"scenes": value if task else 0.8}, metric=metric)

    def rows(self, source: str, **where: Any) -> list[dict[str, Any]]:
        """Rows of a view or macro call as dicts."""
        clause = " AND ".join(f"{key} IS NOT DISTINCT FROM ?" for key in where) or "true"
        found = self.connection.execute(
            f"SELECT * FROM {source} WHERE {clause}", list(where.values())
        )
        names = [column[0] for column in found.description or []]
        return [
            {n: json.loads(v) if n == "spec" else v for n, v in zip(names, row, strict=True)}
            for row in found.fetchall()
        ]

    def row(self, source: str, **where: Any) -> dict[str, Any]:
        """The only row."""
        (only,) = self.rows(source, **where)
        return only


#                 birds ships dogs  cats
PAPER = [
    [0.2, 0.4, 0.6, 0.8],  # a_ka = (3 * 0.2 + 0.4) / 4 = 0.25     a_zs = 0.70
    [0.6, 0.4, 0.5, 0.7],  # a_ka = (3 * 0.6 + 0.4) / 4 = 0.55     a_zs = 0.60
    [0.5, 0.8, 0.4, 0.7],  # a_ka = (3 * 0.5 + 0.8) / 4 = 0.575    a_zs = 0.55
]


def shifted(by: float) -> list[list[float]]:
    """The paper example with every value after the last task moved."""
    return [*PAPER[:-1], [value + by for value in PAPER[-1]]]


def varied(filled: Filled) -> None:
    """Something of everything: done, interrupted, failed, running, waiting and withdrawn trials in two studies."""
    filled.connection.execute("BEGIN")
    for seed, by in enumerate((-0.05, 0.0, 0.05)):
        filled.done(shifted(by), seed=seed)
        filled.done(shifted(by + 0.02), method="lora", mixture="replay", seed=seed)
    only = filled.done(shifted(0.1), method="ewc")
    failed = filled.trial(method="ewc", seed=1)
    filled.attempt(
        failed,
        1,
        "failed",
        kind="error",
        message="loss is nan at step 17",
        log_tail="Traceback\n  boom",
        host="node1",
    )
    filled.results(failed, 0, dict.fromkeys(DATASETS, 0.5))
    running = filled.trial(method="ewc", seed=2, study="second")
    filled.attempt(running, 1, "failed", kind="preempted")
    filled.attempt(running, 2, None)
    filled.trial(budget="large", study=None)
    gone = filled.trial(method="lora", study="second")
    filled.connection.execute(
        "INSERT INTO request (trial, wish, reason) VALUES (?, 'withdraw', 'a typo')", [gone]
    )
    for name, parent in (("child", only), ("grandchild", failed)):
        filled.connection.execute(
            "INSERT INTO backbone (name, architecture, pretrained) VALUES (?, 'ViT-B-32', ?)",
            [name, f"trial:{parent}"],
        )
        filled.trial(backbone=name, study="second")
    _parted(filled)
    filled.probed([(0.3, 0.4, 0.7), (0.35, 0.4, 0.7)], [0.8, 0.8])
    filled.results(1, 1, {"dogs": 0.3}, step=5)
    filled.connection.execute("INSERT INTO progress VALUES (1, 1, 1, 5, 0.7, 1e-3, 100, now())")
    filled.connection.execute("INSERT INTO statistic VALUES (1, 1, 1, 'drift_l2', 'all', 3.5)")
    filled.connection.execute(
        "INSERT INTO reference_result (source, setting, metric, value, provenance) "
        "SELECT 'a paper', '{\"backbone\": \"tiny\", \"task\": 0}', unnest(['a_zs', 'a_ka']), unnest([0.7, 0.25]), 'seen'"
    )
    filled.connection.execute(
        "INSERT INTO reference_result (source, setting, metric, value, provenance) VALUES "
        '(\'FoMo-in-Flux, compute\', \'{"backbone": "tiny", "batch_pairs": 16, "method": "SI"}\', \'step_gflops\', 2, \'seen\')'
    )
    filled.profile("finetune", train=(2e9, 10), objective=(0, 8), full=(2e9, 10))
    filled.connection.execute(
        "INSERT INTO problem (subject, message) VALUES ('squeue', 'it did not answer within 60 s')"
    )
    filled.connection.execute(
        "INSERT INTO tag (trial, study, tag) VALUES (1, '', 'odd'), (8, '', 'odd'), (0, 'first', 'paper')"
    )
    filled.connection.execute(
        "INSERT INTO remark (trial, study, remark, author) VALUES "
        "(1, '', 'its loss fell late', 'Ada'), (0, 'second', 'tried in a hurry', NULL)"
    )
    filled.connection.execute("COMMIT")
    # As in every snapshot
    renew(filled.connection)


def _parted(filled: Filled) -> None:
    """A done trial whose suite is measured on a tenth of each test set, and whole at the ends."""
    for statement in (
        "INSERT INTO suite (name, subset) VALUES ('parts', 0.1)",
        "INSERT INTO suite_member BY NAME SELECT * REPLACE ('parts' AS suite) FROM suite_member WHERE suite = 'five'",
        "INSERT INTO stream BY NAME SELECT * REPLACE ('in_parts' AS name, 'parts' AS suite) FROM stream WHERE name = 'world'",
    ):
        filled.connection.execute(statement)
    trial = filled.done(PAPER, stream="in_parts")
    filled.connection.execute("DELETE FROM result WHERE trial = ? AND task = 1", [trial])
    for task, row in enumerate(PAPER):
        filled.results(trial, task, dict(zip(DATASETS, [*row, 0.5], strict=True)), fraction=0.1)
