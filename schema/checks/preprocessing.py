"""How a backbone wants its images: the keys are those of open_clip's `PreprocessCfg`.

A model sees images as it did when it was trained, or its embeddings are those of other images. What
a row does not say comes from the open_clip tag or the folder that its weights are from.

Standard library only: the database half refuses what the GPU half could not do. What is done with
it is in `streams/pictures.py` (resizing) and `runner/worker/backbone.py` (normalising).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from schema.words import nearest

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)
INTERPOLATIONS = ("bicubic", "bilinear")
RESIZE_MODES = ("shortest", "longest", "squash")
ALLOWED = {
    "mean": "three numbers from 0 to 1, one per colour, as [0.5, 0.5, 0.5]",
    "std": "three numbers above 0, one per colour, as [0.5, 0.5, 0.5]",
    "interpolation": f"one of {', '.join(INTERPOLATIONS)}",
    "resize_mode": f"one of {', '.join(RESIZE_MODES)}",
    "fill_color": "a whole number from 0 to 255",
}


class PreprocessingError(ValueError):
    """A `preprocessing` of a backbone row that no model could be given."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How a picture is made what a model sees; the defaults are those of OpenAI's CLIP.

    mean, std: of each colour, of values from 0 to 1; a model sees (value - mean) / std.
    interpolation: how a picture is resized.
    resize_mode: `shortest`: the shorter side becomes the model's image size, and the middle square
        is cut out; `longest`: the longer side does, and the rest is filled; `squash`: both do.
    fill_color: the value, 0 to 255, of what `longest` fills.
    """

    mean: tuple[float, float, float] = OPENAI_MEAN
    std: tuple[float, float, float] = OPENAI_STD
    interpolation: str = "bicubic"
    resize_mode: str = "shortest"
    fill_color: int = 0

    def with_keys(self, params: Mapping[str, Any], where: str) -> "Preprocessing":
        """Return these with the keys of a row's JSON in place; `where` names the row in messages.

        Raises:
            PreprocessingError: a key that does not exist, or a value that it does not take.
        """
        known = [field.name for field in fields(self)]
        for key, value in params.items():
            if key not in known:
                allowed = f"Allowed: {', '.join(known)}.{nearest(key, known)}"
                raise PreprocessingError(f"{where}, preprocessing: unknown key {key!r}. {allowed}")
            if not _fits(key, value):
                raise PreprocessingError(
                    f"{where}, preprocessing: {key} is {ALLOWED[key]}, not {value!r}"
                )
        values = asdict(self)
        for key, value in params.items():
            values[key] = tuple(value) if isinstance(value, list) else value
        return Preprocessing(**values)


def _fits(key: str, value: Any) -> bool:
    """Tell whether a value of JSON is one that the key takes."""
    if key == "interpolation":
        return value in INTERPOLATIONS
    if key == "resize_mode":
        return value in RESIZE_MODES
    if key == "fill_color":
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255
    if not isinstance(value, list | tuple) or len(value) != 3:
        return False
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in value):
        return False
    if key == "std":
        return bool(min(value) > 0)
    return bool(min(value) >= 0 and max(value) <= 1)
