"""A separate lab for one measurement.

It is a folder with a catalog, a site.toml and a Slurm to submit to.
"""

import re
import shutil
from pathlib import Path

from benchmarks.measuring import BenchmarkError, Measured, Slurm, python, run
from benchmarks.sentences import grid

REPORT = re.compile(
    r"(\d+) submitted, (\d+) ended, (\d+) rows ingested, (\d+) refused; (\d+) running, (\d+) pending"
)
NUMBERS = ("submitted", "ended", "rows", "refused", "running", "pending")


class Lab:
    """A grid of `trials` trials (cut into `tasks`) to declare in a catalog, which `begin` makes. At most
    `in_flight` are submitted; `site` are more lines of site.toml."""

    def __init__(
        self,
        folder: Path,
        slurm: Slurm,
        trials: int,
        in_flight: int,
        tasks: int = 5,
        site: str = "",
    ) -> None:
        self.folder, self.slurm, self.trials = folder, slurm, trials
        folder.mkdir(parents=True, exist_ok=True)
        limits = f"max_in_flight = {in_flight}\ntime_limit_minutes = 60\ngpus_per_trial = 0"
        (folder / "site.toml").write_text(f'backend = "slurm"\n{limits}\n{site}\n')
        (folder / "grid.sql").write_text(grid(trials, tasks))

    def begin(self, words: Path) -> None:
        """Put a catalog with the vocabulary there: `words` is one, which the first call makes."""
        made = self.folder / "lab"
        if words.exists():
            shutil.copytree(words, made, symlinks=True)
        else:
            self.run("schema")
            shutil.copytree(made, words, symlinks=True)

    def run(self, *words: object) -> Measured:
        """Run one of Weir's commands, or a module of this folder."""
        return run(python(*words), self.folder, self.slurm.environment)

    def declare(self, new: int) -> Measured:
        """`python -m schema grid.sql`, which must find so many trials new."""
        return expected(
            self.run("schema", "grid.sql"), f"trial {new} new, {self.trials - new} there before"
        )

    def dry_run(self) -> Measured:
        """`python -m runner.sync --dry-run`, to which all trials must be pending."""
        return expected(self.run("runner.sync", "--dry-run"), f"{self.trials} pending in all")

    def sync(self, **wanted: int) -> Measured:
        """`python -m runner.sync`, which must report these of its numbers: submitted, ended, rows, refused, running, pending."""
        found = self.run("runner.sync")
        said = REPORT.search(found.output)
        report = dict(zip(NUMBERS, map(int, said.groups()), strict=True)) if said else {}
        if wanted.items() - report.items():
            raise BenchmarkError(
                f"sync should have reported {wanted}, but said: {found.output[:2000]}"
            )
        return found


def expected(found: Measured, words: str) -> Measured:
    """Return a measurement, after checking that the command did the intended work.

    Raises:
        BenchmarkError: the command did not say `words`.
    """
    if words not in found.output:
        raise BenchmarkError(f"this should have said {words!r}: {found.output[:2000]}")
    return found
