"""What a recipe may say about how a step is computed.

These keys cost or save time, memory or devices, and change results by rounding alone (that of
decoded pixels too). Standard library only: the database half refuses what the GPU half could not do.
What is done with them is in `methods/compute/`, `runner/worker/processes.py` and
`streams/decoding.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from schema.words import nearest


class ComputeError(ValueError):
    """The `compute_params` of a recipe ask for something that cannot be done."""


@dataclass(frozen=True)
class Compute:
    """How a step is computed; without any key: plainly, on one device.

    The fields are the keys of `recipe.compute_params`.
    """

    # Pairs that the towers take at once; the loss is that of the whole batch. 0: all of them
    chunk_pairs: int = 0
    # A block's activations are computed again for its gradients instead of stored
    checkpointing: bool = False
    # Processes, each with a device of its own, that share every batch
    ranks: int = 1
    # An item's embedding by a tower that does not move is computed once
    cache_frozen: bool = False
    # Images go through the image tower with the channels of a pixel side by side
    channels_last: bool = False
    # JPEGs are decoded, resized and cropped on the device that learns from them, not by the host
    decode_on_device: bool = False
    # Whether the towers are compiled: off, on, or auto, decided by the clock in the first steps
    compile: str = "off"

    @classmethod
    def of(cls, recipe: Mapping[str, Any]) -> "Compute":
        """Read a recipe row, or the recipe of a definition, which leaves empty `compute_params` out.

        Raises:
            ComputeError: an unknown key, a value that is not what the key takes, keys that do not
                go together, or pairs that cannot be shared out evenly.
        """
        params = recipe.get("compute_params") or {}
        where = f"recipe {recipe['name']!r}, compute_params"
        keys = [field.name for field in fields(cls)]
        for key, value in params.items():
            if key not in keys:
                listed = f"Allowed: {', '.join(keys)}.{nearest(key, keys)}"
                raise ComputeError(f"{where}: unknown key {key!r}. {listed}")
            if not _fits(key, value, getattr(cls, key)):
                raise ComputeError(f"{where}: {key} is {TAKES[key]}, not {value!r}")
        compute = cls(**params)
        compute._check_together(where)
        compute._check_shares(where, int(recipe["batch_pairs"]))
        return compute

    @property
    def recomputes(self) -> bool:
        """Whether something of the forward pass is done again in the backward pass."""
        return self.checkpointing or self.chunk_pairs > 0

    def _check_together(self, where: str) -> None:
        """Refuse keys that contradict each other."""
        if self.cache_frozen and self.ranks > 1:
            raise ComputeError(
                f"{where}: cache_frozen is for one process, and ranks is {self.ranks}. "
                "Leave one of the two out."
            )
        if self.cache_frozen and self.decode_on_device:
            raise ComputeError(
                f"{where}: cache_frozen knows an image by its pixels, which decode_on_device keeps "
                "from the host. Leave one of the two out."
            )

    def _check_shares(self, where: str, batch_pairs: int) -> None:
        """Refuse ranks and chunks that do not divide a batch."""
        pairs_at_once = self.ranks * (self.chunk_pairs or 1)
        if batch_pairs % pairs_at_once:
            chunk_pairs = self.chunk_pairs or batch_pairs // self.ranks
            raise ComputeError(
                f"{where}: {self.ranks} ranks with chunks of {chunk_pairs} pairs do not share out "
                f"batch_pairs {batch_pairs} evenly. Make batch_pairs a multiple of "
                f"{pairs_at_once}, or change ranks or chunk_pairs."
            )


SMALLEST = {"chunk_pairs": 1, "ranks": 1}
COMPILE = ("off", "on", "auto")
# What each key takes, in the words of messages
TAKES = {
    "chunk_pairs": "a whole number of pairs, 1 or more",
    "checkpointing": "true or false",
    "ranks": "a whole number of processes, 1 or more",
    "cache_frozen": "true or false",
    "channels_last": "true or false",
    "decode_on_device": "true or false",
    "compile": f"one of {', '.join(COMPILE)}",
}


def _fits(key: str, value: Any, default: Any) -> bool:
    """Return whether a parsed JSON value is what a key takes, which has the type of its default."""
    if key == "compile":
        return value in COMPILE
    # By exact type, since in Python true and false are whole numbers as well
    return type(value) is type(default) and value >= SMALLEST.get(key, 0)
