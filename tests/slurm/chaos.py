"""Random SIGKILLs of sync, workers, slurmd and slurmstepd while a grid runs on a real cluster.

    python -m tests.slurm.chaos --kills 500 --seed 1

Afterwards every trial must be done once, with the results of the same grid run undisturbed, to the
last bit. Prints what was killed and what became of it; docs/reliability.md keeps the record of the
long run.
"""

import argparse
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from schema import grid
from schema.catalog import Catalog
from tests.journey import LOCAL, ON_SLURM, STANDING, ask, declare, done_once, settle
from tests.kills import Kills
from tests.processes import command
from tests.slurm.census import daemons, send
from tests.slurm.cluster import Cluster
from tests.toy import toy_grid

NODES = 4
STEPS = 120
SITE = (
    ON_SLURM.replace("patience_s = 2", "patience_s = 5")
    + "max_in_flight = 8\n[retries]\n"
    + "".join(f"{kind} = 1000\n" for kind in ("killed", "no_result", "submit", "node_fail"))
)


@dataclass(kw_only=True)
class Chaos(Kills):
    """One run: a grid, its cluster, and what has been done to them."""

    cluster: Cluster
    trials: int

    def run(self, kills: int, pause_s: float) -> None:
        """Kill, at random moments `pause_s` apart on average, while sync passes follow one another."""
        victims: dict[str, Callable[[], bool]] = {
            "sync": self.kill_sync,
            "worker": self.kill_worker,
            "slurmd": self.kill_slurmd,
            "slurmstepd": self.kill_stepd,
        }
        while self.killed.total() < kills:
            self.keep_syncing()
            time.sleep(self.dice.expovariate(1 / pause_s))
            name = self.dice.choices(list(victims), [3, 4, 2, 1])[0]
            if victims[name]():
                self.killed[name] += 1
                if self.killed.total() % 10 == 0:
                    print(
                        f"{self.killed.total()} kills, {self.done()} of {self.trials} trials done",
                        flush=True,
                    )
            if self.done() > self.trials - 4:
                self.more()
        if self.sync is not None:
            self.sync.wait()

    def kill_slurmd(self) -> bool:
        """It comes back after some seconds, as a supervised daemon does."""
        node = f"n{self.dice.randint(1, NODES)}"
        if not daemons(self.cluster.folder, "slurmd", node):
            # It ended by itself, as when a job of a dead step is left on it
            self.cluster.restart("slurmd", node)
        self.cluster.kill("slurmd", node)
        time.sleep(self.dice.random())
        self.cluster.restart("slurmd", node)
        return True

    def kill_stepd(self) -> bool:
        steps = self.cluster.stepds()
        if not steps:
            return False
        send([self.dice.choice(steps)], signal.SIGKILL)
        return True

    def done(self) -> int:
        """Trials done, as the last snapshot has it."""
        import duckdb

        if not self.site.current.exists():
            return 0
        with duckdb.connect(str(self.site.current.resolve()), read_only=True) as connection:
            found = connection.execute(
                "SELECT count(*) FROM outcome WHERE state = 'done'"
            ).fetchone()
        return int(found[0]) if found else 0

    def more(self) -> None:
        """The grid must not be over before the killing is."""
        self.trials += 10
        with Catalog(self.site.catalog, wait_s=60).open() as connection:
            grid.apply(connection, toy_grid(self.trials, STEPS), "more")


def run(kills: int, seed: int, trials: int, pause_s: float, folder: Path) -> Chaos:
    """The whole of it; raises AssertionError unless every trial is done once, with the results of a
    quiet run.
    """
    with Cluster(
        Path(tempfile.mkdtemp(prefix="weir-")),
        nodes=NODES,
        cpus=1,
        gpus=0,
        extra="SlurmdTimeout=10",
    ) as cluster:
        try:
            with cluster.loaded():
                chaos = Chaos(
                    site=declare(folder / "chaos", SITE, trials, STEPS),
                    cluster=cluster,
                    dice=random.Random(seed),
                    trials=trials,
                )
                chaos.run(kills, pause_s)
                cluster.wait_ready()
                settle(chaos.site, 1200)
        finally:
            shutil.rmtree(cluster.folder, ignore_errors=True)
    quiet = declare(folder / "quiet", LOCAL + "trials_per_job = 20\n", chaos.trials, STEPS)
    watched = command(quiet.folder, "runner.sync", "--watch")
    assert watched.returncode == 0, watched.stderr
    done_once(chaos.site, ask(quiet, STANDING))
    return chaos


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--trials",
        type=int,
        default=60,
        help="of the grid at first; more are inserted while kills are left",
    )
    parser.add_argument("--pause_s", type=float, default=1.5, help="between two kills, on average")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="weir-chaos-") as place:
        for name in ("chaos", "quiet"):
            (Path(place) / name).mkdir()
        chaos = run(asked.kills, asked.seed, asked.trials, asked.pause_s, Path(place))
        ends = ask(
            chaos.site,
            "SELECT state, coalesce(kind, ''), count(*) FROM outcome GROUP BY ALL ORDER BY ALL",
        )
    print(
        f"{chaos.killed.total()} SIGKILLs in {time.monotonic() - began:.0f} s, seed {asked.seed}: {dict(chaos.killed)}"
    )
    print(
        f"{chaos.trials} trials, all done once, results equal to the undisturbed run; ends of attempts:"
    )
    for state, kind, count in ends:
        print(f"  {state} {kind}: {count}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
