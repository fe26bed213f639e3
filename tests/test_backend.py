"""The local backend: slots, liveness by inherited locks, survival of whoever started the worker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runner.backend import ROOT, Local, State, UnknownBackendError, backend
from runner.folder import Job, RunFolder, attempt_folder
from schema.site import Site
from schema.spec import Spec

# the real worker, on a definition that fails as soon as it has loaded: what is tested here is who lives and who knows
BROKEN = Spec({}, {"tasks": 1}, {}, {}, {}, {}, 0)


def eventually(condition: Callable[[], bool], wait_s: float = 60) -> bool:
    deadline = time.monotonic() + wait_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def folders(site: Site, count: int) -> list[Path]:
    made = [attempt_folder(site.runs, trial, 1) for trial in range(1, count + 1)]
    for trial, path in enumerate(made, 1):
        RunFolder(path).create(BROKEN, Job(trial, 1, "b", trial, str(site.data)))
    return made


def test_unknown_backend(site: Site) -> None:
    with pytest.raises(UnknownBackendError, match="unknown backend 'locl'. Known: local. Did you mean 'local'"):
        backend("locl", site)


@pytest.mark.slow
def test_slots_bound_what_runs_and_free_themselves(site: Site) -> None:
    place = Local(replace(site, trials_at_once=2))
    made = folders(site, 3)
    assert place.room() == 2
    jobs = place.submit(made)
    assert [bool(job) for job in jobs] == [True, True, False]
    assert place.room() == 0
    assert place.states(jobs[:2]) == {jobs[0]: State.RUNNING, jobs[1]: State.RUNNING}
    assert Local(replace(site, trials_at_once=2)).room() == 0  # another process would see the same
    assert eventually(lambda: place.room() == 2)
    assert set(place.states(jobs[:2]).values()) == {State.GONE}
    for path in made[:2]:
        outcome = RunFolder(path).outcome()
        assert outcome is not None and (outcome["state"], outcome["kind"]) == ("failed", "error")
        assert "Traceback" in RunFolder(path).log_tail()
    assert place.find(made) == {made[0]: str(made[0]), made[1]: str(made[1])}


@pytest.mark.slow
def test_a_worker_survives_its_starter_and_kill_9_frees_its_slot(site: Site) -> None:
    (path,) = folders(site, 1)
    code = (
        "import sys, os, signal; from pathlib import Path; from runner.backend import Local; from schema.site import Site\n"
        "Local(Site.load(Path(sys.argv[1]))).submit([Path(sys.argv[2])]); os.kill(os.getpid(), signal.SIGKILL)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, str(site.folder), str(path)], cwd=ROOT)
    starter.wait()
    place = Local(site)
    assert place.states([str(path)]) == {str(path): State.RUNNING}
    assert eventually(lambda: (path / "claim").exists())
    pid = int((RunFolder(path).path / "claim").read_text().split('"pid":')[1].split(",")[0].rstrip("}"))
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: place.states([str(path)]) == {str(path): State.GONE})
    assert place.room() == place.slots
