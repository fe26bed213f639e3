"""A draft of a dataset's row, filled by the detectors in `streams/drafts.py`, and the names they
search for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TRAIN = ("train", "training", "trn")
TEST = ("test", "val", "valid", "validation", "testing", "dev", "eval")
CAPTIONS = (
    "caption",
    "captions",
    "text",
    "texts",
    "title",
    "alt",
    "description",
    "sentence",
    "prompt",
)
LABELS = ("label", "labels", "class", "category", "fine_label", "target", "classname", "species")
PATHS = ("filepath", "file_name", "filename", "path", "image_path", "image", "file", "img")


@dataclass
class Draft:
    """A proposed dataset row, filled in by the detector of a format.

    Attributes:
        location: where the dataset lies, if that is not the given location itself. has_splits:
        whether a training and a test split were found.
    """

    form: str
    params: dict[str, Any] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    location: Path | None = None
    has_splits: bool = False

    def split(self, names: Sequence[str]) -> None:
        """Find a training and a test split among the names of folders or files."""
        train, test = first_of(names, TRAIN), first_of(names, TEST)
        if train and test:
            self.params |= {"train": train, "test": test}
            self.has_splits = True
            self.comments.append(f"Seen: {train} to train on and {test} to measure on.")
        elif train or test:
            self.params |= {"train": train or test, "test": train or test}

    def name_classes(self, names: Sequence[str], where: str) -> None:
        """Set the names of the classes; names that look like file names are rewritten as words."""
        self.classes = [" ".join(name.replace("_", " ").split()) for name in names]
        if len(set(self.classes)) < len(names):
            self.classes = list(names)
        self.comments.append(f"Seen: {len(names)} classes, named by {where}.")


def first_of(names: Sequence[str], words: Sequence[str]) -> str | None:
    """Return the name that equals the earliest of these words, ignoring case."""
    by_word = {name.casefold(): name for name in reversed(names)}
    return next((by_word[word] for word in words if word in by_word), None)
