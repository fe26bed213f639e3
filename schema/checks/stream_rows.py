"""Compare the rows of a sentence with each other: metrics with kinds, image sizes with backbones.

Standard library only. What files say is compared in `schema/checks/compared.py`.
"""

import ast
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from schema.spec import EVERYTHING
from schema.words import nearest

ROOT = Path(__file__).resolve().parents[2]
RANKS = (1, 5)
# The beginning of metrics that need training pairs of each class
FEWSHOT = "fewshot"
# The directions of retrieval
WAYS: tuple[str, ...] = ("image_to_text_r", "text_to_image_r", "r", "index_r", "index_shifted_r")
WAYS += ("all_image_to_text_r", "all_text_to_image_r", "all_r")
# The beginning of metrics on the line between what two tasks in a row deployed
BETWEEN = "between"
PLACES = ("between25_", "between50_", "between75_")
WAYS += tuple(f"{place}r" for place in PLACES)
# The metrics of each kind of dataset; a test compares them with those that evals/ yields.
METRICS: dict[str, tuple[str, ...]] = {
    "classification": (
        "top1",
        "top5",
        "mean_per_class_recall",
        "fewshot4_top1",
        "fewshot16_top1",
        "divergence",
        *(f"{place}top1" for place in PLACES),
    ),
    "retrieval": tuple(f"{name}{rank}" for name in WAYS for rank in RANKS),
    "captions": (),
}
# The metric that needs a minimum number of candidates, and that number
TOP_FEW, FEW = "top5", 5
OPEN_CLIP_PX = 224  # The image size of an open_clip configuration that names none
# The columns of a mixture that name datasets beside the stream's
MIXED_IN = ("pretraining_dataset", "buffer_dataset")
Row = Mapping[str, Any]


def objections(backbone: Row, stream: Row, mixture: Row) -> Iterator[str]:
    """Yield messages on rows of a sentence that are incompatible."""
    yield from metric_objections(stream["suite"], stream["datasets"])
    datasets = [*stream["datasets"], *mixed_in(mixture)]
    yield from size_objections(backbone, datasets)
    yield from lane_objections(stream, mixture)
    yield from distilled_objections(stream, mixture)


def mixed_in(mixture: Row) -> list[Row]:
    """Return the rows of the datasets that a mixture draws from beside the stream's."""
    rows = []
    for column in MIXED_IN:
        # Older definitions lack a column
        row = mixture.get(column)
        if isinstance(row, Mapping) and mixture[column.replace("_dataset", "_share")]:
            rows.append(row)
    return rows


def distilled_class(dataset: str, concept: str) -> str:
    """Return the class that a dataset of distilled pairs has for a concept of a stream.

    It is the concept's own name; for a whole dataset, the name of that.
    """
    return dataset if concept == EVERYTHING else concept


