"""A submission: the attempts that go to a backend in one call, and what is written down around it.

    runs/batches/weir-0f3a.../      the folder's name is the job's name: sync finds its jobs by it
        manifest.json               who is in it, at which index, and what a job needs; there before
                                    the backend is asked
        asked.json                  written right before the backend is asked
        answer.json                 what it said: a job id per position, or why it refuses

A position is one job (one index of an array); several attempts may share it. Imports neither torch
nor duckdb.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runner.records import DamagedFileError, FileRecord, opened, read_object, sealed
from runner.run_folder import now, write_json
from schema.files import make_folder
from schema.site import Needs


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The attempts that go to a backend in one call; `manifest.json` says the same."""

    name: str
    backend: str
    # The snapshot that its attempts run
    code: Path
    threads: int
    needs: Needs
    # Attempt folders, relative to the run folder of the site
    positions: list[list[str]]
    runs: Path

    @property
    def folder(self) -> Path:
        """Where the submission's files are."""
        return submission_folder(self.runs, self.name)

    def attempts(self, position: int) -> list[Path]:
        """Return the attempt folders of a position."""
        return [self.runs / name for name in self.positions[position]]

    def write(self) -> None:
        """Put the manifest on disk."""
        make_folder(self.folder.parent)
        self.folder.mkdir(exist_ok=True)
        manifest = asdict(self) | {"code": str(self.code)}
        del manifest["runs"]
        write_json(self.folder / "manifest.json", sealed(manifest))

    @classmethod
    def read(cls, folder: Path) -> "Submission | None":
        """Return the submission of a folder; None when its manifest is not there.

        Raises:
            DamagedFileError: the manifest is not what was written, or of another submission.
        """
        path = folder / "manifest.json"
        value = read_object(path)
        if value is None:
            return None
        manifest = Manifest.of(path, opened(path, value))
        if manifest.name != folder.name:
            raise DamagedFileError(path, f"is of {manifest.name}, not of {folder.name}")
        return cls(
            name=manifest.name,
            backend=manifest.backend,
            code=Path(manifest.code),
            threads=manifest.threads,
            needs=_needs(path, manifest.needs),
            positions=manifest.positions,
            runs=folder.parent.parent,
        )

    def ask(self) -> None:
        """Note that the backend is about to be asked.

        From here on it may have the jobs, whatever it answered before.
        """
        (self.folder / "answer.json").unlink(missing_ok=True)
        write_json(self.folder / "asked.json", {"at": now()})

    def answered(self, *, jobs: list[str] | None = None, refused: str | None = None) -> None:
        """Note what the backend answered: an id per position, or the words of its refusal."""
        answer: dict[str, Any] = {"at": now()}
        if jobs is not None:
            answer["jobs"] = jobs
        if refused is not None:
            answer["refused"] = refused
        write_json(self.folder / "answer.json", sealed(answer))


@dataclass(frozen=True, kw_only=True)
class Manifest(FileRecord):
    """The fields of manifest.json as JSON has them."""

    name: str
    backend: str
    code: str
    threads: int
    needs: dict[str, Any]
    positions: list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Answer(FileRecord):
    """`answer.json`: what the backend said.

    `jobs` has an id per position, "" for one that was not started.
    """

    at: str
    jobs: list[str] | None = None
    refused: str | None = None


def _needs(path: Path, fields: dict[str, Any]) -> Needs:
    """Return the needs of a manifest, whose pairs and lists are tuples again.

    Raises:
        DamagedFileError: an unknown need, or a value of another type.
    """
    try:
        options = tuple((str(key), value) for key, value in fields["slurm"])
        setup = tuple(str(line) for line in fields["setup"])
        needs = Needs(**(fields | {"slurm": options, "setup": setup}))
        for name, value in vars(needs).items():
            if name not in ("slurm", "setup") and not isinstance(value, int | float):
                raise ValueError("a need that is no number")

        return needs
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(path, f"has needs that this code does not know: {error}") from error


def submission_folder(runs: Path, name: str) -> Path:
    """Return where the files of a submission are."""
    return runs / "batches" / name


def answer_of(runs: Path, name: str) -> Answer | None:
    """Return what the backend answered to a submission; None while it has not.

    Raises:
        DamagedFileError: the answer is not what was written.
    """
    return Answer.read(submission_folder(runs, name) / "answer.json")


def was_asked(runs: Path, name: str) -> bool:
    """Return whether the backend may have heard of a submission."""
    return (submission_folder(runs, name) / "asked.json").exists()


def sweep(runs: Path, name: str) -> None:
    """Remove what only the submitting needed, when all its attempts are over.

    Who was in it and the logs stay.
    """
    for path in submission_folder(runs, name).glob("*"):
        if path.suffix not in (".json", ".out") and path.is_file():
            path.unlink(missing_ok=True)


def packed(items: list[Any], size: int) -> Iterator[list[Any]]:
    """Yield consecutive pieces of at most `size` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
