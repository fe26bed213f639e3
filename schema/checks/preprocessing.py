"""The preprocessing of a backbone's images, with the keys of open_clip's `PreprocessCfg`.

Images must be preprocessed as in the model's training, or its embeddings are wrong. Keys that a row
leaves out come from the open_clip tag or the folder of its weights.

Standard library only: the database half refuses values that the GPU half could not use. They are
applied in `streams/pictures.py` (resizing) and `runner/worker/backbone.py` (normalising).
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
    """The `preprocessing` of a backbone row is invalid."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How a picture becomes a model's input; the defaults are those of OpenAI's CLIP.

    mean, std: per colour, for values from 0 to 1; the model's input is (value - mean) / std.
    interpolation: how a picture is resized. resize_mode: `shortest`: the shorter side becomes the
    model's image size, and the middle square
        is cut out; `longest`: the longer side does, and the rest is filled; `squash`: both do.
    fill_color: the value, 0 to 255, of what `longest` fills.
    """

    mean: tuple[float, float, float] = OPENAI_MEAN
    std: tuple[float, float, float] = OPENAI_STD
    interpolation: str = "bicubic"
    resize_mode: str = "shortest"
    fill_color: int = 0

    @property
    def cuts_the_middle(self) -> bool:
        """Return whether the middle square is cut out, as for OpenAI's CLIP."""
        return self.interpolation == "bicubic" and self.resize_mode == "shortest"

    def with_keys(self, params: Mapping[str, Any], where: str) -> "Preprocessing":
        """Return a copy with the keys of a row's JSON; `where` names the row in messages.

        Raises:
            PreprocessingError: an unknown key or an invalid value.
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
    """Return whether a key allows a JSON value."""
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
