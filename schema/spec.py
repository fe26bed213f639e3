"""The resolved definition of a trial: the only thing that crosses from the catalog to the GPU.

Sync writes it as `spec.json` into a run folder, and the worker reads it there. It holds everything
that can change a number and nothing else, so its hash is the identity of the run. Standard library
only: both halves import it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

VERSION = 1
# As a concept: every class of the dataset, for streams whose tasks are datasets
EVERYTHING = "*"
Row = dict[str, Any]

# By version n: the function that turns a definition of version n into one of n + 1
UPGRADES: dict[int, Callable[[Row], Row]] = {}


class SpecError(ValueError):
    """A spec.json cannot be read as a definition."""


@dataclass(frozen=True)
class Spec:
    """A sentence with every word resolved to its row; fields are in its order."""

    backbone: Row
    stream: Row
    mixture: Row
    method: Row
    recipe: Row
    budget: Row
    seed: int
    version: int = VERSION
    # What an attempt measures that trains nothing: a suite with its members, the rows of their
    # datasets, and the tasks. None: it trains
    measures: Row | None = None

    @property
    def trained(self) -> "Spec":
        """The definition of what was trained, where this one measures it."""
        return self if self.measures is None else replace(self, measures=None)

    def _words(self) -> Row:
        """Return the fields that are written; an attempt that trains says nothing of measuring."""
        words = {each.name: getattr(self, each.name) for each in fields(self)}
        if self.measures is None:
            del words["measures"]
        return words

    @cached_property
    def id(self) -> str:
        """The first 128 bits of sha256 over the canonical JSON, as 32 hex digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]

    @property
    def text(self) -> str:
        """The canonical JSON of the whole definition.

        It may have megabytes, so it is put together when it is asked for and not kept.
        """
        before, after = self._around_seed
        return f"{before}{canonical(self.seed)}{after}"

    @cached_property
    def _around_seed(self) -> tuple[str, str]:
        """The canonical JSON before and after the seed.

        A study has thousands of definitions that differ in nothing but the seed.
        """
        # Split where the sorted keys of the JSON have it: "seed" is between "recipe" and "stream"
        words = self._words()
        after = canonical({name: value for name, value in words.items() if name > "seed"})
        return self._before_seed, "," + after[1:]

    @property
    def _before_seed(self) -> str:
        """The canonical JSON before the seed, with its key."""
        words = self._words()
        before = canonical({name: value for name, value in words.items() if name < "seed"})
        return before[:-1] + ',"seed":'

    def with_words(self, words: Mapping[str, Any], seed: int) -> "Spec":
        """Return the same definition with other words and another seed.

        Words that stay the same are not written out again.
        """
        other = replace(self, **words, seed=seed)
        if all(name < "seed" for name in words):
            after = self._around_seed[1]
            # As with_seed: the stream, nearly all of a definition, is behind the seed
            other.__dict__["_around_seed"] = (other._before_seed, after)
        return other

    def with_seed(self, seed: int) -> "Spec":
        """Return the same definition with another seed; the rest is not written out again."""
        other = replace(self, seed=seed)
        # Where a cached property stores its value, which a frozen dataclass does not forbid
        other.__dict__["_around_seed"] = self._around_seed
        return other

    def to_json(self) -> str:
        """Return the canonical text."""
        return self.text

    @classmethod
    def from_json(cls, text: str) -> "Spec":
        """Read a definition of this or an older version.

        Raises:
            SpecError: not JSON, a missing or unknown field, or a version newer than this code.
        """
        try:
            row = json.loads(text)
        except json.JSONDecodeError as error:
            raise SpecError(f"spec.json is not JSON: {error}") from error
        return cls.from_row(row)

    @classmethod
    def from_row(cls, parsed: Mapping[str, Any]) -> "Spec":
        """Read a definition that has been parsed.

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
        # Only the attempts that measure have it, and what others wrote stays as it is
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
