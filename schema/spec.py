"""The resolved definition of a trial: the only thing that crosses from the catalog to the GPU.

Written by sync as `spec.json` into a run folder and read there by the worker. It holds everything that can change a number
and nothing else, so its hash is the identity of the run. Standard library only: both halves import it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

VERSION = 1
EVERYTHING = "*"  # as a concept: every class of the dataset, for streams whose tasks are datasets
Row = dict[str, Any]

UPGRADES: dict[int, Callable[[Row], Row]] = {}  # version n -> the change that makes an n + 1 of it


class SpecError(ValueError):
    """spec.json cannot be read as a definition."""


@dataclass(frozen=True)
class Spec:
    """One sentence with every word resolved to its row; the fields are in the order of the sentence."""

    backbone: Row
    stream: Row
    mixture: Row
    method: Row
    recipe: Row
    budget: Row
    seed: int
    version: int = VERSION

    @property
    def id(self) -> str:
        """128 bits of sha256 over the canonical JSON of the whole definition, 32 hex digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]

    @cached_property
    def text(self) -> str:
        """The canonical JSON, made once."""
        before, after = self._around_seed
        return f"{before}{canonical(self.seed)}{after}"

    @cached_property
    def _around_seed(self) -> tuple[str, str]:
        """The canonical JSON before and after the seed: a study has thousands of definitions that differ in nothing else."""
        words = {f.name: getattr(self, f.name) for f in fields(self)}
        before = canonical({name: value for name, value in words.items() if name < "seed"})
        after = canonical({name: value for name, value in words.items() if name > "seed"})
        return before[:-1] + ',"seed":', "," + after[1:]

    def with_seed(self, seed: int) -> "Spec":
        """The same definition with another seed, without writing out the rest of it anew."""
        other = replace(self, seed=seed)
        other.__dict__["_around_seed"] = self._around_seed
        return other

    def to_json(self) -> str:
        """The canonical text."""
        return self.text

    @classmethod
    def from_json(cls, text: str) -> "Spec":
        """Read a definition of this or an older version.

        Raises:
            SpecError: not JSON, a missing or unknown field, or a version newer than this code.
        """
        try:
            said = json.loads(text)
        except json.JSONDecodeError as error:
            raise SpecError(f"spec.json is not JSON: {error}") from error
        return cls.from_row(said)

    @classmethod
    def from_row(cls, said: Mapping[str, Any]) -> "Spec":
        """The same from a parsed object."""
        if not isinstance(said, Mapping) or not isinstance(said.get("version"), int):
            raise SpecError("spec.json has no version; it was not written by runner.sync")
        row = dict(said)
        while row["version"] < VERSION:
            if row["version"] not in UPGRADES:
                raise SpecError(
                    f"spec.json has version {row['version']}, which this code cannot upgrade to {VERSION}"
                )
            row = UPGRADES[row["version"]](row) | {"version": row["version"] + 1}
        if row["version"] > VERSION:
            raise SpecError(
                f"spec.json has version {row['version']}, this code knows up to {VERSION}; run it with the newer code"
            )
        wanted = set(cls.__dataclass_fields__)
        if set(row) != wanted:
            missing, unknown = sorted(wanted - set(row)), sorted(set(row) - wanted)
            raise SpecError(f"spec.json does not fit: missing {missing}, unknown {unknown}")
        return cls(**row)

    @classmethod
    def read(cls, folder: Path) -> "Spec":
        """From a run folder."""
        return cls.from_json((folder / "spec.json").read_text())


def canonical(value: Any) -> str:
    """JSON with sorted keys and no blanks; equal values give equal text.

    Raises:
        ValueError: a number that JSON cannot carry (NaN, infinity).
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
