"""What lies at a place and is no pair: counted by reason, with the first names of each."""

import os
from collections import Counter

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

SHOWN = 5  # names of each reason that a line gives


class Unused:
    """Counts of what is not used at a place, by reason.

    Attributes:
        counts: how many things of each reason.
        names: the first names of each reason, in the order in which they were met.
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
        """Add what was counted elsewhere; `names`: its first ones."""
        if count:
            self.counts[reason] += count
            shown = self.names.setdefault(reason, [])
            shown += names[: SHOWN - len(shown)]

    @property
    def total(self) -> int:
        """How many things are not used."""
        return self.counts.total()

    def lines(self) -> list[str]:
        """Return a sentence for each reason: how many, the reason, the first names."""
        said = []
        for reason, count in self.counts.items():
            names = ", ".join(self.names[reason])
            more = ", ..." if count > len(self.names[reason]) else ""
            said.append(f"{count:,} not used, {reason}: {names}{more}")
        return said


def printable(name: str) -> str:
    """Return a file's name in words that can be printed, whatever its bytes."""
    return os.fsencode(name).decode(errors="replace")
