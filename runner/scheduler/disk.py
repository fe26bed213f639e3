"""The disk of the lab: what takes how much of it, and keeping to `disk_gb` of site.toml.

A walk over all run folders takes seconds in a large lab, so it is done at most every PAUSE_S, in a
pass that changed something or has a limit to keep to, and what it found stays in `disk_use`. The
datasets are not counted: they are not the lab's to keep small.

Above the limit goes first what costs nobody anything: tensors that no weights name, then
checkpoints of trials that are over, then the store of shared work, then code that nothing queued or
running uses. Results, receipts and weights never go. Where that is not enough, a person is told,
and nothing new starts.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from runner import code_snapshot
from runner.records import DamagedFileError
from runner.scheduler import tensor_collection
from runner.scheduler.report import Report
from runner.scheduler.tidy import drop_checkpoints
from runner.tensor_store import TENSORS
from schema.catalog import transaction
from schema.site import Site

PAUSE_S = 600
# ... and where the limit was exceeded, since somebody may have made room
PAUSE_OVER_S = 60
# Trials, their studies, and whether no attempt goes on from their checkpoints by itself
TRIALS = """
SELECT t.id, coalesce(t.study, ''),
       g.state NOT IN ('pending', 'waiting', 'running', 'submitting')
       AND t.id NOT IN (SELECT r.trial FROM retraining r WHERE r.live OR NOT r.over)
FROM trial t JOIN stage g ON g.trial = t.id
"""
USED_CODE = "SELECT DISTINCT code FROM attempt ANTI JOIN outcome USING (trial, attempt)"


@dataclass
class Use:
    """The files of one study and kind."""

    bytes: int = 0
    spare_bytes: int = 0
    files: int = 0


@dataclass(frozen=True)
class Spare:
    """Files that may go together, and whose they are."""

    path: Path
    # The study and the kind that they are counted under
    use: tuple[str, str]
    bytes: int


@dataclass
class Measure:
    """The use of the disk by study and kind, and what could go."""

    uses: dict[tuple[str, str], Use] = field(default_factory=dict)
    # Folders of the trials that are over and left checkpoints
    spare_trials: dict[Path, Spare] = field(default_factory=dict)
    # Snapshots of code that nothing uses
    spare_code: list[Path] = field(default_factory=list)
    # Why no tensor may go, though some may be named by nothing; "": nothing stands in the way
    blocked: str = ""
    # By study and kind: the bytes that were removed
    removed: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, study: str, kind: str, size: int, spare: bool) -> None:
        """Count a file."""
        use = self.uses.setdefault((study, kind), Use())
        use.bytes += size
        use.files += 1
        if spare:
            use.spare_bytes += size

    def remove(self, use: tuple[str, str], size: int) -> None:
        """Count what has been removed."""
        self.removed[use] = self.removed.get(use, 0) + size

    @property
    def bytes(self) -> int:
        """Return the bytes of all files."""
        return sum(use.bytes for use in self.uses.values())


def keep(site: Site, connection: duckdb.DuckDBPyConnection, report: Report, changed: bool) -> None:
    """Measure the disk now and then, and remove what may go where it takes more than `disk_gb`.

    `changed`: the pass changed something. Notes in `report` what was removed, and a problem where
    that is not enough.
    """
    limited = site.disk_gb > 0
    pause_s = PAUSE_OVER_S if is_over(site, connection) else PAUSE_S
    if (changed or limited) and _is_due(connection, pause_s):
        measured = measure(site, connection)
        if limited and measured.bytes > 1e9 * site.disk_gb:
            if measured.blocked:
                report.problem("tensors", measured.blocked)
            removed = _make_room(site, measured)
            if removed:
                report.removed += removed
                gone = measured.removed
                measured = measure(site, connection)
                measured.removed = gone
        _store(connection, measured)
        report.noted = True
    if is_over(site, connection):
        report.problem(
            "disk_gb",
            f"the lab takes {used_bytes(connection) / 1e9:.3g} GB of the {site.disk_gb:g} of "
            "disk_gb in site.toml, and nothing more may go by itself; nothing new is started. "
            "Raise disk_gb, or remove what you do not need: python -m queries disk",
        )


def is_over(site: Site, connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the lab took more than `disk_gb` when it was measured last."""
    return site.disk_gb > 0 and used_bytes(connection) > 1e9 * site.disk_gb


def used_bytes(connection: duckdb.DuckDBPyConnection) -> int:
    """Return what the lab took when it was measured last."""
    row = connection.execute("SELECT coalesce(sum(bytes), 0)::BIGINT FROM disk_use").fetchone()
    return int(row[0]) if row else 0


def measure(site: Site, connection: duckdb.DuckDBPyConnection) -> Measure:
    """Walk over the files of the lab, and return what takes how much."""
    trials = {}
    for trial, study, over in connection.execute(TRIALS).fetchall():
        trials[f"{trial:06d}"] = (study, over)
    measured = Measure()
    _measure_tensors(site, measured)
    for folder in _entries(site.runs):
        if folder.name == TENSORS:
            continue
        study, over = trials.get(folder.name, ("", False))
        for path, size in _files(folder.path):
            kind = _kind(folder.name, Path(path).name, folder.name in trials)
            spare = over and kind == "checkpoints"
            measured.add(study, kind, size, spare)
            if spare:
                place = Path(folder.path)
                known = measured.spare_trials.get(place)
                total = size + (known.bytes if known is not None else 0)
                measured.spare_trials[place] = Spare(place, (study, kind), total)
    used = {code for (code,) in connection.execute(USED_CODE).fetchall()}
    # What is submitted next runs the code of the tree
    used.add(code_snapshot.identity(code_snapshot.ROOT))
    for folder in _entries(site.code):
        spare = folder.name not in used
        if spare:
            measured.spare_code.append(Path(folder.path))
        for _, size in _files(folder.path):
            measured.add("", "code", size, spare)
    for _, size in _files(site.store):
        measured.add("", "store", size, spare=True)
    for _, size in _files(site.snapshot):
        measured.add("", "snapshots", size, spare=False)
    for entry in _entries(site.catalog.parent):
        if entry.name.startswith(site.catalog.name) and entry.is_file():
            measured.add("", "catalog", entry.stat().st_size, spare=False)
    return measured


