"""The keys of a recipe that change its images, named as those of open_clip's `AugmentationCfg`.

Standard library only: the database half refuses values that the GPU half could not use. They are
applied in `streams/augmentation.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from schema.words import nearest

PILLOW, TURBO = DECODERS = ("pillow", "turbo")


class AugmentationError(ValueError):
    """The `augmentation_params` of a recipe are invalid."""


@dataclass(frozen=True)
class Augmentation:
    """The augmentation of training images; without any key they are not changed.

    The fields are the keys of `recipe.augmentation_params`.
    """

    # The range of the share of the area of a random crop, which is resized to the image's size
    scale: tuple[float, float] | None = None
    # The range of the crop's ratio of width to height
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    # Strengths: brightness, contrast, saturation, hue (up to 0.5)
    color_jitter: tuple[float, float, float, float] | None = None
    # The probability that an image is jittered
    color_jitter_prob: float = 0.8
    # The probability that an image is made grey
    gray_scale_prob: float = 0.0
    # What makes squares of the pictures that are learned from: their pixels differ a little
    decoder: str = PILLOW

    @classmethod
    def of(cls, params: Mapping[str, Any], where: str) -> "Augmentation":
        """Read a row's JSON; `where` names the row in messages.

        Raises:
            AugmentationError: an unknown key, or a value that is not what the key takes.
        """
        where = f"{where}, augmentation_params"
        keys = [field.name for field in fields(cls)]
        for key, value in params.items():
            if key not in keys:
                listed = f"Allowed: {', '.join(keys)}.{nearest(key, keys)}"
                raise AugmentationError(f"{where}: unknown key {key!r}. {listed}")
            if not _fits(key, value):
                raise AugmentationError(f"{where}: {key} is {TAKES[key]}, not {value!r}")
        for key, other in (("ratio", "scale"), ("color_jitter_prob", "color_jitter")):
            if key in params and other not in params:
                raise AugmentationError(
                    f"{where}: {key} without {other} does nothing. Give both, or neither."
                )
        values = dict(params)
        for key, value in params.items():
            # JSON has only lists, which are made tuples so that the frozen dataclass can be hashed
            if isinstance(value, list):
                values[key] = tuple(value)
        return cls(**values)

    @property
    def changes_by_chance(self) -> bool:
        """Tell whether an image is another one each time that it is drawn."""
        return self != Augmentation(decoder=self.decoder)


# The allowed values of each key, as worded in messages
TAKES = {
    "scale": "two shares of the image's area, the smaller first, above 0 and at most 1, "
    "as [0.9, 1.0]",
    "ratio": "two numbers above 0, the smaller first, as [0.75, 1.3333]",
    "color_jitter": "four strengths of 0 or more: brightness, contrast, saturation, hue "
    "(at most 0.5), as [0.3, 0.3, 0.3, 0.1]",
    "color_jitter_prob": "a chance from 0 to 1",
    "gray_scale_prob": "a chance from 0 to 1",
    "decoder": f"one of {', '.join(DECODERS)}",
}


def _fits(key: str, value: Any) -> bool:
    """Return whether a parsed JSON value is what a key takes."""
    if key == "decoder":
        return value in DECODERS
    numbers = value if isinstance(value, list) else [value]
    for number in numbers:
        # Python's bools are ints, but in a row they are a mistake
        if isinstance(number, bool) or not isinstance(number, int | float):
            return False
    if key in ("scale", "ratio"):
        ordered = len(numbers) == 2 and 0 < numbers[0] <= numbers[1]
        return ordered and (key == "ratio" or numbers[1] <= 1)
    if key == "color_jitter":
        return len(numbers) == 4 and min(numbers) >= 0 and numbers[3] <= 0.5
    return not isinstance(value, list) and 0 <= value <= 1