def distilled_objections(stream: Row, mixture: Row) -> Iterator[str]:
    """Yield what a buffer of distilled pairs lacks of a stream's concepts."""
    row = mixture.get("buffer_dataset")
    if not isinstance(row, Mapping):
        return
    where = f"mixture {mixture['name']!r} with stream {stream['name']!r}: buffer_dataset"
    concepts = stream["sequence"]["concepts"]
    # Nothing comes after the last task, which has as many concepts as each of the shorter ones
    before = concepts[: len(concepts) - len(concepts) // stream["tasks"]]
    origins: dict[str, set[str]] = {}
    for dataset, concept in before:
        origins.setdefault(distilled_class(dataset, concept), set()).add(dataset)
    missing = [name for name in origins if name not in row["classes"]]
    if missing:
        yield (
            f"{where} {row['name']!r} has no class {missing[0]!r}, which a task before the last "
            f"one teaches; {len(missing)} of {len(origins)} are missing. Distil them, or take "
            "another buffer_dataset: it has a class by the name of each concept, or of each "
            "dataset that is taught whole"
        )
    for name, datasets in origins.items():
        if len(datasets) > 1:
            yield (
                f"{where} has one class {name!r}, and it is taught by "
                f"{' and '.join(sorted(datasets))}: whose pairs it holds cannot be told. Name the "
                "concepts apart, or take a mixture whose buffer_dataset is NULL"
            )
            return


def lane_objections(stream: Row, mixture: Row) -> Iterator[str]:
    """Yield messages on options that need a table of pairs, which a stream of shards lacks."""
    streams = set()
    for dataset in stream["datasets"]:
        if dataset["params"].get("lanes"):
            streams.add(dataset["name"])
    if not streams:
        return
    taught = set()
    for dataset, concept in stream["sequence"]["concepts"]:
        if dataset in streams and concept != EVERYTHING:
            yield (
                f"dataset {dataset!r} is a stream of shards (lanes), and the stream teaches "
                f"{concept!r} of it, for which a table of classes would be needed. Name "
                f"{EVERYTHING!r} as the concept in sequence_concept, or leave lanes out."
            )
            return
        taught.add(dataset)
    bounded = mixture.get("buffer_share") and mixture.get("buffer_pairs") is not None
    if bounded and taught & streams and stream["tasks"] > 1:
        yield (
            f"mixture {mixture['name']!r}: buffer_pairs chooses pairs of "
            f"{min(taught & streams)!r}, a stream of shards (lanes), of which there is no table. "
            "Take a mixture whose buffer_pairs is NULL, or a dataset without lanes."
        )
    # Older definitions lack both columns
    apart = mixture.get("mixing") or mixture.get("held_out_share")
    if apart and taught & streams:
        yield (
            f"mixture {mixture['name']!r}: a mixing and held_out_share need a table of the pairs "
            f"of {min(taught & streams)!r}, a stream of shards (lanes), and there is none. Take a "
            "mixture without them, or a dataset without lanes."
        )
    for member in stream["suite"]["members"]:
        if member["dataset"] in streams and member["metric"].startswith(FEWSHOT):
            yield (
                f"suite {stream['suite']['name']!r}: metric {member['metric']!r} learns from "
                f"single classes of {member['dataset']!r}, a stream of shards (lanes), of which "
                "there is no table. Take another metric, or a dataset without lanes."
            )


def metric_objections(suite: Row, datasets: list[Row]) -> Iterator[str]:
    """Yield messages on members of a suite whose metric is not measured for their dataset."""
    by_name = {dataset["name"]: dataset for dataset in datasets}
    for member in suite["members"]:
        dataset = by_name[member["dataset"]]
        kind, classes = dataset["kind"], len(dataset["classes"])
        # In the label spaces of a task or a suite, the number of classes is not known here
        if member["metric"] == TOP_FEW and member["label_space"] == "all" and classes < FEW:
            yield (
                f"suite {suite['name']!r}: metric {TOP_FEW!r} of {member['dataset']!r}, which has "
                f"{classes} classes, and every image would be among the nearest {FEW}. Take "
                "'top1', or leave the member out."
            )
        known = METRICS[kind]
        if member["metric"] not in known:
            yield (
                f"suite {suite['name']!r}: metric {member['metric']!r} of {member['dataset']!r}, "
                "which "
                f"is of kind {kind}. Measured of that kind: {', '.join(known) or 'nothing'}."
                f"{nearest(member['metric'], known)}"
            )


def size_objections(backbone: Row, datasets: list[Row]) -> Iterator[str]:
    """Yield messages on datasets whose image size differs from the backbone's, if known."""
    taken = image_px_taken(backbone["architecture"])
    for dataset in datasets:
        px = image_px_made(dataset)
        if taken is not None and px is not None and px != taken:
            yield (
                f"dataset {dataset['name']!r}: its images are made {px} x {px} px, and the "
                "backbone "
                f"{backbone['name']!r} takes {taken} x {taken}. Insert a row with "
                f'"image_px": {taken} '
                "in its params, or choose a backbone of that size."
            )


def image_px_made(dataset: Row) -> int | None:
    """Return the side of a dataset row's images in pixels; None if its format defines none."""
    px = dataset["params"].get("image_px", _default_px(dataset["format"]))
    return px if isinstance(px, int) else None


def image_px_taken(architecture: str) -> int | None:
    """Return the image size of an open_clip architecture in pixels; None if unknown.

    `architecture` is a name, whose configuration file in open_clip is read, or a configuration.
    """
    text: str | None = architecture
    if not architecture.lstrip().startswith("{"):
        text = _configuration(architecture)
    try:
        vision = json.loads(text or "")["vision_cfg"]
    except (ValueError, KeyError, TypeError):
        return None
    size = vision.get("image_size", OPEN_CLIP_PX) if isinstance(vision, Mapping) else None
    if isinstance(size, list) and len(set(size)) == 1:
        size = size[0]
    return size if isinstance(size, int) else None


@cache
def _configuration(name: str) -> str | None:
    """Return the text of one of open_clip's configuration files, without importing open_clip."""
    spec = find_spec("open_clip")
    for folder in (spec and spec.submodule_search_locations) or ():
        file = Path(folder) / "model_configs" / f"{name.replace('/', '-')}.json"
        if file.is_file():
            return file.read_text()
    return None


@cache
def _default_px(form: str) -> int | None:
    """Return the default of a format's `image_px`, read from its file without importing it."""
    tree = ast.parse((ROOT / "streams/formats" / f"{form}.py").read_text())
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id="image_px"), value=ast.Constant(value=int(px))):
                return px
    return None
