"""Which datasets are at their place: what `python -m schema check` hands its rows to, as JSON on standard input.

The database half must not load what decodes images, so this is a process of its own: `python -m streams.check`.
"""

import json
import sys
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams import DatasetError, Pairs, open_pairs
from streams.contact_sheet import drawn

TRIED = 32  # images of a split that are decoded, unless every one is
CHUNK = 256  # images decoded at once
PAIRS_SHOWN = 12  # on a contact sheet
SPLITS = ("train", "test")
Row = Mapping[str, Any]


@dataclass
class Found:
    """What is there of one dataset."""

    row: Row
    pairs: dict[str, Pairs] = field(
        default_factory=dict
    )  # by split, of the splits that are wanted and there
    said: list[str] = field(default_factory=list)  # what a person should know
    absent: bool = False  # a split that is wanted is not there, or cannot be read

    def count(self, split: str) -> str:
        """Pairs found, of those expected where the row says how many."""
        if split not in self.row["splits"]:
            return ""
        found, expected = self.pairs.get(split), self.row[f"{split}_pairs"]
        here = f"{len(found):,}" if found is not None else "-"
        return (
            here
            if expected is None or (found is not None and len(found) == expected)
            else f"{here} of {expected:,}"
        )


def look(row: Row, data: Path, every: bool = False) -> Found:
    """Open the splits that are wanted of a dataset and decode some of their images, or every one."""
    found = Found(row)
    for split in row["splits"]:
        try:
            pairs = open_pairs(row, split, data)
            _classes(found, split, pairs)
            _try(found, split, pairs, every)
        except (
            ValueError,
            OSError,
            KeyError,
        ) as problem:  # a format's refusal, a disk, a record without a key
            found.absent = True
            said = (
                str(problem)
                if isinstance(problem, ValueError)
                else f"{type(problem).__name__}: {problem}"
            )
            if said not in found.said:
                found.said.append(said)
        else:
            found.pairs[split] = pairs
    if row["kind"] == "classification" and not row["classes"]:
        found.said.append("its row names no classes: a trial over it is refused until they are in")
    return found


def chosen(name: str, pairs: int, count: int) -> np.ndarray:
    """(min(count, pairs),) places that depend on the dataset's name and size alone, in ascending order."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return np.sort(rng.choice(pairs, min(count, pairs), replace=False))


def _classes(found: Found, split: str, pairs: Pairs) -> None:
    """Say which images have no caption, and which classes have no images."""
    left_out: int = getattr(pairs, "left_out", 0)
    if left_out:
        found.said.append(
            f"{split}: {left_out:,} images at its place have no caption and are left out"
        )
    if found.row["kind"] != "classification":
        return
    unlabelled, met = int((pairs.labels < 0).sum()), set(pairs.labels.tolist())
    if unlabelled:
        found.said.append(
            f"{split}: {unlabelled:,} of {len(pairs):,} pairs have no label: they are of no class"
        )
    without = [name for label, name in enumerate(found.row["classes"]) if label not in met]
    if without:
        shown = ", ".join(without[:5]) + (", ..." if len(without) > 5 else "")
        found.said.append(
            f"{split}: no images of {len(without)} of the {len(found.row['classes'])} classes: {shown}"
        )


def _try(found: Found, split: str, pairs: Pairs, every: bool) -> None:
    """Decode images; say which cannot be."""
    places = np.arange(len(pairs)) if every else chosen(found.row["name"], len(pairs), TRIED)
    for first in range(0, len(places), CHUNK):
        pairs.images(places[first : first + CHUNK])
    corrupt: list[str] = getattr(pairs, "corrupt", [])
    if corrupt:
        shown = ", ".join(corrupt[:5]) + (", ..." if len(corrupt) > 5 else "")
        found.said.append(
            f"{split}: {len(corrupt)} of the {len(places)} images tried cannot be read: {shown}. Fetch them again"
        )


def printed(founds: Iterable[Found], console: Console) -> None:
    """A line for each dataset, and below it what a person should know."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("dataset", "format", *SPLITS, "is", "says"):
        table.add_column(
            name,
            no_wrap=name != "says",
            justify="right" if name in SPLITS else "left",
            overflow="fold",
        )
    for found in founds:
        counts = [found.count(split) for split in SPLITS]
        state = "absent" if found.absent else "there"
        said = Text("\n".join(found.said))
        table.add_row(
            Text(found.row["name"]),
            found.row["format"],
            *counts,
            state,
            said,
            style="red" if found.absent else None,
        )
    console.print(table)


def sheets(founds: Iterable[Found], folder: Path) -> list[str]:
    """Draw a contact sheet of each dataset that is there, of its training pairs where it has any; the files' names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for found in founds:
        for split, pairs in list(found.pairs.items())[:1]:
            name = found.row["name"]
            file = folder / f"{name.replace('/', '_')}.png"
            try:
                drawn(
                    pairs,
                    chosen(name, len(pairs), PAIRS_SHOWN),
                    f"{name}, {split}: {len(pairs):,} pairs",
                ).save(file)
            except DatasetError as problem:  # these twelve were one too many
                names.append(f"none of {name} ({problem})")
            else:
                names.append(file.name)
    return names


def main() -> int:
    """Exit code 1 if a dataset that was asked for is absent."""
    asked = json.load(sys.stdin)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
    founds = []
    for row in asked["rows"]:
        with console.status(
            f"looking at {row['name']}"
        ):  # prints nothing where there is no terminal
            founds.append(look(row, Path(asked["data"]), asked["every"]))
    printed(founds, console)
    if asked["sheet"] is not None:
        console.print(
            f"contact sheets in {asked['sheet']}: {', '.join(sheets(founds, Path(asked['sheet']))) or 'none'}"
        )
    absent = sum(found.absent for found in founds)
    console.print(f"{len(founds) - absent} of {len(founds)} datasets are there")
    return 1 if absent else 0


if __name__ == "__main__":
    raise SystemExit(main())
