"""Compare dataset rows with the files at their locations, before a job exists.

Only the GPU half reads files, so this starts a process of it (`python -m streams.check`), which
reads no image and copies nothing. Only formats whose files name classes are compared, and a row
that matched is not compared again until it or its files change.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "compared"  # In the data folder: an empty file for each row that matched its files
LONGEST_S = 60.0  # Seconds for the comparison; whatever takes longer is left to the job
ENTRIES = 10_000  # How many files of a location are looked at to detect changes
Row = Mapping[str, Any]


class Comparison:
    """Compares datasets with their files, each once in a pass of sync.

    Attributes:
        refused: the contradiction of each row with its files, by the row's key; None without one.
    """

    def __init__(self, data: Path) -> None:
        self.data = data
        self.refused: dict[str, str | None] = {}

    def objections(self, rows: Iterable[Row]) -> list[str]:
        """Return messages on the contradictions between dataset rows and their files."""
        keys, unknown = list[str](), dict[str, Row]()
        for row in rows:
            if not self._can_be_compared(row):
                continue
            key = self._key(row)
            keys.append(key)
            # A match stays valid until the row or its files change, which changes the key.
            if key not in self.refused and not self._agreed(key).exists():
                unknown[key] = row
            self.refused.setdefault(key, None)
        # One process compares all of them, as it takes seconds to start.
        if unknown:
            self._compare(unknown)
        sentences = [self.refused[key] for key in dict.fromkeys(keys)]
        return [sentence for sentence in sentences if sentence is not None]

    def _compare(self, rows: Mapping[str, Row]) -> None:
        """Compare rows in a process of the GPU half, and store the results."""
        answer = run_streams("check", {"data": str(self.data), "compare": list(rows.values())})
        # No answer counts as no contradiction, as the job compares again where the data is.
        if answer is None:
            return
        refused = json.loads(answer)
        for key, row in rows.items():
            self.refused[key] = refused.get(row["name"])
            if row["name"] not in refused:
                self._remember(key)

    def _remember(self, key: str) -> None:
        """Store that a row matched; if it cannot be written, the next pass compares again."""
        try:
            self._agreed(key).parent.mkdir(parents=True, exist_ok=True)
            self._agreed(key).touch()
        except OSError:
            return

    def _agreed(self, key: str) -> Path:
        return self.data / FOLDER / key

    def _can_be_compared(self, row: Row) -> bool:
        """Return whether the files of a row exist here and may name classes."""
        location = row.get("location")
        if not location or not row["classes"] or "://" in location:
            return False
        file = ROOT / "streams/formats" / f"{row['format']}.py"
        return "def compare(" in file.read_text() and (self.data / location).exists()

    def _key(self, row: Row) -> str:
        """Return a hash of the row and of its files' names, sizes and times, as 32 hex digits."""
        about = {"row": {**row, "note": None}, "place": _times(self.data / row["location"])}
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]


def run_streams(module: str, request: Mapping[str, Any]) -> str | None:
    """Run a module of streams/ with a request; return its output, None if it failed or timed out.

    Its standard error is that of this process.
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", f"streams.{module}"]
    try:
        process = subprocess.run(
            command,
            input=json.dumps(request),
            text=True,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
            timeout=LONGEST_S,
        )
    except subprocess.TimeoutExpired:
        return None
    return process.stdout if process.returncode == 0 else None


def _times(place: Path) -> list[list[Any]]:
    """Return path, size and time of the first files at a location, and of their folders."""
    files = [place]
    for root, folders, names in os.walk(place):
        folders.sort()
        files += [Path(root) / name for name in sorted(names)]
        if len(files) > ENTRIES:
            break
    times = []
    for file in files[:ENTRIES]:
        try:
            about = file.stat()
        except OSError:
            continue
        times.append([os.fsencode(file).hex(), about.st_size, about.st_mtime_ns])
    return times
