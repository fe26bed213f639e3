"""A Slurm for PATH that does what a test says: fails, hangs, forgets, accepts and denies it. And, if let, runs the jobs.

    slurm = FakeSlurm(folder)               # jobs stay PENDING until the test says otherwise
    slurm = FakeSlurm(folder, hold=False)   # jobs run, two at once
    with slurm.loaded(): ...                # its commands are the first on PATH

The commands are `command.py`; its state is a file, so any process sees the same cluster.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from tests.fake_slurm import command

PROGRAMS = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "srun")
TIMED_OUT = "Unable to contact slurm controller (connect failure)"


class FakeSlurm:
    """One cluster, in a folder of its own. Every fault takes `times` (None: until `heal`) and `after`, the calls it lets pass."""

    def __init__(self, folder: Path, hold: bool = True, **changed: Any) -> None:
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        (folder / "state.json").write_text(json.dumps(command.FRESH | {"hold": hold} | changed))
        for name in PROGRAMS:
            words = [sys.executable, "-SE", command.__file__, name, str(folder)]
            (folder / "bin" / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
            (folder / "bin" / name).chmod(0o755)

    @contextmanager
    def loaded(self) -> Iterator[Self]:
        """Its commands are found first; afterwards they are not, and none of its jobs runs."""
        before = os.environ["PATH"]
        os.environ["PATH"] = f"{self.folder / 'bin'}{os.pathsep}{before}"
        try:
            yield self
        finally:
            os.environ["PATH"] = before
            self.stop()

    # ------------------------------------------------ what is so

    def jobs(self, *words: str) -> list[dict[str, Any]]:
        """Every job (array task), or those in these states."""
        with command.changed(self.folder) as state:
            return [job for job in state["jobs"] if not words or job["state"] in words]

    def calls(self, name: str | None = None) -> list[list[str]]:
        """The commands that were run, with their arguments."""
        path = self.folder / "calls.jsonl"
        made = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [words for words in made if name in (None, words[0])]

    # ------------------------------------------------ what goes wrong

    def answer(
        self,
        name: str,
        code: int = 0,
        stdout: str = "",
        stderr: str = "",
        times: int | None = None,
        after: int = 0,
    ) -> None:
        """A command does nothing and says this."""
        self._rule(name, "answer", times, after, answer=[code, stdout, stderr])

    def fail(
        self,
        name: str,
        code: int = 1,
        stderr: str = TIMED_OUT,
        times: int | None = None,
        after: int = 0,
    ) -> None:
        """A command cannot reach its daemon."""
        self.answer(name, code, "", f"{name}: error: {stderr}\n", times, after)

    def refuse(self, words: str, times: int | None = None, after: int = 0) -> None:
        """sbatch says no."""
        self.fail(
            "sbatch", stderr=f"Batch job submission failed: {words}", times=times, after=after
        )

    def hang(
        self,
        name: str,
        seconds: float,
        accepted: bool = False,
        times: int | None = None,
        after: int = 0,
    ) -> None:
        """A command is silent for so long before it does its work, or after it (`accepted`)."""
        self._rule(name, "accept_and_hang" if accepted else "hang", times, after, seconds=seconds)

    def accept_but_fail(self, name: str = "sbatch", times: int | None = 1, after: int = 0) -> None:
        """The job is queued, and sbatch says that the controller did not answer."""
        self._rule(name, "accept_but_fail", times, after)

    def kill_caller_after(
        self, name: str = "sbatch", times: int | None = 1, after: int = 0
    ) -> None:
        """The job is queued, and the sync that asked is killed before it hears that."""
        self._rule(name, "kill_caller", times, after)

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        with command.changed(self.folder) as state:
            state["rules"] = []

    def config(self, **changed: Any) -> None:
        """`MaxArraySize`, `MaxJobCount`, ... of `scontrol show config`."""
        with command.changed(self.folder) as state:
            state["config"] |= changed

    # ------------------------------------------------ what becomes of jobs

    def set_state(self, job_id: str, word: str, reason: str = "None", **changed: Any) -> None:
        """Of a job or of a whole array; also `exit`, `derived` and `steps` ([name, state, exit code] each) of `command.py`."""
        for job in self._changing(job_id):
            began = job["began"] or word not in ("PENDING", "CANCELLED")
            job |= {"state": word, "reason": reason, "began": began} | changed

    def forget(self, job_id: str, *names: str) -> None:
        """squeue (MinJobAge is over) or sacct (it was purged, or is late) does not know the job; by default neither does."""
        for job in self._changing(job_id):
            job["shown"] = [name for name in job["shown"] if names and name not in names]

    def remember(self, job_id: str) -> None:
        """Both know it (again)."""
        for job in self._changing(job_id):
            job["shown"] = ["squeue", "sacct"]

    def reuse(self, job_id: str, name: str, word: str) -> None:
        """An older job had this id: both commands name it before the new one, whatever they are asked for."""
        with command.changed(self.folder) as state:
            (job,) = command.found_jobs(state, job_id)
            state["jobs"].insert(
                0, job | {"name": name, "state": word, "began": True, "stubborn": True}
            )

    def release(self) -> None:
        """Nothing is on hold any more: what waits runs, and what will be submitted."""
        with command.changed(self.folder) as state:
            state["hold"] = False
            waiting = [job["id"] for job in state["jobs"] if job["state"] == "PENDING"]
        subprocess.run(
            [sys.executable, "-SE", command.__file__, "slurmd", str(self.folder), *waiting],
            check=True,
        )

    def stop(self) -> None:
        """End every job."""
        with command.changed(self.folder) as state:
            (self.folder / "kill_wait").write_text("0")
            for job in state["jobs"]:
                job["state"] = "CANCELLED" if job["state"] == "PENDING" else job["state"]
                (self.folder / f"{job['id']}.cancel").touch()
        deadline = time.monotonic() + 10
        while (
            any(_lives(job["supervisor"]) for job in self.jobs() if "supervisor" in job)
            and time.monotonic() < deadline
        ):
            time.sleep(command.PAUSE_S)

    def _rule(self, name: str, do: str, times: int | None, after: int, **more: Any) -> None:
        with command.changed(self.folder) as state:
            state["rules"].append(
                {"command": name, "do": do, "times": times, "after": after} | more
            )

    def _changing(self, job_id: str) -> Iterator[dict[str, Any]]:
        with command.changed(self.folder) as state:
            found = command.found_jobs(state, job_id)
            assert found, f"no job {job_id}; there are {[job['id'] for job in state['jobs']]}"
            yield from found


def _lives(pid: int) -> bool:
    """Whether a job's supervisor is there; a process that took its id since says otherwise of itself."""
    try:
        return b"command.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
