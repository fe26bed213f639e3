"""`python -m schema draft PLACE [--name NAME]`: the rows of a dataset, suite, sequence and stream.

Looks at what lies at a place (folders of classes, metadata beside images, a table of paths, tar
shards, Parquet files, a dataset of torchvision) and prints the INSERTs for it, ready for `python -m
schema -`. Comments say what was seen, what was guessed, and what is to be decided. Exit code 2 if
nothing is there that a format reads.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from schema.site import Site, SiteError

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 100  # The most characters of a printed line
Row = Mapping[str, Any]
COLUMNS = ("name", "format", "location", "params", "kind", "classes", "templates", "year")
COUNTS = ("train_pairs", "test_pairs")
# The metrics proposed for the suite, for each kind of dataset.
METRIC = {"classification": "top1", "retrieval": "r1"}


def main(arguments: Sequence[str]) -> int:
    """Run the command; return 0, or 2 when nothing can be drafted (the message says why)."""
    parser = argparse.ArgumentParser(
        prog="python -m schema draft",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "place", metavar="PLACE", help="a folder or a file; or one in the data folder"
    )
    parser.add_argument("--name", help="what the rows are called; otherwise as the place")
    options = parser.parse_args(arguments)
    try:
        site = Site.load()
    except SiteError as error:
        print(error, file=sys.stderr)
        return 2
    place = Path(options.place)
    if not place.exists():
        place = site.data / options.place
    name = options.name or name_of(place.resolve())
    request = {"place": str(place.absolute()), "data": str(site.data.absolute()), "name": name}
    # Code that reads images belongs to the GPU half, so a process of it inspects the files.
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    process = subprocess.run(
        [sys.executable, "-m", "streams.draft"],
        input=json.dumps(request),
        text=True,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
    )
    if process.returncode:
        return 2
    print("\n".join(sql(name, json.loads(process.stdout))))
    return 0


def name_of(place: Path) -> str:
    """Return a name for rows, from a file's or folder's: lower case, digits, underscores."""
    words = re.findall(r"[^\W_]+", place.name.partition(".")[0].casefold())
    return "_".join(words) or "mine"


def sql(name: str, draft: Row) -> Iterator[str]:
    """Yield the lines of the INSERTs for a `draft`: datasets with comments."""
    datasets, kind = draft["datasets"], draft["datasets"][0]["kind"]
    yield from _comments(draft["comments"])
    yield from _dataset_rows(datasets)
    metric = METRIC.get(kind)
    if metric is None:
        yield from _comments(
            [
                "Nothing is measured of these pairs: they have no test split, so that there is no "
                "suite "
                "and no stream. Use the dataset as the pretraining_dataset of a mixture."
            ]
        )
        return
    yield from _suite(name, datasets, metric)
    concepts = _concepts(draft["order"], datasets)
    yield from _sequence(name, draft["order"], concepts)
    yield from _stream(name, draft["order"], len(concepts))


def _dataset_rows(datasets: Sequence[Row]) -> Iterator[str]:
    named = [*COLUMNS, *[key for key in COUNTS if datasets[0].get(key) is not None]]
    for number, row in enumerate(datasets):
        if number == 0:
            yield "INSERT INTO dataset"
            yield f"({', '.join(named)}) VALUES"
        yield from _comments(row["comments"])
        last = number == len(datasets) - 1
        yield from _wrapped([row.get(key) for key in named], ";" if last else ",")


def _suite(name: str, datasets: Sequence[Row], metric: str) -> Iterator[str]:
    yield ""
    yield from _comments(
        [
            "The suite: what is measured after every task. To decide: what the model knew before "
            "and "
            "should keep; add members of role retain for it, such as those of another suite."
        ]
    )
    yield f"INSERT INTO suite (name) VALUES ({_literal(name)});"
    yield "INSERT INTO suite_member (suite, dataset, role, metric) VALUES"
    rows = [f"({_literal(name)}, {_literal(row['name'])}, 'adapt', '{metric}')" for row in datasets]
    yield ",\n".join(rows) + ";"


def _concepts(order: str, datasets: Sequence[Row]) -> list[tuple[str, str]]:
    """Return the dataset and class of each concept; `*` stands for all classes of a dataset."""
    concepts = []
    for row in datasets:
        for concept in row["classes"] if order == "class" else ["*"]:
            concepts.append((row["name"], concept))
    return concepts


def _sequence(name: str, order: str, concepts: Sequence[tuple[str, str]]) -> Iterator[str]:
    explanations = {
        "year": "The sequence: a year after the other; * is everything of a dataset.",
        "class": "The sequence: a class after the other, as they are listed. python -m "
        "runner.order "
        "puts them into another order. To learn the whole set as one task instead, one row with "
        "the "
        "concept *.",
        "whole": "The sequence: * is everything of the dataset, as one concept and so one task.",
    }
    yield ""
    yield from _comments([explanations[order]])
    yield f"INSERT INTO sequence (name, ordering) VALUES ({_literal(name)}, '{order}');"
    yield "INSERT INTO sequence_concept (sequence, position, dataset, concept) VALUES"
    rows = []
    for position, (dataset, concept) in enumerate(concepts, 1):
        rows.append(f"({_literal(name)}, {position}, {_literal(dataset)}, {_literal(concept)})")
    yield ",\n".join(rows) + ";"


def _stream(name: str, order: str, concepts: int) -> Iterator[str]:
    tasks = concepts if order != "class" else min(concepts, max(1, round(concepts**0.5)))
    yield ""
    yield from _comments(
        [
            f"The stream: concepts {concepts}, tasks {tasks}. To decide: into how many tasks the "
            "sequence is cut."
        ]
    )
    yield "INSERT INTO stream (name, sequence, tasks, suite) VALUES"
    yield f"({_literal(name)}, {_literal(name)}, {tasks}, {_literal(name)});"
    yield from _comments(
        [
            "A trial over it, with the words of the vocabulary that it wants:",
            "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed) VALUES "
            f"('...', {_literal(name)}, 'update_only', 'finetune', '...', '...', 1);",
        ]
    )


def _comments(sentences: Sequence[str]) -> Iterator[str]:
    for sentence in sentences:
        # A line break in a file's name must not end the comment.
        words = " ".join(sentence.split())
        yield from textwrap.wrap(words, WIDTH, initial_indent="-- ", subsequent_indent="--   ")


def _wrapped(values: Sequence[Any], end: str) -> Iterator[str]:
    """Yield the lines of a row of values, wrapped between values and items of lists."""
    pieces = []
    for number, value in enumerate(values):
        between = "" if number == len(values) - 1 else ","
        if isinstance(value, list) and value:
            items = [json.dumps(item, ensure_ascii=False).replace("'", "''") for item in value]
            items = ["'[" + items[0], *items[1:]]
            pieces += [f"{item}," for item in items[:-1]]
            pieces.append(f"{items[-1]}]'{between}")
        else:
            pieces.append(f"{_literal(value)}{between}")
    line = "("
    for piece in pieces:
        if len(line) > 1 and len(line) + len(piece) + len(end) >= WIDTH:
            yield line.rstrip()
            line = ""
        line += f"{piece} "
    yield f"{line.rstrip()}){end}"


def _literal(value: Any) -> str:
    """Return a value as SQL: a text, a number, NULL, or JSON in a text."""
    if value is None:
        return "NULL"
    if isinstance(value, int | float):
        return str(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "'" + text.replace("'", "''") + "'"
