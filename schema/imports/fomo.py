"""`python -m schema fomo PLACE ...`: what the code of FoMo-in-Flux has logged, as rows to import.

PLACE is the folder of a run (evaluation_results.json, evaluation_zeroshot_results.json,
zeroshot_score_initial.json, zeroshot_score_final.json, as far as they are there), or the history of
its W&B run as CSV. The rows are printed as CSV, for `python -m schema --import`. The run's own
words say nothing to Weir, so the sentence is given here. Pickles are never opened.
"""

import argparse
import csv
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORDS = ("backbone", "stream", "mixture", "method", "recipe", "budget")
COLUMNS = ("source", *WORDS, "seed", "study", "task", "dataset", "metric", "value", "fraction")
# Its metrics under the names of Weir; recalls are means over both directions
METRICS = {"accuracy": "top1", "recall@1": "r1", "recall@5": "r5"}
RESULTS, UNTOUCHED = "evaluation_results.json", "evaluation_zeroshot_results.json"
FIRST, LAST = "zeroshot_score_initial.json", "zeroshot_score_final.json"
# How the names of its W&B columns begin: after each task, and on whole test sets at the ends
AFTER_TASKS, AT_THE_ENDS = "adaptation", "start_zeroshot"


class FomoError(ValueError):
    """A log of FoMo-in-Flux cannot be read; the message says what is there and what to do."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """A number that was logged, in percent."""

    task: int
    dataset: str
    metric: str
    percent: float
    fraction: float


@dataclass(frozen=True, kw_only=True)
class Run:
    """How a run was evaluated, as its configuration says."""

    # Share of each test set that was measured after each task (evaluation.validate_on_subset)
    subset: float
    # After every so many tasks (evaluation.every_nth_task)
    every: int
    # Of the stream; None: it was measured after each of them
    tasks: int | None

    def measured_after(self, count: int) -> list[int]:
        """Return the tasks of so many evaluations: the first, every n-th, and the last.

        Raises:
            FomoError: there are more, or the number of tasks is not known.
        """
        if self.tasks is None:
            if self.every > 1:
                raise FomoError("--every needs --tasks: how many tasks the stream has")
            return list(range(1, count + 1))
        tasks = []
        for task in range(1, self.tasks + 1):
            if task in (1, self.tasks) or task % self.every == 0:
                tasks.append(task)
        if count > len(tasks):
            raise FomoError(
                f"there are {count} evaluations, and {self.tasks} tasks measured after every "
                f"{self.every} would be {len(tasks)}: correct --tasks or --every"
            )
        return tasks[:count]


def main(arguments: Sequence[str]) -> int:
    """Return exit code 0; 2 when nothing can be read (the message says why)."""
    options = _parser().parse_args(arguments)
    run = Run(subset=options.subset, every=options.every, tasks=options.tasks)
    try:
        values = list(read(options.place, run))
    except (FomoError, OSError, UnicodeDecodeError) as error:
        print(error, file=sys.stderr)
        return 2
    sentence = {word: getattr(options, word) for word in (*WORDS, "seed", "study", "source")}
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    skipped: dict[str, int] = {}
    for value in values:
        if value.metric not in METRICS:
            skipped[value.metric] = skipped.get(value.metric, 0) + 1
            continue
        writer.writerow(
            sentence
            | {
                "task": value.task,
                "dataset": value.dataset,
                "metric": METRICS[value.metric],
                "value": repr(value.percent / 100),
                "fraction": f"{value.fraction:g}",
            }
        )
    for metric, count in skipped.items():
        print(f"left out: {count} values of {metric}, which Weir does not have", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m schema fomo",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("place", metavar="PLACE", type=Path, help="a folder, or a file of CSV")
    for word in WORDS:
        parser.add_argument(f"--{word}", required=True, metavar="NAME", help=f"its {word} here")
    parser.add_argument("--seed", required=True, type=int, metavar="N", help="its seed")
    parser.add_argument("--study", default="", metavar="NAME", help="the study it belongs to")
    parser.add_argument("--source", default="fomo", metavar="NAME", help="who ran it: fomo")
    parser.add_argument(
        "--subset",
        required=True,
        type=_share,
        metavar="SHARE",
        help="evaluation.validate_on_subset of the run: 0.1, or 1 for whole test sets",
    )
    parser.add_argument("--every", default=1, type=int, metavar="N", help="every_nth_task: 1")
    parser.add_argument("--tasks", type=int, metavar="N", help="tasks of the stream")
    return parser


def _share(text: str) -> float:
    """Return a share of test sets."""
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share above 0 and at most 1")
    return share


def read(place: Path, run: Run) -> Iterator[Value]:
    """Yield what was logged, values that are no numbers left out.

    Raises:
        FomoError: nothing is there that can be read.
    """
    values: Iterator[Value]
    if place.is_dir():
        values = _folder(place, run)
    elif place.suffix == ".csv":
        values = _history(place, run)
    else:
        raise FomoError(
            f"{place}: a folder of a run, or the history of its W&B run as .csv, is read. "
            "A pickle is never opened, since that would run whatever is in it"
        )
    for value in values:
        if not math.isnan(value.percent):
            yield value


def _folder(place: Path, run: Run) -> Iterator[Value]:
    """Yield the values of the files of a run."""
    there = [name for name in (RESULTS, UNTOUCHED, FIRST, LAST) if (place / name).exists()]
    if RESULTS not in there:
        listed = ", ".join(sorted(path.name for path in place.iterdir())) or "nothing"
        raise FomoError(
            f"{place}: has no {RESULTS}, but {listed}. Of a run that is only in W&B take the "
            "history as CSV; a pickle is never opened"
        )
    after = _parsed(place / RESULTS)
    if UNTOUCHED in there:
        yield from _of_results(_parsed(place / UNTOUCHED), [0], run.subset)
    count = max((len(values) for _, _, values in _lists(after)), default=0)
    tasks = run.measured_after(count)
    yield from _of_results(after, tasks, run.subset)
    # Of whole test sets the other files say the same once more
    if run.subset == 1:
        return
    for name, task in ((FIRST, 0), (LAST, run.tasks or count)):
        if name in there:
            yield from _of_flat(_parsed(place / name), task)


def _parsed(path: Path) -> Mapping[str, Any]:
    """Return the object of a JSON file; Python writes NaN into it where there is no value."""
    try:
        parsed = json.loads(path.read_text())
    except ValueError as error:
        raise FomoError(f"{path}: is no JSON ({error})") from error
    if not isinstance(parsed, dict):
        raise FomoError(f"{path}: is no object of datasets")
    return parsed


def _lists(results: Mapping[str, Any]) -> Iterator[tuple[str, str, Sequence[float]]]:
    """Yield dataset, metric and the values on the whole dataset, one for each evaluation."""
    for dataset, of_dataset in results.items():
        # Beside the datasets stand lists that are about the run
        if isinstance(of_dataset, dict):
            for metric, values in of_dataset.get("total", {}).items():
                yield dataset, metric, values


def _of_results(
    results: Mapping[str, Any], tasks: Sequence[int], fraction: float
) -> Iterator[Value]:
    """Yield the values of a file of results, of which each list has one for each of the tasks."""
    for dataset, metric, values in _lists(results):
        # Backward transfer and the like begin later, and belong to no task that could be told
        if metric in METRICS and values and len(values) != len(tasks):
            raise FomoError(
                f"{dataset}, {metric}: {len(values)} values, and {len(tasks)} tasks were measured"
            )
        for task, percent in zip(tasks, values, strict=False):
            yield Value(
                task=task, dataset=dataset, metric=metric, percent=percent, fraction=fraction
            )


def _of_flat(row: Mapping[str, Any], task: int, begins: str = AT_THE_ENDS) -> Iterator[Value]:
    """Yield the values of one log entry, whose names are like start_zeroshot.dtd.total.accuracy."""
    for name, percent in row.items():
        parts = name.split(".", 3)
        if len(parts) != 4 or parts[0] != begins or parts[2] != "total":
            continue
        # Means over datasets follow from the rest
        if parts[1].startswith("alldata-") or percent in ("", None):
            continue
        fraction = 1.0
        yield Value(
            task=task,
            dataset=parts[1],
            metric=parts[3],
            percent=float(percent),
            fraction=fraction,
        )


def _history(path: Path, run: Run) -> Iterator[Value]:
    """Yield the values of the history of a W&B run, in which the untouched backbone comes first."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    after = [row for row in rows if any(_of_flat(row, 0, AFTER_TASKS))]
    ends = [row for row in rows if any(_of_flat(row, 0, AT_THE_ENDS))]
    if not after:
        raise FomoError(
            f"{path}: has no column like {AFTER_TASKS}.<dataset>.total.accuracy with a value. It "
            "must be the history of the run: wandb.Api().run(...).history().to_csv(...)"
        )
    tasks = [0, *run.measured_after(len(after) - 1)]
    for task, row in zip(tasks, after, strict=True):
        for value in _of_flat(row, task, AFTER_TASKS):
            yield Value(**vars(value) | {"fraction": run.subset})
    if run.subset < 1:
        for task, row in zip((0, run.tasks or tasks[-1]), ends, strict=False):
            yield from _of_flat(row, task)
