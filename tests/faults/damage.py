"""Damages and kills at random moments, from outside, while a grid of tiny trials really runs.

    python -m tests.faults.damage --rounds 500 --seed 1

Workers, jobs and syncs of the local backend are killed, and files of the lab removed, emptied, cut,
changed, exchanged and put in the way of; folders below lab/ go. Afterwards every trial must be done
once, with the results of the same grid run undisturbed, to the last bit, and no sync may have ended
with a traceback. docs/reliability.md keeps the record of the long run.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from runner.run_folder import read_json
from schema import grid
from schema.catalog import Catalog, CatalogBusyError
from schema.site import Site
from tests.faults.wreck import DAMAGES
from tests.journey import APART, STANDING, ask, declare, done_once, settle
from tests.processes import ROOT, command
from tests.toy import toy_grid

STEPS = 40
KINDS = ("killed", "no_result", "submit", "error", "timeout", "preempted", "code_drift")
SITE = (
    APART
    + "trials_at_once = 2\ntrials_per_job = 3\n[retries]\nsame_errors = 100000\n"
    + "".join(f"{kind} = 1000\n" for kind in KINDS)
)
# What may be removed at any time
FOLDERS = ("snapshot", "declared", "code", "store", "runs/batches/*", "runs/[0-9]*/[0-9]*")


@dataclass
class Damage:
    """One run: a grid, and what has been done to it."""

    site: Site
    dice: random.Random
    trials: int
    done: Counter[str] = field(default_factory=Counter)
    sync: subprocess.Popen[bytes] | None = None
    tracebacks: list[str] = field(default_factory=list)

    def run(self, rounds: int, pause_s: float) -> None:
        """Damage and kill, `pause_s` apart on average, while passes follow one another."""
        deeds: dict[str, Callable[[], str | None]] = {
            "damaged": self.damage_a_file,
            "removed": self.remove_a_folder,
            "sync killed": self.kill_sync,
            "worker killed": self.kill_worker,
        }
        while self.done.total() < rounds:
            self.keep_syncing()
            time.sleep(self.dice.expovariate(1 / pause_s))
            deed = self.dice.choices(list(deeds), [6, 1, 1, 2])[0]
            with suppress(OSError):
                # Gone meanwhile
                what = deeds[deed]()
                if what is not None:
                    self.done[f"{deed} {what}".strip()] += 1
            if self.done.total() % 20 == 0 and self.finished() > self.trials - 3:
                self.more()
        if self.sync is not None:
            self.reap()

    def keep_syncing(self) -> None:
        """Start the next pass when the last one is over, however it ended."""
        if self.sync is not None and self.sync.poll() is None:
            return
        self.reap()
        # The process has the file for itself once it runs
        with (self.site.folder / "errors.txt").open("wb") as errors:
            self.sync = subprocess.Popen(
                [sys.executable, "-m", "runner.sync"],
                cwd=self.site.folder,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def reap(self) -> None:
        """Wait for a pass, and keep what it said if it ended with a traceback."""
        if self.sync is None:
            return
        self.sync.wait()
        said = (self.site.folder / "errors.txt").read_text(errors="replace")
        if "Traceback" in said:
            self.tracebacks.append(said)

    def damage_a_file(self) -> str | None:
        """One of a run folder or a submission, also of those that run just now."""
        files = [path for path in self.site.runs.glob("*/*/*") if path.is_file()]
        if not files:
            return None
        path, how = self.dice.choice(files), self.dice.choice(DAMAGES)
        how(path, self.dice, self.dice.choice(files))
        return how.__name__

    def remove_a_folder(self) -> str | None:
        name = self.dice.choice(FOLDERS)
        found = sorted(self.site.catalog.parent.glob(name))
        if not found:
            return None
        shutil.rmtree(self.dice.choice(found), ignore_errors=True)
        return name

    def kill_sync(self) -> str | None:
        if self.sync is None or self.sync.poll() is not None:
            return None
        self.sync.kill()
        return ""

    def kill_worker(self) -> str | None:
        alive = []
        for path in self.site.runs.glob("[0-9]*/[0-9]*/claim"):
            claim = read_json(path)
            pid = claim.get("pid") if isinstance(claim, dict) else None
            if isinstance(pid, int) and self.is_ours(pid):
                alive.append(pid)
        if not alive:
            return None
        os.kill(self.dice.choice(alive), 9)
        return ""

    def is_ours(self, pid: int) -> bool:
        """Whether a process works in this lab: a damaged claim may name any."""
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            return False
        return "runner.job" in words and str(self.site.folder) in words

    def finished(self) -> int:
        """Trials done."""
        with suppress(CatalogBusyError):
            ((count,),) = ask(self.site, "SELECT count(*) FROM outcome WHERE state = 'done'")
            return int(count)
        return 0

    def more(self) -> None:
        """The grid must not be over before the damage is."""
        self.trials += 5
        with suppress(CatalogBusyError), Catalog(self.site.catalog, wait_s=60).open() as connection:
            grid.apply(connection, toy_grid(self.trials, STEPS), "more")


def run(rounds: int, seed: int, trials: int, pause_s: float, folder: Path) -> Damage:
    """Do all of it.

    Raises:
        AssertionError: a trial is not done once, a result is another, or a sync ended in a
            traceback.
    """
    for name in ("damaged", "quiet"):
        (folder / name).mkdir()
    site = declare(folder / "damaged", SITE, trials, STEPS)
    damage = Damage(site, random.Random(seed), trials)
    damage.run(rounds, pause_s)
    settle(site, 1200)
    assert damage.tracebacks == [], damage.tracebacks[0]
    quiet = declare(folder / "quiet", APART + "trials_per_job = 20\n", damage.trials, STEPS)
    watched = command(quiet.folder, "runner.sync", "--watch")
    assert watched.returncode == 0, watched.stderr
    done_once(site, ask(quiet, STANDING))
    return damage


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trials", type=int, default=12, help="of the grid at first")
    parser.add_argument("--pause_s", type=float, default=0.5, help="between two, on average")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="weir-damage-") as place:
        damage = run(asked.rounds, asked.seed, asked.trials, asked.pause_s, Path(place))
    print(f"{damage.done.total()} in {time.monotonic() - began:.0f} s, seed {asked.seed}")
    for deed, count in sorted(damage.done.items()):
        print(f"  {deed}: {count}")
    print(f"{damage.trials} trials, all done once, results equal to the undisturbed run")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
