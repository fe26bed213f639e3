"""Counts of the pairs that a stream of shards read and replaced, without lists of them."""

from dataclasses import dataclass, field

from streams import DatasetError
from streams.formats._files import SHOWN, TOLERATED


@dataclass
class Counts:
    """Counts of pairs that were read, and of those that were replaced."""

    # Reads of pairs, repeated ones included
    read: int = 0
    # Reads of pairs whose picture or caption cannot be read
    unreadable: int = 0
    # Reads of pairs that the list of the shards has but the shards have not
    short: int = 0
    # Pairs beyond the listed size of a shard, which are not used; counted at each opening
    beyond: int = 0
    # The names of the first unreadable pairs
    names: list[str] = field(default_factory=list)

    def add(self, more: "Counts") -> None:
        """Add other counts to these."""
        self.read += more.read
        self.unreadable += more.unreadable
        self.short += more.short
        self.beyond += more.beyond
        self.names += more.names[: SHOWN - len(self.names)]

    def lines(self) -> list[str]:
        """Return a sentence for each kind of replaced pairs."""
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
    """The counts of one dataset, with those not yet sent or reported.

    Attributes:
        whole: all counts since the beginning. untold: counts not yet sent to another process.
        unreported: counts not yet in a report.
    """

    def __init__(self, about: str, share: float) -> None:
        """Start at 0; `share` of the pairs read may be unreadable, and ten pairs always may."""
        self.about, self.share = about, share
        self.whole, self.untold, self.unreported = Counts(), Counts(), Counts()

    def add(self, more: Counts, problem: object = "by a process that decodes ahead") -> None:
        """Add counts; `problem` says why the last unreadable pair cannot be read.

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
        """Return whether a report has room for another name."""
        return len(self.unreported.names) < SHOWN or len(self.untold.names) < SHOWN

    def news(self) -> Counts:
        """Return the counts since the last call, to be sent to another process."""
        news, self.untold = self.untold, Counts()
        return news

    def lines(self) -> list[str]:
        """Return a sentence for each kind of pairs replaced since the last call."""
        lines, self.unreported = self.unreported.lines(), Counts()
        return lines
