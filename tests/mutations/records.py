"""What became of each change: a file with a line of JSON each, and a table of them.

A run that was stopped goes on where it was, as what is in the file is not tried again.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

CAUGHT, LIVED, NOT_REACHED = "caught", "lived", "not reached"


@dataclass(frozen=True, kw_only=True)
class Record:
    """What became of a change: `end` is `caught`, `lived` or `not reached`; `test` is what caught it.

    `code` is the exit code of the tests, negative where a signal ended them, as one that took too
    long.
    """

    key: str
    path: str
    change: str
    end: str
    test: str
    code: int
    cpu_s: float


class Records:
    """The file of a run; without a path, what is noted stays in memory."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.by_key: dict[str, Record] = {}
        # Tests that are known to pass without any change, and those that do not
        self.sound: set[str] = set()
        self.unsound: set[str] = set()
        if path is not None and path.exists():
            for line in path.read_text().splitlines():
                self._take(json.loads(line))

    def note(self, record: Record) -> None:
        """Keep what became of a change; it takes the place of what was noted of it before."""
        self._write(asdict(record))

    def note_tests(self, sound: Iterable[str], unsound: Iterable[str]) -> None:
        """Keep which tests pass without any change; what others caught is forgotten."""
        self._write({"sound": sorted(sound), "unsound": sorted(unsound)})

    def _write(self, line: dict[str, object]) -> None:
        self._take(line)
        if self.path is not None:
            with self.path.open("a") as file:
                print(json.dumps(line), file=file)

    def _take(self, line: dict[str, object]) -> None:
        if "key" in line:
            record = Record(**line)  # type: ignore[arg-type]
            self.by_key[record.key] = record
            return
        self.sound |= set(line["sound"])  # type: ignore[call-overload]
        self.unsound |= set(line["unsound"])  # type: ignore[call-overload]
        for record in list(self.by_key.values()):
            if record.end == CAUGHT and record.test in self.unsound:
                del self.by_key[record.key]


def table(records: Iterable[Record]) -> str:
    """Return a table in Markdown: how many of each folder and language were caught and lived."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for record in records:
        folder = record.path.partition("/")[0].removesuffix(".py")
        language = "SQL" if record.path.endswith(".sql") else "Python"
        counts[folder, language, record.end] += 1
        counts["all", "", record.end] += 1
    rows = ["| folder | language | changes | caught | | lived | not reached |"]
    rows.append("|---|---|--:|--:|--:|--:|--:|")
    places = sorted({key[:2] for key in counts}, key=lambda place: (place[0] == "all", place))
    for folder, language in places:
        caught, lived, not_reached = (
            counts[folder, language, end] for end in (CAUGHT, LIVED, NOT_REACHED)
        )
        total = caught + lived + not_reached
        share = f"{100 * caught / total:.0f} %"
        rows.append(
            f"| {folder} | {language} | {total} | {caught} | {share} | {lived} | {not_reached} |"
        )
    return "\n".join(rows)
