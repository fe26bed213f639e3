"""The model card of a trial: what it is, what it reached, on which data, and how it is made again.

Markdown with the front matter that the Hugging Face hub reads. Everything in it is read from the
catalog and from the definition that the trial ran.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb

from schema.spec import Spec

WORDS = ("backbone", "stream", "mixture", "method", "recipe", "budget")
SENTENCE = "SELECT backbone, stream, mixture, method, recipe, budget, seed FROM trial WHERE id = ?"
# Of each dataset and metric: this trial's value, that of the untouched backbone, and over all seeds
# of the sentence their number, mean and half of a 95% interval of Student's distribution
RESULTS = """
WITH
seeds AS (
    SELECT other.id AS trial FROM trial AS one
    JOIN trial AS other USING (backbone, stream, mixture, method, recipe, budget)
    WHERE one.id = $trial
),
ended AS (
    SELECT * FROM measured
    WHERE trial IN (SELECT trial FROM seeds) AND task IN (0, $task)
      AND weights = 'deployed' AND fraction = 1 AND at_end
),
pooled AS (
    SELECT role, dataset, metric, label_space,
           max(value) FILTER (WHERE trial = $trial AND task = $task) AS value,
           max(value) FILTER (WHERE trial = $trial AND task = 0) AS untouched,
           max(examples) FILTER (WHERE trial = $trial AND task = $task) AS examples,
           count(value) FILTER (WHERE task = $task) AS seeds,
           avg(value) FILTER (WHERE task = $task) AS mean,
           stddev_samp(value) FILTER (WHERE task = $task) AS deviation
    FROM ended
    GROUP BY role, dataset, metric, label_space
)
SELECT pooled.role, pooled.dataset, pooled.metric, pooled.label_space, pooled.value,
       pooled.untouched, pooled.examples, pooled.seeds, pooled.mean,
       critical.t * pooled.deviation / sqrt(pooled.seeds) AS half
FROM pooled
LEFT JOIN critical ON critical.halvings = 0 AND critical.df <= pooled.seeds - 1
    AND pooled.seeds - 1 < critical.next_df
WHERE pooled.value IS NOT NULL
ORDER BY pooled.role, pooled.dataset, pooled.metric, pooled.label_space
"""
# What a dataset was to the trial, and on which terms it may be used
DATA = """
WITH
used AS (
    SELECT dataset, 1 AS place, 'learned from' AS use FROM sequence_concept
    WHERE sequence = (SELECT sequence FROM stream WHERE name = $stream)
    UNION
    SELECT pretraining_dataset, 2, 'pretraining pool' FROM mixture
    WHERE name = $mixture AND pretraining_dataset IS NOT NULL
    UNION
    SELECT buffer_dataset, 3, 'buffer of earlier tasks' FROM mixture
    WHERE name = $mixture AND buffer_dataset IS NOT NULL
    UNION
    SELECT dataset, 4, 'measured on' FROM suite_member
    WHERE suite = (SELECT suite FROM stream WHERE name = $stream)
)
SELECT used.dataset, string_agg(used.use, ', ' ORDER BY used.place), any_value(dataset.license)
FROM used JOIN dataset ON dataset.name = used.dataset
GROUP BY used.dataset ORDER BY min(used.place), used.dataset
"""
CODE = """
SELECT coalesce("commit", 'not known'), CAST(versions AS VARCHAR) FROM trained
WHERE trial = ? ORDER BY attempt DESC LIMIT 1
"""


def text(connection: duckdb.DuckDBPyConnection, trial: int, task: int, spec: Spec) -> str:
    """Return the model card of what a trial deployed after a task, up to how it is loaded."""
    row = connection.execute(SENTENCE, [trial]).fetchone()
    assert row is not None, f"no trial {trial}"
    words = dict(zip((*WORDS, "seed"), row, strict=True))
    parts = [
        _front(),
        f"# {words['method']} on {words['stream']}, after task {task}",
        _about(words, trial, task, spec),
        _results(connection, trial, task),
        _data(connection, words),
        _reproduction(connection, words, trial, spec),
    ]
    return "\n\n".join(parts)


def _front() -> str:
    """Return the front matter by which the hub sorts models; it names no licence.

    The terms of a model follow from the data and the backbone, which a person must judge.
    """
    lines = ["---", "library_name: open_clip", "pipeline_tag: zero-shot-image-classification"]
    lines += ["tags:", "- clip", "- continual-pretraining", "---"]
    return "\n".join(lines)


def _about(words: Mapping[str, Any], trial: int, task: int, spec: Spec) -> str:
    """Return the trial's sentence, and which of its weights these are."""
    sentence = (
        f"A CLIP. The backbone **{words['backbone']}** learned the stream **{words['stream']}**, "
        f"drawn in the mixture **{words['mixture']}**, by the method **{words['method']}**, "
        f"following the recipe **{words['recipe']}**, within the budget **{words['budget']}**, "
        f"from seed **{words['seed']}**."
    )
    which = f"These are the weights that trial {trial} deployed after task {task} "
    which += f"of {spec.stream['tasks']}."
    if task == 0:
        which = "These are the weights of the untouched backbone, before the first task."
    return f"{sentence}\n\n{which} `spec.json` has every word written out."


