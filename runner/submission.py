"""A batch: the attempts that go to a backend in one call, and what is written down before and after it.

    runs/batches/weir-0f3a.../      the folder's name is the job's name, by which sync finds its jobs again
        manifest.json               who is in it, at which index, and what a job needs; there before the backend is asked
        asked.json                  written right before the backend is asked
        answer.json                 what it said: a job id per position, or why it refuses

A position is one job (one index of an array); several attempts may share it. Imports neither torch nor duckdb.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runner.run_folder import now, read_json, write_json
from schema.site import Needs


@dataclass(frozen=True)
class Batch:
    """What `manifest.json` says."""

    name: str
    backend: str
    code: Path  # the snapshot its attempts run
    threads: int
    needs: Needs
    positions: list[list[str]]  # attempt folders, relative to the run folder of the site
    runs: Path

    @property
    def folder(self) -> Path:
        """Where the batch's files are."""
        return batch_folder(self.runs, self.name)

    def attempts(self, position: int) -> list[Path]:
        """The attempt folders of a position."""
        return [self.runs / name for name in self.positions[position]]

    def write(self) -> None:
        """Put the manifest on disk."""
        self.folder.mkdir(parents=True, exist_ok=True)
        said = asdict(self) | {"code": str(self.code)}
        del said["runs"]
        write_json(self.folder / "manifest.json", said)

    @classmethod
    def read(cls, folder: Path) -> "Batch | None":
        """The batch of a folder; None when its manifest is not there."""
        said = read_json(folder / "manifest.json")
        if said is None:
            return None
        needs = said["needs"] | {
            "slurm": tuple((key, value) for key, value in said["needs"]["slurm"]),
            "setup": tuple(said["needs"]["setup"]),
        }
        return cls(
            **(
                said
                | {
                    "code": Path(said["code"]),
                    "needs": Needs(**needs),
                    "runs": folder.parent.parent,
                }
            )
        )

    def ask(self) -> None:
        """Note that the backend is about to be asked: from here on it may have the jobs, whatever it answered before."""
        (self.folder / "answer.json").unlink(missing_ok=True)
        write_json(self.folder / "asked.json", {"at": now()})

    def answered(self, **said: Any) -> None:
        """Note what it answered: `jobs` (an id per position) or `refused` (its words)."""
        write_json(self.folder / "answer.json", said | {"at": now()})


def batch_folder(runs: Path, name: str) -> Path:
    """Where the files of a batch are."""
    return runs / "batches" / name


def refused(runs: Path, name: str) -> str | None:
    """The words with which the backend refused a batch; None when it did not (or has not been asked)."""
    said = read_json(batch_folder(runs, name) / "answer.json")
    return None if said is None else said.get("refused")


def was_asked(runs: Path, name: str) -> bool:
    """Whether the backend may have heard of a batch."""
    return (batch_folder(runs, name) / "asked.json").exists()


def sweep(runs: Path, name: str) -> None:
    """Remove what only the submission needed, when all its attempts are over; who was in it and the logs stay."""
    for path in batch_folder(runs, name).glob("*"):
        if path.suffix not in (".json", ".out"):
            path.unlink(missing_ok=True)


def packed(items: list[Any], size: int) -> Iterator[list[Any]]:
    """Consecutive pieces of at most `size` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
