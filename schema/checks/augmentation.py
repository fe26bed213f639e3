"""What a recipe may say about its images. The keys are those of open_clip's `AugmentationCfg`, so that its recipes are rows.

Standard library only: the database half refuses what the GPU half could not do. What is done with it is in
`streams/augmentation.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from schema.words import nearest


class AugmentationError(ValueError):
    """An `augmentation_params` that says nothing which can be done."""


@dataclass(frozen=True)
class Augmentation:
    """The fields are the keys of `recipe.augmentation_params`; none: images are used as they are."""

    scale: tuple[float, float] | None = (
        None  # a random part of the image, of this share of its area, made as large as the image
    )
    ratio: tuple[float, float] = (3 / 4, 4 / 3)  # width to height of that part
    color_jitter: tuple[float, float, float, float] | None = (
        None  # strengths: brightness, contrast, saturation, hue (up to 0.5)
    )
    color_jitter_prob: float = 0.8  # chance of an image to be jittered
    gray_scale_prob: float = 0.0  # chance of an image to lose its colours

    @classmethod
    def of(cls, params: Mapping[str, Any], where: str) -> "Augmentation":
        """From a row's JSON; `where` names the row in messages.

        Raises:
            AugmentationError: an unknown key, or a value that is not what the key takes.
        """
        keys = [field.name for field in fields(cls)]
        for key, value in params.items():
            if key not in keys:
                listed = f"Allowed: {', '.join(keys)}.{nearest(key, keys)}"
                raise AugmentationError(
                    f"{where}, augmentation_params: unknown key {key!r}. {listed}"
                )
            if not _fits(key, value):
                raise AugmentationError(
                    f"{where}, augmentation_params: {key} is {WORDS[key]}, not {value!r}"
                )
        for key, other in (("ratio", "scale"), ("color_jitter_prob", "color_jitter")):
            if key in params and other not in params:
                raise AugmentationError(
                    f"{where}, augmentation_params: {key} without {other} does nothing. Give both, or neither."
                )
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in params.items()
        }
        return cls(**values)


WORDS = {
    "scale": "two shares of the image's area, the smaller first, above 0 and at most 1, as [0.9, 1.0]",
    "ratio": "two numbers above 0, the smaller first, as [0.75, 1.3333]",
    "color_jitter": "four strengths of 0 or more: brightness, contrast, saturation, hue (at most 0.5), as [0.3, 0.3, 0.3, 0.1]",
    "color_jitter_prob": "a chance from 0 to 1",
    "gray_scale_prob": "a chance from 0 to 1",
}


def _fits(key: str, value: Any) -> bool:
    numbers = value if isinstance(value, list) else [value]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers):
        return False
    if key in ("scale", "ratio"):
        return (
            len(numbers) == 2
            and 0 < numbers[0] <= numbers[1]
            and (key == "ratio" or numbers[1] <= 1)
        )
    if key == "color_jitter":
        return len(numbers) == 4 and min(numbers) >= 0 and numbers[3] <= 0.5
    return not isinstance(value, list) and 0 <= value <= 1
