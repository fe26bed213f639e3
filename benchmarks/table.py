"""The table of results, for a terminal and as Markdown, with a definition of each line."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table as Drawn

from benchmarks.measuring import Measured
from benchmarks.work import CLOCK, WORK

HEAD = (
    "work",
    "size",
    "Weir",
    "aim",
    "peak MB",
    "instead",
    "its time",
    "its peak MB",
    "ratio",
    "remarks",
)


@dataclass(frozen=True)
class Row:
    """One piece of work by Weir, and by something else."""

    work: str
    size: str
    weir: Measured
    aim_s: float | None = None
    tool: str = ""
    other: Measured | None = None
    remarks: str = ""

    def cells(self) -> list[str]:
        """In the order of `HEAD`; the ratio is the other's time to Weir's."""
        mine = [
            self.work,
            self.size,
            f"{self.weir.seconds:.2f} s",
            f"{self.aim_s:g} s" if self.aim_s else "",
        ]
        mine.append(f"{self.weir.peak_mb:.0f}")
        if self.other is None:
            return [*mine, "", "", "", "", self.remarks]
        ratio = self.other.seconds / max(self.weir.seconds, 1e-3)
        theirs = [f"{self.other.seconds:.2f} s", f"{self.other.peak_mb:.0f}", f"{ratio:.1f}"]
        return [*mine, self.tool, *theirs, self.remarks]


@dataclass
class Table:
    """All results of one run."""

    console: Console
    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Add a row, and print it at once, as a whole run takes long."""
        self.rows.append(row)
        self.console.print(" | ".join(filter(None, row.cells())), style="dim")

    def remark(self, words: str) -> None:
        """Add a sentence to be shown below the table."""
        self.remarks.append(words)
        self.console.print(words, style="dim")

    def show(self) -> None:
        """Print the table in the terminal."""
        drawn = Drawn(*HEAD, box=None, pad_edge=False)
        for row in self.rows:
            drawn.add_row(*row.cells())
        self.console.print(drawn)

    def markdown(self, title: str, about: list[tuple[str, str]]) -> str:
        """Return the table as Markdown, with the machine and the definition of each line."""
        lines = [f"# {title}", "", *(f"- {name}: {words}" for name, words in about), ""]
        lines += [
            _line(HEAD),
            _line(["---"] * len(HEAD)),
            *(_line(row.cells()) for row in self.rows),
            "",
        ]
        lines += [*(f"{words}\n" for words in self.remarks), *self._definitions()]
        return "\n".join(lines).rstrip() + "\n"

    def _definitions(self) -> Iterator[str]:
        yield f"{CLOCK}\n"
        for work in dict.fromkeys(row.work for row in self.rows):
            yield f"- **{work}**: {WORK[work]['']}."
            yield from (
                f"  - {tool}: {words}."
                for tool, words in WORK[work].items()
                if tool and tool in self._tools(work)
            )

    def _tools(self, work: str) -> set[str]:
        return {row.tool for row in self.rows if row.work == work}


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
