"""A count of the files at a location that are not used, by reason, with the first names of each."""

import os
from collections import Counter
from collections.abc import Sequence

KINDS_OF_FILE = "not a kind of picture that is read"
HIDDEN = "hidden"
OUTSIDE = "outside of every class folder"
NO_CLASS = "in a folder of no class of the row"
NO_CAPTION = "no caption"
NO_IMAGE = "no image"
ABSENT = "named in a list and not there"
REPEATED = "a name that comes again, of which the last counts"
ANOTHER = "another picture of a sample that has one"
BROKEN_ROW = "not as many fields as the header"
NOT_A_FILE = "a link or a device in a tar"

# The most names in the line of a reason.
SHOWN = 5


class Unused:
    """Counts of the unused things at a location, by reason.

    Attributes:
        counts: the number of things for each reason. names: the first names for each reason, in the
        order in which they were found.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.names: dict[str, list[str]] = {}

    def add(self, reason: str, *names: str) -> None:
        """Count things, by name, for a reason."""
        if not names:
            return
        self.counts[reason] += len(names)
        shown = self.names.setdefault(reason, [])
        shown += [printable(name) for name in names[: SHOWN - len(shown)]]

    def join(self, reason: str, count: int, names: list[str]) -> None:
        """Add a count from elsewhere; `names` are the first of its names."""
        if count:
            self.counts[reason] += count
            shown = self.names.setdefault(reason, [])
            shown += names[: SHOWN - len(shown)]

    @property
    def total(self) -> int:
        """Return how many things are not used."""
        return self.counts.total()

    def lines(self) -> list[str]:
        """Return a sentence for each reason: how many, the reason, the first names."""
        sentences = []
        for reason, count in self.counts.items():
            names = ", ".join(self.names[reason])
            more = ", ..." if count > len(self.names[reason]) else ""
            sentences.append(f"{count:,} not used, {reason}: {names}{more}")
        return sentences


def first_names(names: Sequence[str], shown: int) -> str:
    """Return the first names of a list as text, with dots if there are more."""
    listed = ", ".join(names[:shown])
    if len(names) > shown:
        listed += ", ..."
    return listed


def printable(name: str) -> str:
    """Return a file's name as printable text, whatever its bytes."""
    return os.fsencode(name).decode(errors="replace")
