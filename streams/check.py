"""Check which datasets are at their locations, for `python -m schema check`.

The database half must not load code that decodes images, so this runs in a separate process,
`python -m streams.check`, which reads the rows as JSON from standard input.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from streams import ContradictionError, DatasetError, Pairs, compare, open_pairs
from streams.contact_sheet import drawn, written
from streams.inspection import SPLITS, of_both, of_place, of_row, of_split, some_of

# How many pairs a contact sheet shows.
PAIRS_SHOWN = 12
THERE, ABSENT, REFUSED = "there", "absent", "refused"
STYLES = {THERE: None, ABSENT: "red", REFUSED: "red"}
Row = Mapping[str, Any]


@dataclass
class Finding:
    """A report on one dataset: its state, its number of pairs, and remarks.

    Attributes:
        pairs: the number of pairs of each wanted split that is there. remarks: what a person should
        know, a sentence each. state: `there`; `absent` if a wanted split is not there or cannot be
            read; `refused` if the row and the files contradict each other.
    """

    row: Row
    pairs: dict[str, Pairs] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    state: str = THERE

    def count(self, split: str) -> str:
        """Return a split's number of pairs in words, with the expected number if there is one."""
        if split not in self.row["splits"]:
            return ""
        pairs, expected = self.pairs.get(split), self.row[f"{split}_pairs"]
        here = "-" if pairs is None else f"{len(pairs):,}"
        if expected is None or (pairs is not None and len(pairs) == expected):
            return here
        return f"{here} of {expected:,}"

    def remark(self, *sentences: str) -> None:
        """Add sentences that are not there yet."""
        self.remarks += [one for one in dict.fromkeys(sentences) if one not in self.remarks]

    def fault(self, problem: Exception) -> None:
        """Record an error that kept a split from being opened, by its message if it has one."""
        if isinstance(problem, ContradictionError):
            self.state = REFUSED
        elif self.state == THERE:
            self.state = ABSENT
        words = str(problem)
        if not isinstance(problem, ValueError):
            words = f"{type(problem).__name__}: {problem}"
        self.remark(words)


def look(row: Row, data: Path, every: bool = False) -> Finding:
    """Open the wanted splits of a dataset, and decode some or all of their images.

    Errors are recorded in the finding of this dataset, so that the check of others continues.
    """
    finding = Finding(row)
    # Remarks on the row itself need no files.
    for problem in row.get("contradictions", ()):
        finding.fault(ContradictionError(problem))
    try:
        finding.remark(*row.get("remarks", ()))
        for split in row["splits"]:
            _look_at_split(finding, split, data, every)
        if set(finding.pairs) == set(SPLITS):
            finding.remark(*of_both(row, finding.pairs["train"], finding.pairs["test"], every))
        finding.remark(*of_place(row, finding.pairs, data))
        finding.remark(*of_row(row))
    except DatasetError as problem:
        finding.fault(ContradictionError(problem))
    # Any error of one dataset must not stop the check of the others.
    except Exception as problem:  # noqa: BLE001
        finding.fault(problem)
    return finding


def _look_at_split(finding: Finding, split: str, data: Path, every: bool) -> None:
    """Open one split and record remarks on it, or why it cannot be opened."""
    try:
        pairs = open_pairs(finding.row, split, data)
        finding.remark(*of_split(finding.row, split, pairs, every))
    # It may be a format's refusal, a disk that fails, or a file of any content.
    except Exception as problem:  # noqa: BLE001
        finding.fault(problem)
    else:
        finding.pairs[split] = pairs


def contradictions(rows: Iterable[Row], data: Path) -> dict[str, str]:
    """Return the contradictions between rows and the files at their locations, by dataset.

    Nothing is decoded. Files that are absent here may be there where the job runs, so that is no
    contradiction.
    """
    refused: dict[str, str] = {}
    for row in rows:
        for split in SPLITS:
            try:
                compare(row, split, data)
            except ContradictionError as problem:
                refused.setdefault(row["name"], str(problem))
            # The job will report it, on the machine where the data is.
            except Exception:  # noqa: BLE001
                continue
    return refused


def printed(findings: Iterable[Finding], console: Console) -> None:
    """Print a line for each dataset, with its remarks."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("dataset", "format", *SPLITS, "is", "says"):
        side: JustifyMethod = "right" if name in SPLITS else "left"
        table.add_column(name, no_wrap=name != "says", justify=side, overflow="fold")
    for finding in findings:
        counts = [finding.count(split) for split in SPLITS]
        table.add_row(
            Text(finding.row["name"]),
            finding.row["format"],
            *counts,
            finding.state,
            Text("\n".join(finding.remarks)),
            style=STYLES[finding.state],
        )
    console.print(table)


def document(finding: Finding) -> dict[str, Any]:
    """Return the JSON object about one dataset that `python -m schema check --json` prints."""
    splits = {}
    for split in SPLITS:
        pairs = finding.pairs.get(split)
        splits[split] = {
            "wanted": split in finding.row["splits"],
            "pairs": None if pairs is None else len(pairs),
            "expected": finding.row[f"{split}_pairs"],
        }
    return {
        "dataset": finding.row["name"],
        "format": finding.row["format"],
        "state": finding.state,
        "splits": splits,
        "remarks": finding.remarks,
    }


def sheets(findings: Iterable[Finding], folder: Path) -> list[str]:
    """Draw a contact sheet of each dataset that is there, of its training pairs if it has any.

    A text file beside each picture holds the captions in full. Returns the files' names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for finding in findings:
        for split, pairs in list(finding.pairs.items())[:1]:
            name = finding.row["name"]
            file = folder / f"{name.replace('/', '_')}.png"
            places = some_of(name, pairs, PAIRS_SHOWN)
            try:
                title = f"{name}, {split}: {len(pairs):,} pairs"
                drawn(pairs, places, title).save(file)
                file.with_suffix(".txt").write_text(written(pairs, places), "utf-8")
            # These twelve raise the number of unreadable items above what the row allows.
            except DatasetError as problem:
                names.append(f"none of {name} ({problem})")
            else:
                names.append(file.name)
    return names


def main() -> int:
    """Return exit code 1 if a dataset that was asked for is absent or refused."""
    request = json.load(sys.stdin)
    if "compare" in request:
        print(json.dumps(contradictions(request["compare"], Path(request["data"]))))
        return 0
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
    findings = []
    for row in request["rows"]:
        # rich's status prints nothing where there is no terminal.
        with console.status(f"looking at {row['name']}"):
            findings.append(look(row, Path(request["data"]), request["every"]))
    drawn_files: list[str] = []
    if request["sheet"] is not None:
        drawn_files = sheets(findings, Path(request["sheet"]))
    missing = sum(finding.state != THERE for finding in findings)
    if request.get("json"):
        datasets = [document(finding) for finding in findings]
        print(json.dumps({"datasets": datasets, "sheets": drawn_files}))
        return 1 if missing else 0
    printed(findings, console)
    if request["sheet"] is not None:
        console.print(f"contact sheets in {request['sheet']}: {', '.join(drawn_files) or 'none'}")
    console.print(f"{len(findings) - missing} of {len(findings)} datasets are there")
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
