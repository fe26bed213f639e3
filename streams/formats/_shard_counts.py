"""Counts of what a stream of shards read and replaced: no lists, as its pairs may be billions."""

from dataclasses import dataclass, field

from streams import DatasetError
from streams.formats._files import SHOWN, TOLERATED


@dataclass
class Counts:
    """Counts of what was read and what was replaced."""

    # Pairs, each time that one was read
    read: int = 0
    # Of those, whose picture or caption cannot be read
    unreadable: int = 0
    # Of those, which the list of the shards has and the shards have not
    short: int = 0
    # Pairs beyond what the list says of a shard, each time that one was opened: not used
    beyond: int = 0
    # The first of those that cannot be read
    names: list[str] = field(default_factory=list)

    def add(self, more: "Counts") -> None:
        """Add what was counted elsewhere."""
        self.read += more.read
        self.unreadable += more.unreadable
        self.short += more.short
        self.beyond += more.beyond
        self.names += more.names[: SHOWN - len(self.names)]

    def lines(self) -> list[str]:
        """Return a sentence for each kind of what was replaced."""
        lines = []
        if self.unreadable:
            more = ", ..." if self.unreadable > len(self.names) else ""
            names = ", ".join(self.names)
            lines.append(f"{self.unreadable} pairs cannot be read and were replaced: {names}{more}")
        if self.short:
            lines.append(
                f"{self.short} pairs that the list of the shards has and the shards have not were "
                "replaced"
            )
        if self.beyond:
            lines.append(
                f"{self.beyond} pairs beyond what the list says of their shards are not used"
            )
        return lines


class Tally:
    """The counts of one dataset, and who knows of them.

    Attributes:
        whole: since the beginning.
        untold: what no other process was told yet.
        unreported: what was in no report yet.
    """

    def __init__(self, about: str, share: float) -> None:
        """`share` of what is read may be unreadable; ten pairs always may."""
        self.about, self.share = about, share
        self.whole, self.untold, self.unreported = Counts(), Counts(), Counts()

    def add(self, more: Counts, problem: object = "by a process that decodes ahead") -> None:
        """Count what was read. `problem` says why the last one cannot be.

        Raises:
            DatasetError: too many pairs cannot be read.
        """
        for counts in (self.whole, self.untold, self.unreported):
            counts.add(more)
        allowed = max(TOLERATED, self.share * self.whole.read)
        if more.unreadable and self.whole.unreadable > allowed:
            raise DatasetError(
                f"{self.about}: {self.whole.unreadable} of the {self.whole.read} pairs read so far "
                f"cannot be read, and {allowed:.0f} may: {', '.join(self.whole.names)} (the last "
                f"one: {problem}). Fetch their shards again, or raise corrupt_share in the row's "
                "params."
            )

    @property
    def wants_names(self) -> bool:
        """Tell whether a report has room for another name."""
        return len(self.unreported.names) < SHOWN or len(self.untold.names) < SHOWN

    def news(self) -> Counts:
        """Return what was counted since the last call, for another process."""
        news, self.untold = self.untold, Counts()
        return news

    def lines(self) -> list[str]:
        """Return a sentence for each kind of what was replaced since the last call."""
        lines, self.unreported = self.unreported.lines(), Counts()
        return lines
