"""How images are to be seen by what lies at the place of a backbone's weights: mean, deviation,
interpolation, and how they are resized, under the keys of a row's `preprocessing`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import safe_open

from runner.worker import hugging_face, weight_files

# The key of a safetensors file's metadata under which a trial writes how its images are seen
PREPROCESSING = "preprocessing"


def of_folder(path: Path, base: Callable[[str], Path | None]) -> dict[str, Any]:
    """Return what a folder says of its images, under the keys of a row's `preprocessing`.

    An adapter sees images as its base does. `base` is as in `weight_files.read`.
    """
    if (path / weight_files.OPEN_CLIP).exists():
        config = weight_files.folder_config(path, weight_files.OPEN_CLIP).get("preprocess_cfg", {})
        keys = ("mean", "std", "interpolation", "resize_mode", "fill_color")
        return {key: config[key] for key in keys if config.get(key) is not None}
    if (path / "preprocessor_config.json").exists():
        config = weight_files.folder_config(path, "preprocessor_config.json")
        return hugging_face.preprocessing_of(config)
    if (path / weight_files.ADAPTER).exists():
        place = weight_files.base_of(weight_files.folder_config(path, weight_files.ADAPTER), base)
        if place is not None and place.is_dir():
            # The base of a base is not looked for: an adapter is added to plain weights
            return of_folder(place, lambda _: None)
    return {}


def of_file(path: Path) -> dict[str, Any]:
    """Return what a trial wrote of its images beside its weights; older versions wrote nothing."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
    return dict(json.loads(metadata.get(PREPROCESSING, "{}")))