def _results(connection: duckdb.DuckDBPyConnection, trial: int, task: int) -> str:
    """Return what the weights reach on each dataset of the stream's suite."""
    rows = connection.execute(RESULTS, {"trial": trial, "task": task}).fetchall()
    if not rows:
        return "## Results\n\nThe catalog has no results of this task yet."
    head = ["role", "dataset", "metric", "labels", "value", "untouched", "examples"]
    several = any(seeds > 1 for *_, seeds, _, _ in rows)
    cells = []
    for *words, value, untouched, examples, seeds, mean, half in rows:
        cell = [*words, _number(value), _number(untouched), examples]
        if several:
            cell.append(_interval(seeds, mean, half))
        cells.append(cell)
    lines = [
        "Values are fractions of the test set. *untouched*: the backbone before the first task.",
    ]
    if several:
        head.append("mean over seeds")
        lines.append("*mean over seeds*: all seeds of this sentence, with a 95% interval (t).")
    return "\n\n".join(["## Results", " ".join(lines), _table(head, cells)])


def _interval(seeds: int, mean: float, half: float | None) -> str:
    """Return a mean with its interval, in a cell; one seed has none."""
    if half is None:
        return f"{_number(mean)} ({seeds} seed)"
    return f"{_number(mean)} ± {_number(half)} ({seeds} seeds)"


def _data(connection: duckdb.DuckDBPyConnection, words: Mapping[str, Any]) -> str:
    """Return the datasets, what they were used for, and their licences."""
    names = {"stream": words["stream"], "mixture": words["mixture"]}
    rows = []
    for dataset, uses, terms in connection.execute(DATA, names).fetchall():
        rows.append((dataset, uses, terms or "the catalog does not say"))
    note = "What the backbone was pretrained on before is not in this list."
    return "\n\n".join(["## Data", note, _table(("dataset", "use", "licence"), rows)])


def _reproduction(
    connection: duckdb.DuckDBPyConnection, words: Mapping[str, Any], trial: int, spec: Spec
) -> str:
    """Return the row of the catalog that trains it again, and the code that trained it."""
    columns = ", ".join((*WORDS, "seed"))
    names = ", ".join(_quoted(words[word]) for word in WORDS)
    insert = f"INSERT INTO trial ({columns})\nVALUES ({names}, {words['seed']});"
    code = connection.execute(CODE, [trial]).fetchone()
    commit, versions = code or ("not known", None)
    lines = [
        "## How it was made, and is made again",
        "Made with Weir. In a catalog whose rows are those of `spec.json`:",
        f"```sql\n{insert}\n```",
        "and `python -m runner.sync --watch`.",
        f"Definition `{spec.id}`, commit `{commit}`, versions `{versions or 'not known'}`.",
    ]
    return "\n\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _quoted(word: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + word.replace("'", "''") + "'"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = [_line(head), _line(["---"] * len(head))]
    for row in rows:
        lines.append(_line(row))
    return "\n".join(lines)


def _line(cells: Sequence[Any]) -> str:
    """Return a row of a Markdown table; a bar in a cell would end it."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