def _measure_tensors(site: Site, measured: Measure) -> None:
    """Count the tensors that trials have in common, each once."""
    found = tensor_collection.contents(site.runs)
    if found.files:
        measured.uses["", TENSORS] = Use(found.size, found.unnamed, found.files)
    measured.blocked = found.blocked


def _kind(folder: str, name: str, known: bool) -> str:
    """Return the kind of a file below `runs`, by its name and that of the folder it is in."""
    if folder == "batches":
        return "submissions"
    if not known:
        return "set_aside"
    if name.lstrip(".").startswith("checkpoint-"):
        return "checkpoints"
    if name.endswith(".safetensors"):
        return "weights"
    if name.startswith("task-"):
        return "results"
    return "logs" if name.startswith("log") else "other"


def _make_room(site: Site, measured: Measure) -> list[str]:
    """Remove what may go, until the lab takes no more than `disk_gb`.

    Returns what went, in words.
    """
    excess = measured.bytes - 1e9 * site.disk_gb
    removed = []
    steps: list[tuple[str, Callable[[float], int]]] = [
        ("tensors that no weights name", lambda most: _drop_tensors(site, measured)),
        ("checkpoints of trials that are over", lambda most: _drop_checkpoints(measured, most)),
        ("the store", lambda most: _drop_folders(measured, "store", _below(site.store), most)),
        (
            "code that nothing uses",
            lambda most: _drop_folders(measured, "code", measured.spare_code, most),
        ),
    ]
    for words, step in steps:
        if excess > 0:
            freed = step(excess)
            excess -= freed
            if freed:
                removed.append(f"{freed / 1e9:.3g} GB of {words}")
    return removed


def _drop_tensors(site: Site, measured: Measure) -> int:
    """Remove tensors that no weights name; return how many bytes are free."""
    try:
        freed = tensor_collection.collect(site.runs)
    except (OSError, DamagedFileError):
        # Said as a problem already, or by the next pass
        return 0
    measured.remove(("", TENSORS), freed)
    return freed


def _drop_checkpoints(measured: Measure, most: float) -> int:
    """Remove checkpoints of whole trials until `most` bytes are free; return how many are."""
    freed = 0
    for folder, spare in sorted(measured.spare_trials.items()):
        if freed >= most:
            break
        attempts = [path for path in folder.glob("[0-9]*") if path.name.isdecimal()]
        drop_checkpoints(attempts, 0)
        measured.remove(spare.use, spare.bytes)
        freed += spare.bytes
    return freed


def _drop_folders(measured: Measure, kind: str, paths: Iterable[Path], most: float) -> int:
    """Remove files and folders, the longest unchanged first, until `most` bytes are free."""
    freed = 0
    for path in sorted(paths, key=_changed_at):
        if freed >= most:
            break
        size = sum(size for _, size in _files(path))
        # Whoever uses one of them at this moment makes it again
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        measured.remove(("", kind), size)
        freed += size
    return freed


def _below(folder: Path) -> Iterator[Path]:
    """Yield what may go of the store one by one: its entries, and of its folders theirs."""
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from (Path(each.path) for each in _entries(entry.path))
        else:
            yield Path(entry.path)


def _changed_at(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    """Return the entries of a folder by name; none where it is not there or cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _files(path: Path | str) -> Iterator[tuple[str, int]]:
    """Yield every file below a path and its size; what goes meanwhile is passed over."""
    if Path(path).is_file():
        with contextlib.suppress(OSError):
            yield str(path), Path(path).stat().st_size
    for entry in _entries(path):
        with contextlib.suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry.path, entry.stat(follow_symlinks=False).st_size


def _is_due(connection: duckdb.DuckDBPyConnection, pause_s: float) -> bool:
    """Return whether the last measurement is older than `pause_s`, or there is none."""
    row = connection.execute(
        "SELECT coalesce(bool_and(measured_at < now() - to_seconds(?)), true) FROM disk_use",
        [pause_s],
    ).fetchone()
    return bool(row and row[0])


def _store(connection: duckdb.DuckDBPyConnection, measured: Measure) -> None:
    """Put a measurement in the place of the last one; what was removed is added up."""
    earlier = connection.execute(
        "SELECT study, kind, removed_bytes FROM disk_use WHERE removed_bytes > 0"
    ).fetchall()
    for study, kind, size in earlier:
        measured.remove((study, kind), size)
    rows = []
    for study, kind in {**measured.uses, **measured.removed}:
        # Of some nothing is left
        use = measured.uses.get((study, kind), Use())
        gone = measured.removed.get((study, kind), 0)
        rows.append((study, kind, use.bytes, use.spare_bytes, use.files, gone))
    with transaction(connection):
        connection.execute("DELETE FROM disk_use")
        if rows:
            connection.executemany(
                "INSERT INTO disk_use (study, kind, bytes, spare_bytes, files, removed_bytes) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )
