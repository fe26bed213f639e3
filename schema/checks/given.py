"""The checkpoints of the tuning `given`: which one each task takes, and whether it is there.

Both halves read the same places. Standard library only.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from schema.checks.parts import averages_steps
from schema.spec import EVERYTHING
from schema.words import nearest

Row = Mapping[str, Any]

TUNING = "given"
# Where the checkpoints are looked for, unless the method says so: in the data folder, below the
# name of the backbone
FOLDER = "given"
# A checkpoint is a folder of this name, or a file with one of these endings
ENDINGS = ("", ".safetensors", ".pt", ".pth", ".bin")
TRIAL = re.compile(r"trial:[1-9][0-9]*")
# Units of a budget that buys steps whatever a step costs
UNITS = ("steps", "pairs")
# Checkpoints that a message names
SHOWN = 5


def is_given(method: Row) -> bool:
    """Return whether a method takes the weights of its tasks from checkpoints."""
    return bool(method["tuning"] == TUNING)


def task_names(stream: Row) -> list[str]:
    """Return the name of each task: its dataset where the task is that, else `task-0003`.

    A task is a dataset where it has nothing else, and no other task has a part of it.
    """
    concepts, tasks = stream["sequence"]["concepts"], int(stream["tasks"])
    # As `streams.tasks.chunks` cuts them: the first have one concept more
    size, longer = divmod(len(concepts), tasks)
    names, begin = [], 0
    for number in range(1, tasks + 1):
        end = begin + size + (number <= longer)
        own, others = concepts[begin:end], [*concepts[:begin], *concepts[end:]]
        name, begin = f"task-{number:04d}", end
        datasets = {dataset for dataset, _ in own}
        elsewhere = {dataset for dataset, concept in others if concept != EVERYTHING}
        if len(datasets) == 1 and not datasets & elsewhere:
            name = own[0][0]
        names.append(name)
    return names


def places(method: Row, stream: Row, backbone: str) -> list[str]:
    """Return where the checkpoint of each task is: `trial:7`, or a path without its ending.

    A path that is not absolute starts at the data folder.
    """
    params = method["tuning_params"]
    named = params.get("places") or {}
    folder = params.get("folder") or f"{FOLDER}/{backbone}"
    return [named.get(name, f"{folder}/{name}") for name in task_names(stream)]


def trials(method: Row, stream: Row) -> list[int]:
    """Return the trials whose weights a method is given."""
    numbers = []
    for place in places(method, stream, ""):
        if TRIAL.fullmatch(place):
            numbers.append(int(place.removeprefix("trial:")))
    return sorted(set(numbers))


def found(place: str, data: Path) -> Path | None:
    """Return the file or folder of a checkpoint; None: nothing is there."""
    for ending in ENDINGS:
        path = data / f"{place}{ending}"
        if path.exists():
            return path
    return None


def objections(
    backbone: Row, stream: Row, method: Row, budget: Row, data: Path | None
) -> Iterator[str]:
    """Return what stands against a sentence whose method is given its weights.

    data: the data folder; None: files are not looked for.
    """
    if not is_given(method):
        return
    where = f"method {method['name']!r}"
    if method["objective"] != "contrastive" or method.get("repair"):
        yield (
            f"{where}: tuning 'given' trains nothing, so no objective is asked and nothing is "
            "repaired. Leave objective at 'contrastive' and repair out"
        )
    if averages_steps(method["merging"]):
        yield (
            f"{where}: merging {method['merging']!r} averages over the steps of a task, and tuning "
            "'given' takes none. Name one that combines tasks, such as 'interpolate'"
        )
    if budget["unit"] not in UNITS:
        yield (
            f"{where} with budget {budget['name']!r}: tuning 'given' takes no steps, so FLOPs buy "
            f"nothing. Name a budget in {' or '.join(UNITS)}, such as 'no_steps'"
        )
    named = method["tuning_params"].get("places") or {}
    yield from _unknown(where, list(named), task_names(stream), stream["name"])
    if data is None:
        return
    missing = []
    for place in places(method, stream, backbone["name"]):
        if not TRIAL.fullmatch(place) and found(place, data) is None:
            missing.append(place)
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        listed = ", ".join(missing[:SHOWN])
        yield (
            f"{where}: no checkpoint at {listed}{more} in {data}. A checkpoint is a folder of "
            "open_clip or Hugging Face of this name, or a file of weights with .safetensors, .pt, "
            ".pth or .bin behind it; `places` of tuning_params names others by task, also trial:7"
        )


def _unknown(where: str, named: Sequence[str], tasks: Sequence[str], stream: str) -> Iterator[str]:
    """Return an objection to keys of `places` that are no task of the stream."""
    for name in named:
        if name not in tasks:
            yield (
                f"{where}: places names {name!r}, and no task of stream {stream!r} has this name. "
                f"Its tasks: {', '.join(tasks)}.{nearest(name, tasks)}"
            )
