"""The keys of a recipe that say how a step is computed.

They trade time, memory and devices, and change results by rounding only (also that of decoded
pixels). Standard library only: the database half refuses values that the GPU half could not use.
They are applied in `methods/compute/`, `runner/worker/processes.py` and `streams/decoding.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from schema.words import nearest


class ComputeError(ValueError):
    """The `compute_params` of a recipe are invalid."""


@dataclass(frozen=True)
class Compute:
    """How a step is computed; without any key, in the simplest way and on one device.

    The fields are the keys of `recipe.compute_params`.
    """

    # Pairs that the towers process at once, while the loss is that of the whole batch; 0: all
    chunk_pairs: int = 0
    # Whether activations of blocks are recomputed in the backward pass instead of stored
    checkpointing: bool = False
    # Number of processes, each with its own device, that share every batch
    ranks: int = 1
    # Whether embeddings by a tower that is not trained are computed once and cached
    cache_frozen: bool = False
    # Whether the image tower uses the channels-last memory format
    channels_last: bool = False
    # Whether JPEGs are decoded, resized and cropped on the training device instead of the host
    decode_on_device: bool = False
    # Whether the towers are compiled: off, on, or auto, which is decided by timing the first steps
    compile: str = "off"

    @classmethod
    def of(cls, recipe: Mapping[str, Any]) -> "Compute":
        """Read a recipe row, or the recipe of a definition, which omits empty `compute_params`.

        Raises:
            ComputeError: an unknown key, an invalid value, keys that exclude each other, or a batch
                that cannot be divided evenly.
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
        """Return whether parts of the forward pass are repeated in the backward pass."""
        return self.checkpointing or self.chunk_pairs > 0

    def _check_together(self, where: str) -> None:
        """Check that the keys do not exclude each other."""
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
        """Check that ranks and chunks divide the batch."""
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
# The allowed values of each key, as worded in messages
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
    """Return whether a key allows a parsed JSON value; its type is that of the default."""
    if key == "compile":
        return value in COMPILE
    # Types are compared exactly, since Python's bools are ints
    return type(value) is type(default) and value >= SMALLEST.get(key, 0)
