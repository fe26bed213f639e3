"""Write the table of docs/evaluations.md: how a line from task to task goes, by method and set."""

import polars as pl

from docpages.kept import CONNECTED
from docpages.markdown import code
from docpages.markdown import table as markdown_table
from queries import answer, named
from queries.numbers import decimals

KEY = ("method", "dataset", "metric")


def table() -> str:
    """Return a row per method and set: both ends of the stream, and the ridge of each task."""
    with CONNECTED.catalog() as connection:
        rows = answer(connection, named("connectivity"), {}).sort(*KEY, "task")
    tasks = rows["task"].unique().sort().to_list()
    head = ["method", "set", "untouched", "in the end"]
    head += [f"ridge, task {task}" for task in tasks]
    lines = []
    for (method, dataset, metric), line in rows.group_by(*KEY, maintain_order=True):
        cells = [code(str(method)), f"{code(str(dataset))}, {code(str(metric))}"]
        cells += [decimals(line["before"][0]), decimals(line["now"][-1])]
        cells += [decimals(ridge) for ridge in line["ridge"]]
        lines.append([*cells, decimals(_most(line))])
    return markdown_table([*head, "better, at most"], lines)


def _most(line: pl.DataFrame) -> float:
    """Return by how much a model between two tasks is above what is deployed, at most."""
    return max(float(better) for better in line["better"])
