"""Write models as folders that open_clip and transformers load: what `python -m runner.export`
hands its requests to.

As a process it reads one JSON object from standard input (`exports`, each a `ModelExport`), writes
a folder for each, and prints a line for each. A folder appears whole or not at all: it is written
aside and moved into place.
"""

import json
import logging
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import open_clip
from safetensors.torch import save_file
from torch import Tensor

from runner.model_export import ModelExport
from runner.worker import backbone as backbones
from runner.worker import weight_files
from runner.worker.architecture import ArchitectureError, configuration, for_open_clip
from runner.worker.backbone import Backbone, WeightsError
from runner.worker.export_adapter import FOLDER, NoAdapterError, pairs, write_adapter
from runner.worker.export_hugging_face import (
    NoEquivalentError,
    named_for_transformers,
    write_hugging_face,
)
from runner.worker.export_push import PushError, push
from runner.worker.export_tokenizer import write_tokenizer
from schema import logs
from schema.checks.preprocessing import PreprocessingError
from schema.files import fsync
from schema.spec import Spec

OPEN_CLIP_WEIGHTS = "open_clip_model.safetensors"
REFUSALS = (ArchitectureError, WeightsError, PreprocessingError, OSError)
USE = """## How it is loaded

```python
import open_clip

model, _, preprocess = open_clip.create_model_and_transforms("local-dir:FOLDER")
tokenizer = open_clip.get_tokenizer("local-dir:FOLDER")
```

In Weir it is a backbone: `architecture` is `local-dir:FOLDER`."""
USE_HUGGING_FACE = """The same weights for transformers:

```python
from transformers import NAMEModel, NAMEProcessor

model, processor = NAMEModel.from_pretrained("FOLDER"), NAMEProcessor.from_pretrained("FOLDER")
```"""
# A text is padded to its full length, as it was in training
USE_SIGLIP = """Texts want `processor(text=..., padding="max_length", truncation=True)`."""
USE_ADAPTER = """In `adapter` is what was learned, as an adapter of peft of rank {rank}."""


def write(export: ModelExport) -> list[str]:
    """Write the folder of one model, whole or not at all; return which libraries load it.

    Raises:
        ArchitectureError, WeightsError, PreprocessingError: the model cannot be built again.
        OSError: the folder cannot be written, or is not empty.
    """
    spec = Spec.from_json(export.spec)
    folder = Path(export.folder)
    backbone = _deployed(export, spec)
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        aside.mkdir()
        libraries = _fill(aside, backbone, spec, export)
        for path in aside.rglob("*"):
            fsync(path)
        # Fails where something has come to be in the folder meanwhile
        aside.rename(folder)
        fsync(folder.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return libraries


def _deployed(export: ModelExport, spec: Spec) -> Backbone:
    """Return the backbone of a definition with the weights that were deployed, or untouched."""
    row, data = spec.backbone, Path(export.data)
    if export.weights is None:
        return backbones.load(row, export.backbone_weights, spec.seed, data)
    # A row that begins at random names no weights, and these are no random ones any more
    return backbones.load(row | {"pretrained": export.weights}, export.weights, spec.seed, data)


def _fill(folder: Path, backbone: Backbone, spec: Spec, export: ModelExport) -> list[str]:
    """Write every file of a model into a folder; return which libraries load it."""
    config = _configuration(spec.backbone["architecture"], Path(export.data))
    tensors = _tensors(backbone)
    write_tokenizer(folder, backbone.tokenizer)
    save_file(tensors, folder / OPEN_CLIP_WEIGHTS, {"format": "pt"})
    about = open_clip_config(config, backbone, export.repository)
    write_json(folder / weight_files.OPEN_CLIP, about)
    parts, libraries = [export.card, USE], ["open_clip"]
    try:
        name = write_hugging_face(folder, config, backbone, tensors)
    except NoEquivalentError as error:
        parts.append(f"For transformers there is no checkpoint: {error}.")
    else:
        parts.append(USE_HUGGING_FACE.replace("NAME", name))
        if name == "Siglip":
            parts.append(USE_SIGLIP)
        libraries.append("transformers")
        if _may_be_low_rank(spec, export):
            parts.append(_adapter(folder, config, tensors, spec, export))
            if (folder / FOLDER).is_dir():
                libraries.append("peft")
    (folder / "README.md").write_text("\n\n".join(parts) + "\n")
    (folder / "spec.json").write_text(export.spec)
    return libraries


def _may_be_low_rank(spec: Spec, export: ModelExport) -> bool:
    """Return whether something was learned, by a tuning that does not move all weights."""
    return export.weights is not None and spec.method.get("tuning", "full") != "full"


def _adapter(
    folder: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    spec: Spec,
    export: ModelExport,
) -> str:
    """Write what was learned as an adapter, where it is one; return what the card says of it."""
    before = backbones.load(spec.backbone, export.backbone_weights, spec.seed, Path(export.data))
    try:
        found = pairs(
            named_for_transformers(config, _tensors(before)),
            named_for_transformers(config, tensors),
        )
    except NoAdapterError as error:
        return f"As an adapter of peft it cannot be had: {error}."
    rank = write_adapter(folder / FOLDER, found, export.trial, spec.backbone["name"])
    return USE_ADAPTER.format(rank=rank)


def open_clip_config(
    config: Mapping[str, Any], backbone: Backbone, repository: str = ""
) -> dict[str, Any]:
    """Return what `open_clip_config.json` says of a model.

    repository: where it is pushed to. From the hub open_clip takes a tokenizer by this name, from a
    folder always what lies in it.

    open_clip reads `model_cfg` and `preprocess_cfg`. Weir's own keys of an architecture stand
    beside them, where open_clip does not look and Weir does.
    """
    model_cfg, own = for_open_clip(config)
    if repository and "hf_tokenizer_name" in model_cfg["text_cfg"]:
        model_cfg["text_cfg"] = model_cfg["text_cfg"] | {"hf_tokenizer_name": repository}
    images = asdict(backbone.preprocessing)
    return {"model_cfg": model_cfg, "preprocess_cfg": images, **own}


def _configuration(architecture: str, data: Path) -> dict[str, Any]:
    """Return the configuration of an architecture with Weir's own keys in it."""
    config, _ = configuration(architecture, data)
    return config or dict(open_clip.get_model_config(architecture))


def _tensors(backbone: Backbone) -> dict[str, Tensor]:
    """Return the weights, each with memory of its own, as safetensors wants them."""
    state = backbone.model.state_dict()
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}


def write_json(path: Path, value: Any) -> None:
    """Write JSON that a person can read."""
    path.write_text(json.dumps(value, indent=2) + "\n")


def main() -> int:
    """Return exit code 1 if a model cannot be exported; those after it are not tried."""
    logs.configure()
    logging.getLogger("open_clip").setLevel(logging.ERROR)
    for row in json.load(sys.stdin)["exports"]:
        export = ModelExport.of(row)
        try:
            libraries = write(export)
        except REFUSALS as error:
            print(f"trial {export.trial} cannot be exported: {error}", file=sys.stderr)
            return 1
        loaded_by = " and ".join(libraries)
        print(
            f"trial {export.trial}, task {export.task}: {export.folder}, for {loaded_by}",
            flush=True,
        )
        if export.repository:
            try:
                print(f"pushed to {push(Path(export.folder), export.repository)}", flush=True)
            except PushError as error:
                print(error, file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
