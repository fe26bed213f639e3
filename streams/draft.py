"""Propose dataset rows for a location, for `python -m schema draft`.

It reads JSON from standard input and prints JSON: `datasets`, rows with `comments`; `order`, by
which a sequence can be made of them (`year`, `class` or `whole`); `comments` on all of them.
Comments name what cannot be guessed.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from streams import DatasetError, Pairs, open_pairs
from streams.drafting import Draft
from streams.drafts import LOOKS
from streams.formats._files import UNREADABLE, Files
from streams.formats._places import files_below, is_hidden
from streams.formats._unused import printable
from streams.formats.imagefolder import class_folders
from streams.inspection import SHOWN, SPLITS, chosen
from streams.pictures import opened_picture

# How many images are opened to sample their sizes.
TRIED = 64
YEAR = re.compile(r"(19|20)\d\d")
# The share of the pairs that is proposed as a test split where none was found.
FULL_SHARE = 0.2
# The image size that most backbones take.
COMMON_PX = 224
Row = dict[str, Any]


class NothingThereError(ValueError):
    """No format can read the files at a location."""


def drafted(place: Path, data: Path, name: str) -> Row:
    """Return the proposed rows for a location.

    Raises:
        NothingThereError: no format can read it; the message says which files are there.
    """
    years = _years(place)
    if years:
        rows = [_row(place / year, data, f"{name}_{year}") for year in years]
        for row, year in zip(rows, years, strict=True):
            row["year"] = int(year)
        comments = [f"Seen: a folder for each year, {years[0]} to {years[-1]}: a dataset of each."]
        return {"datasets": rows, "order": "year", "comments": comments}
    row = _row(place, data, name)
    order = "class" if len(row["classes"]) > 1 and row["kind"] == "classification" else "whole"
    return {"datasets": [row], "order": order, "comments": []}


def _years(place: Path) -> list[str]:
    """Return the folders of a location if all their names are years, else nothing."""
    if not place.is_dir():
        return []
    folders = class_folders(place)
    if len(folders) > 1 and all(YEAR.fullmatch(name) for name in folders):
        return folders
    return []


def _row(place: Path, data: Path, name: str) -> Row:
    """Return the proposed row of one dataset, after trying to open it.

    Raises:
        NothingThereError: no format can read it.
    """
    for look in LOOKS:
        draft = look(place)
        if draft is not None:
            break
    else:
        raise NothingThereError(_what_lies_there(place))
    row = {
        "name": name,
        "format": draft.form,
        "location": _location(draft.location or place, data),
        "params": draft.params,
        "kind": "classification" if draft.classes else "retrieval",
        "classes": draft.classes,
        "templates": ["a photo of a {}"] if draft.classes else [],
        "year": None,
        "comments": draft.comments,
    }
    if draft.classes:
        draft.comments.append(
            'To decide: the templates. "a photo of a {}" is a guess; each holds {} once, where the '
            "name of the class goes. Names that read well in it help."
        )
    _split(row, draft)
    _try_out(row, draft, data)
    draft.comments.append("Not to be seen at the place: its license and its year of release.")
    return row


def _split(row: Row, draft: Draft) -> None:
    """Propose a test split where none was found."""
    if draft.params.get("train") == draft.params.get("test") and not draft.has_splits:
        row["params"]["test_share"] = FULL_SHARE
        draft.comments.append(
            f"No test split was seen: test_share holds {FULL_SHARE:.0%} of the pairs out, by a "
            "hash of "
            "their names. To decide: the share, or where a test split is (train, test)."
        )


def _try_out(row: Row, draft: Draft, data: Path) -> None:
    """Open both splits, and add comments on their counts, image sizes and problems to the row."""
    for split in SPLITS:
        # A row that cannot be opened is returned too, with the reason, so that a person can correct
        # it.
        try:
            pairs = open_pairs(row, split, data)
        except (DatasetError, OSError) as problem:
            draft.comments.append(f"Its {split} split cannot be opened like this: {problem}")
            continue
        row[f"{split}_pairs"] = len(pairs)
        if isinstance(pairs, Files):
            # Both splits of one location give the same remarks, which are added once.
            beside = [*pairs.unused.lines(), *pairs.remarks]
            draft.comments += [line for line in beside if line not in draft.comments]
        if split == "train":
            draft.comments.append(_sizes(pairs, row["name"]))
            texts = pairs.captions(chosen(row["name"], len(pairs), 1), np.random.default_rng(0))
            draft.comments.append(f"A caption: {texts[0]!r}")


def _sizes(pairs: Pairs, name: str) -> str:
    """Return a sentence about the sizes of some images."""
    sizes = []
    for place in chosen(name, len(pairs), TRIED).tolist():
        picture = pairs.source.read(int(pairs.items[place])) if isinstance(pairs, Files) else b""
        size = _size(picture)
        if size is not None:
            sizes.append(size)
    if not sizes:
        return "None of the images tried can be read; python -m schema check says why."
    shorter, longer = np.array(sizes).min(axis=1), np.array(sizes).max(axis=1)
    return (
        f"Of {len(sizes)} images tried, the shorter side has {shorter.min()} to {shorter.max()} "
        f"pixels ({int(np.median(shorter))} at the median), the longer up to {longer.max()}. To "
        "decide: "
        f'"image_px" in params, the size that the backbone takes; without it, {COMMON_PX}.'
    )


def _size(picture: bytes | Image.Image) -> tuple[int, int] | None:
    """Return width and height of a picture; None if it cannot be read."""
    try:
        with opened_picture(picture) as opened:
            return opened.size
    except UNREADABLE:
        return None


def _location(place: Path, data: Path) -> str:
    """Return the path relative to the data folder if it lies in it, else the whole path."""
    place = place.resolve()
    if place.is_relative_to(data.resolve()):
        return place.relative_to(data.resolve()).as_posix()
    return str(place)


def _what_lies_there(place: Path) -> str:
    """Return a message on a location that no format reads: what is there, and what can be read."""
    if place.is_file():
        files: Sequence[str] = [place.name]
    else:
        files = [name for name in files_below(place) if not is_hidden(name)]
    endings = Counter(Path(name).suffix or "no ending" for name in files)
    counts = ", ".join(f"{ending} {count}" for ending, count in endings.most_common(SHOWN))
    return (
        f"{printable(str(place))} holds nothing that a format reads: {len(files)} files "
        f"({counts or 'none'}). "
        "Read are folders of images for each class, images with metadata.csv, .jsonl or .parquet "
        "beside "
        "them, tables of paths and captions (.csv, .tsv, .jsonl, .parquet), tar shards, Parquet "
        "files with "
        "images in them, and the folders of torchvision's datasets (docs/datasets.md)."
    )


def main() -> int:
    """Draft the rows and print them; return exit code 2 where no format reads the location."""
    request = json.load(sys.stdin)
    try:
        draft = drafted(Path(request["place"]), Path(request["data"]), request["name"])
    except (NothingThereError, DatasetError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 2
    print(json.dumps(draft))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
