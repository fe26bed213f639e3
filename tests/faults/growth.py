"""What a lab holds on the disk after each trial was killed many times, beside an undisturbed lab.

    python -m tests.faults.growth --trials 100 --kills 20

Every worker of the local backend ends by SIGKILL a step after its first checkpoint, until each
trial was killed so many times; then all go on to their end. The results must be those of the same
grid run undisturbed, to the last bit. docs/reliability.md keeps the record.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from schema.site import Site
from tests.faults.damage import KINDS
from tests.journey import LOCAL, STANDING, ask, crashing, declare, done_once, one_pass, settle

RETRIES = "[retries]\nsame_errors = 100000\n" + "".join(f"{kind} = 1000\n" for kind in KINDS)


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Bytes by folder of lab/, of the lab whose trials were killed and of the other."""

    killed: dict[str, int]
    undisturbed: dict[str, int]
    attempts: int

    @property
    def ratio(self) -> float:
        """Return how many times the bytes of the undisturbed lab the other holds."""
        return sum(self.killed.values()) / sum(self.undisturbed.values())


def run(trials: int, kills: int, folder: Path) -> Growth:
    """Do all of it.

    Raises:
        AssertionError: a trial is not done once, or a result is another.
    """
    for name in ("killed", "quiet"):
        (folder / name).mkdir()
    text = LOCAL + f"trials_at_once = 2\ntrials_per_job = {max(1, trials // 2)}\n"
    # A step for each kill, and some that are left
    site = declare(folder / "killed", text + RETRIES, trials, kills + 10)
    with crashing("step:2"):
        while _attempts(site) < trials * kills:
            one_pass(site)
            time.sleep(0.5)
    settle(site, 3600)
    quiet = declare(folder / "quiet", text, trials, kills + 10)
    settle(quiet, 3600)
    done_once(site, ask(quiet, STANDING))
    return Growth(killed=_bytes(site), undisturbed=_bytes(quiet), attempts=_attempts(site))


def _attempts(site: Site) -> int:
    """Return how many attempts have ended."""
    ((count,),) = ask(site, "SELECT count(*) FROM outcome")
    return int(count)


def _bytes(site: Site) -> dict[str, int]:
    """Return the bytes of the files below each folder of the lab, and of its files as `.`."""
    lab = site.catalog.parent
    found: dict[str, int] = {}
    for path in lab.rglob("*"):
        if path.is_file() and not path.is_symlink():
            parts = path.relative_to(lab).parts
            folder = parts[0] if len(parts) > 1 else "."
            found[folder] = found.get(folder, 0) + path.stat().st_size
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and print what each folder holds."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.growth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--kills", type=int, default=20, help="of each trial")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="weir-growth-") as place:
        growth = run(options.trials, options.kills, Path(place))
    print(f"{options.trials} trials, {growth.attempts} attempts, {time.monotonic() - began:.0f} s")
    for name in sorted(growth.undisturbed | growth.killed):
        before, after = growth.undisturbed.get(name, 0), growth.killed.get(name, 0)
        print(f"  {name}: {before / 1e6:.2f} MB undisturbed, {after / 1e6:.2f} MB")
    print(f"{growth.ratio:.2f} times the bytes of the undisturbed lab")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
