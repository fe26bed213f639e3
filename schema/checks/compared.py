"""Compare what dataset rows say with what the files at their places say, before a job exists.

Files are the other half's to read, so a process of it does that (`python -m streams.check`). It
reads no image and copies nothing. Only formats whose files name classes are asked, and a row that
agreed is not asked again until it or its place changes.
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
FOLDER = "compared"  # in the data folder: an empty file for each row that agreed with its files
LONGEST_S = 60.0  # what cannot be compared in that time, the job will say
ENTRIES = 10_000  # files of a place whose times tell whether it changed
Row = Mapping[str, Any]


class Comparison:
    """Compares datasets, each once in a pass.

    Attributes:
        refused: by the key of a row, how it contradicts its files; None where it does not.
    """

    def __init__(self, data: Path) -> None:
        self.data = data
        self.refused: dict[str, str | None] = {}

    def objections(self, rows: Iterable[Row]) -> list[str]:
        """Return how dataset rows contradict the files at their places, both sides named."""
        keys, unknown = list[str](), dict[str, Row]()
        for row in rows:
            if not self._can_be_compared(row):
                continue
            key = self._key(row)
            keys.append(key)
            # What agreed once agrees until the row or its place changes, and with them the key.
            if key not in self.refused and not self._agreed(key).exists():
                unknown[key] = row
            self.refused.setdefault(key, None)
        # One process for all of them, as it takes seconds to start.
        if unknown:
            self._compare(unknown)
        sentences = [self.refused[key] for key in dict.fromkeys(keys)]
        return [sentence for sentence in sentences if sentence is not None]

    def _compare(self, rows: Mapping[str, Row]) -> None:
        """Ask the other half, and remember what it says."""
        answer = run_streams("check", {"data": str(self.data), "compare": list(rows.values())})
        # No answer is no contradiction: the job will compare again, where the data is.
        if answer is None:
            return
        refused = json.loads(answer)
        for key, row in rows.items():
            self.refused[key] = refused.get(row["name"])
            if row["name"] not in refused:
                self._remember(key)

    def _remember(self, key: str) -> None:
        """Keep that a row agreed. Where nothing can be written, the next pass asks again."""
        try:
            self._agreed(key).parent.mkdir(parents=True, exist_ok=True)
            self._agreed(key).touch()
        except OSError:
            return

    def _agreed(self, key: str) -> Path:
        return self.data / FOLDER / key

    def _can_be_compared(self, row: Row) -> bool:
        """Tell whether the files of a row may name classes, and are there to be looked at."""
        location = row.get("location")
        if not location or not row["classes"] or "://" in location:
            return False
        file = ROOT / "streams/formats" / f"{row['format']}.py"
        return "def compare(" in file.read_text() and (self.data / location).exists()

    def _key(self, row: Row) -> str:
        """Return 32 hex digits that change with the row, and with the files at its place."""
        about = {"row": {**row, "note": None}, "place": _times(self.data / row["location"])}
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]


def run_streams(module: str, request: Mapping[str, Any]) -> str | None:
    """Return what a module of streams/ prints to a request; None if it failed or took too long.

    Its messages to people go where this process' go.
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
    """Return path, size and time of the first files at a place, and of the folders they lie in."""
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
