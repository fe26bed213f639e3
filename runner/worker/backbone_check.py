"""Load backbones and say what each is: what `python -m schema check BACKBONE` hands its rows to.

As a process it reads one JSON object from standard input (`data` and `runs`, folders; `rows`, of
the table `backbone`) and prints a paragraph per row. The exit code is 1 if one cannot be loaded.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runner import tensor_store
from runner.run_folder import RunFolder, done_tasks
from runner.worker.backbone import ArchitectureError, Backbone, WeightsError, load
from schema import logs
from schema.checks.preprocessing import PreprocessingError

REFUSALS = (ArchitectureError, WeightsError, PreprocessingError, OSError)


class NoWeightsError(WeightsError):
    """A backbone is what a trial deployed, and that trial has deployed nothing yet."""


def describe(row: Mapping[str, Any], data: Path, runs: Path) -> Iterator[str]:
    """Load the backbone of a row, and return a line for each thing that it is.

    Raises:
        ArchitectureError, WeightsError, PreprocessingError: as `load`.
    """
    weights = _deployed(row, runs)
    backbone = load(row, weights, 0, data)
    source = weights or row["pretrained"] or "random, by the seed of the trial"
    yield f"{row['name']}: {_architecture(row)}, weights: {source}"
    yield from _facts(backbone)


def _facts(backbone: Backbone) -> Iterator[str]:
    """Return the size of a model, and how it wants its images and texts."""
    parameters = sum(parameter.numel() for parameter in backbone.model.parameters())
    yield f"  {parameters / 1e6:.1f} M parameters"
    how = backbone.preprocessing
    numbers = "; ".join(
        f"{name} {', '.join(f'{value:.3f}' for value in values)}"
        for name, values in (("mean", how.mean), ("std", how.std))
    )
    size = f"{backbone.image_px} x {backbone.image_px} px"
    yield f"  images: {size}, {how.resize_mode}, {how.interpolation}; {numbers}"
    context = backbone.tokenize(["a photo"]).shape[1]
    yield f"  texts: up to {context} tokens, by {type(backbone.tokenizer).__name__}"
    if getattr(backbone.model, "logit_bias", None) is not None:
        yield "  its logits have a bias, so it was made for a sigmoid loss"


def _architecture(row: Mapping[str, Any]) -> str:
    """Return the architecture of a row in a few words."""
    text = str(row["architecture"])
    return "a configuration of its own" if text.lstrip().startswith("{") else text


def _deployed(row: Mapping[str, Any], runs: Path) -> str | None:
    """Return the file that a trial deployed last, where the row names a trial.

    Raises:
        NoWeightsError: the trial has deployed nothing that is still there.
    """
    pretrained = row["pretrained"] or ""
    if not pretrained.startswith("trial:"):
        return None
    folder = runs / f"{int(pretrained.removeprefix('trial:')):06d}"
    attempts = [path for path in folder.glob("[0-9]*") if path.name.isdecimal()]
    attempts.sort(key=lambda path: int(path.name), reverse=True)
    tasks = done_tasks([RunFolder(path) for path in attempts])
    sizes = tensor_store.present(runs)
    for task in sorted(tasks, reverse=True):
        run, receipt = tasks[task]
        deployed = receipt.weights.get("deployed")
        if deployed is not None and tensor_store.is_there(run.path / deployed.file, sizes):
            return str(run.path / deployed.file)
    raise NoWeightsError(
        f"backbone {row['name']!r}: {pretrained.replace(':', ' ')} has deployed nothing yet; "
        "python -m runner.sync runs it"
    )


def main() -> int:
    """Return exit code 1 if a backbone cannot be loaded."""
    logs.configure()
    logging.getLogger("open_clip").setLevel(logging.ERROR)
    request = json.load(sys.stdin)
    missing = 0
    documents = []
    for row in request["rows"]:
        state = "there"
        try:
            lines = list(describe(row, Path(request["data"]), Path(request["runs"])))
        except REFUSALS as error:
            missing += 1
            state, lines = "absent", [str(error)]
        documents.append({"backbone": row["name"], "state": state, "about": lines})
        if not request.get("json"):
            print("\n".join(lines), flush=True)
    if request.get("json"):
        # The one that asked puts this and what is said of datasets into one document.
        print(json.dumps({"backbones": documents}))
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
