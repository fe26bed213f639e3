"""What a recipe may say about how a step is computed: what costs time, memory or devices, and changes a number by rounding alone,
of pixels too.

Standard library only: the database half refuses what the GPU half could not do. What is done with it is in
`methods/compute/towers.py`, `methods/compute/compiled.py`, `methods/compute/distributed.py`, `runner/worker/processes.py` and `streams/decoding.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from schema.words import nearest


class ComputeError(ValueError):
    """A `compute_params` that cannot be done."""


@dataclass(frozen=True)
class Compute:
    """The fields are the keys of `recipe.compute_params`; none: plainly, on one device."""

    chunk_pairs: int = (
        0  # pairs that the towers take at once; the loss is that of the whole batch. 0: all of them
    )
    checkpointing: bool = (
        False  # a block's activations are computed again for its gradients, not kept
    )
    ranks: int = 1  # processes, each with a device of its own, that share every batch
    cache_frozen: bool = False  # an item's embedding by a tower that does not move is computed once
    channels_last: bool = (
        False  # images go through the image tower with the channels of a pixel side by side
    )
    decode_on_device: bool = (
        False  # JPEGs are decoded, resized and cropped where they are learned from, not by the host
    )
    compile: str = "off"  # whether the towers are compiled: off, on, or auto, decided by the clock in a trial's first steps

    @classmethod
    def of(cls, recipe: Mapping[str, Any]) -> "Compute":
        """That of a recipe row, or of a definition's recipe, which leaves an empty one out.

        Raises:
            ComputeError: an unknown key, a value that is not what the key takes, or pairs that cannot be shared out evenly.
        """
        params, where = (
            recipe.get("compute_params") or {},
            f"recipe {recipe['name']!r}, compute_params",
        )
        keys = [field.name for field in fields(cls)]
        for key, value in params.items():
            if key not in keys:
                raise ComputeError(
                    f"{where}: unknown key {key!r}. Allowed: {', '.join(keys)}.{nearest(key, keys)}"
                )
            if not _fits(key, value, getattr(cls, key)):
                raise ComputeError(f"{where}: {key} is {WORDS[key]}, not {value!r}")
        made, pairs = cls(**params), int(recipe["batch_pairs"])
        if made.cache_frozen and made.ranks > 1:
            raise ComputeError(
                f"{where}: cache_frozen is for one process, and ranks is {made.ranks}. Leave one of the two out."
            )
        if made.cache_frozen and made.decode_on_device:
            raise ComputeError(
                f"{where}: cache_frozen knows an image by its pixels, which decode_on_device keeps from the host. "
                "Leave one of the two out."
            )
        at_once = made.ranks * (made.chunk_pairs or 1)
        if pairs % at_once:
            raise ComputeError(
                f"{where}: {made.ranks} ranks with chunks of {made.chunk_pairs or pairs // made.ranks} pairs do not share out "
                f"batch_pairs {pairs} evenly. Make batch_pairs a multiple of {at_once}, or change ranks or chunk_pairs."
            )
        return made

    @property
    def recomputes(self) -> bool:
        """Whether something of the forward pass is done again in the backward pass."""
        return self.checkpointing or self.chunk_pairs > 0


LEAST = {"chunk_pairs": 1, "ranks": 1}
COMPILE = ("off", "on", "auto")
WORDS = {
    "chunk_pairs": "a whole number of pairs, 1 or more",
    "checkpointing": "true or false",
    "ranks": "a whole number of processes, 1 or more",
    "cache_frozen": "true or false",
    "channels_last": "true or false",
    "decode_on_device": "true or false",
    "compile": f"one of {', '.join(COMPILE)}",
}


def _fits(key: str, value: Any, default: Any) -> bool:
    return (
        value in COMPILE
        if key == "compile"
        else type(value) is type(default) and value >= LEAST.get(key, 0)
    )
