"""SIGKILLs of sync and of workers at random moments, while passes of sync follow one another."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from runner.run_folder import read_json
from schema.site import Site
from tests.processes import ROOT


@dataclass(kw_only=True)
class Kills:
    """A lab, the dice that say who is killed next, and how often who was."""

    site: Site
    dice: random.Random
    # Whether what started a worker is killed, too: on this machine that may be anybody's process
    parents: bool = True
    killed: Counter[str] = field(default_factory=Counter)
    sync: subprocess.Popen[bytes] | None = None

    def keep_syncing(self) -> None:
        """Start the next pass when the last one is over, however it ended."""
        if self.sync is None or self.sync.poll() is not None:
            self.sync = subprocess.Popen(
                [sys.executable, "-m", "runner.sync"],
                cwd=self.site.folder,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def kill_sync(self) -> bool:
        """Kill the pass that runs; return whether there was one."""
        if self.sync is None or self.sync.poll() is not None:
            return False
        self.sync.kill()
        self.sync.wait()
        return True

    def kill_worker(self) -> bool:
        """Kill a worker that trains, or the job around it; return whether there was one."""
        claims = [
            read_json(path)
            for path in self.site.runs.glob("[0-9]*/[0-9]*/claim")
            if not (path.parent / "outcome.json").exists()
        ]
        alive = [
            int(claim["pid"])
            for claim in claims
            if claim and not claim["revoked"] and Path(f"/proc/{claim['pid']}").exists()
        ]
        if not alive:
            return False
        pid = self.dice.choice(alive)
        try:
            if self.parents and self.dice.random() < 0.3:
                pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            os.kill(pid, signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            return False
        return True
