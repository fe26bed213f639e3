"""The resolved definition of a trial: all that passes from the catalog to the GPU half.

Sync writes it as `spec.json` into a run folder, where the worker reads it. It holds everything that
can change a result, and nothing else, so its hash identifies the run. Standard library only: both
halves import it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

VERSION = 1
# A concept that stands for all classes of a dataset
EVERYTHING = "*"
Row = dict[str, Any]

# For each version n: the function that converts a definition of version n to n + 1
UPGRADES: dict[int, Callable[[Row], Row]] = {}


class SpecError(ValueError):
    """A spec.json is no valid definition."""


@dataclass(frozen=True)
class Spec:
    """A sentence with every word resolved to its row; the fields are in the order of the words."""

    backbone: Row
    stream: Row
    mixture: Row
    method: Row
    recipe: Row
    budget: Row
    seed: int
    version: int = VERSION
    # For an attempt that only measures: a suite with its members, the rows of their datasets, and
    # the tasks. None: it trains
    measures: Row | None = None

    @property
    def trained(self) -> "Spec":
        """Return the definition of the training that this one measures."""
        return self if self.measures is None else replace(self, measures=None)

    def _words(self) -> Row:
        """Return the fields to write; `measure` is left out for an attempt that trains."""
        words = {each.name: getattr(self, each.name) for each in fields(self)}
        if self.measures is None:
            del words["measures"]
        return words

    @cached_property
    def id(self) -> str:
        """Return the identity: the first 128 bits of a sha256 of the JSON, as 32 hex digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]

    @property
    def text(self) -> str:
        """Return the canonical JSON of the whole definition.

        It may have megabytes, so it is assembled at each call and not stored.
        """
        before, after = self._around_seed
        return f"{before}{canonical(self.seed)}{after}"

    @cached_property
    def _around_seed(self) -> tuple[str, str]:
        """Return the canonical JSON before and after the seed.

        They are cached, as a study has thousands of definitions that differ only in the seed.
        """
        # In the sorted keys of the JSON "seed" is between "recipe" and "stream"
        words = self._words()
        after = canonical({name: value for name, value in words.items() if name > "seed"})
        return self._before_seed, "," + after[1:]

    @property
    def _before_seed(self) -> str:
        """Return the canonical JSON before the seed, with the seed's key."""
        words = self._words()
        before = canonical({name: value for name, value in words.items() if name < "seed"})
        return before[:-1] + ',"seed":'

    def with_words(self, words: Mapping[str, Any], seed: int) -> "Spec":
        """Return a copy with other words and another seed.

        The JSON of unchanged words is reused.
        """
        other = replace(self, **words, seed=seed)
        if all(name < "seed" for name in words):
            after = self._around_seed[1]
            # As in with_seed: the stream, the largest part of a definition, comes after the seed
            other.__dict__["_around_seed"] = (other._before_seed, after)
        return other

    def with_seed(self, seed: int) -> "Spec":
        """Return a copy with another seed; the JSON of the rest is reused."""
        other = replace(self, seed=seed)
        # Sets a cached property's value, which a frozen dataclass allows through `__dict__`
        other.__dict__["_around_seed"] = self._around_seed
        return other

    def to_json(self) -> str:
        """Return the canonical text."""
        return self.text

    @classmethod
    def from_json(cls, text: str) -> "Spec":
        """Read a definition of this or an older version.

        Raises:
            SpecError: it is not JSON, lacks a field, has an unknown one, or a newer version.
        """
        try:
            row = json.loads(text)
        except json.JSONDecodeError as error:
            raise SpecError(f"spec.json is not JSON: {error}") from error
        return cls.from_row(row)

    @classmethod
    def from_row(cls, parsed: Mapping[str, Any]) -> "Spec":
        """Read a definition from parsed JSON.

        Raises:
            SpecError: as `from_json`.
        """
        if not isinstance(parsed, Mapping) or not isinstance(parsed.get("version"), int):
            raise SpecError("spec.json has no version; it was not written by runner.sync")
        row = dict(parsed)
        while row["version"] < VERSION:
            if row["version"] not in UPGRADES:
                raise SpecError(
                    f"spec.json has version {row['version']}, "
                    f"which this code cannot upgrade to {VERSION}"
                )
            row = UPGRADES[row["version"]](row) | {"version": row["version"] + 1}
        if row["version"] > VERSION:
            raise SpecError(
                f"spec.json has version {row['version']}, this code knows up to {VERSION}; "
                "run it with the newer code"
            )
        names = set(cls.__dataclass_fields__)
        # Only attempts that measure have this field
        if set(row) | {"measures"} != names:
            missing = sorted(names - set(row) - {"measures"})
            unknown = sorted(set(row) - names)
            raise SpecError(f"spec.json does not fit: missing {missing}, unknown {unknown}")
        return cls(**row)

    @classmethod
    def read(cls, folder: Path) -> "Spec":
        """Read the definition of a run folder.

        Raises:
            SpecError: as `from_json`.
        """
        return cls.from_json((folder / "spec.json").read_text())


def canonical(value: Any) -> str:
    """Return JSON with sorted keys and no blanks; equal values give equal text.

    Raises:
        ValueError: a number that JSON cannot carry (NaN, infinity).
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
