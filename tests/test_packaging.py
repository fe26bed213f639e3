"""The wheel holds everything: built, installed away from the checkout, and used for a tiny trial."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from schema.checks import parts
from schema.questions import all_questions

ROOT = Path(__file__).resolve().parent.parent
REGISTRIES = (
    "methods/tuning",
    "methods/objectives",
    "methods/merging",
    "methods/repair",
    "methods/selection",
    "methods/mixing",
    "methods/ensembles",
    "methods/optimizers.py",
    "methods/schedules.py",
    "streams/formats",
    "streams/buffers.py",
    "streams/orderings.py",
)
FOLDERS = ("evals", "runner/backends", "schema/rows", "screens")
# Prints where the code lies, and what there is of each kind, as JSON
LIST = f"""
import json
from pathlib import Path
import app, evals, methods.mergings, runner.trial, schema, streams.check
from schema.checks import parts
from schema.questions import all_questions
found = {{name: parts.names(name) for name in {REGISTRIES}}}
for name in {FOLDERS}:
    found[name] = sorted(path.name for path in (parts.ROOT / name).glob("[!_]*.*"))
found["questions"] = [question.file for question in all_questions()]
print(json.dumps({{"root": str(parts.ROOT), "found": found}}))
"""
GRID = """
INSERT INTO suite (name) VALUES ('tiny');
INSERT INTO suite_member (suite, dataset, role, metric) VALUES ('tiny', 'shape', 'retain', 'top1');
INSERT INTO stream (name, sequence, tasks, suite) VALUES ('tiny', 'world_base', 1, 'tiny');
INSERT INTO budget (name, unit, total) VALUES ('steps_2', 'steps', 2);
INSERT INTO recipe (name, lr, batch_pairs) VALUES ('small', 1e-3, 16);
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed)
VALUES ('tiny', 'tiny', 'update_only', 'finetune', 'small', 'steps_2', 0);
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command in a folder without anything of the checkout on its path; return its output."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=clean, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the tracked files, so that the checkout stays clean."""
    source = tmp_path_factory.mktemp("source")
    # New files are part of the next commit
    listing = run("git", "ls-files", "-z", "-c", "-o", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", "wheels")
    run(sys.executable, "-m", "pip", "wheel", *options, ".", cwd=source)
    (built,) = (source / "wheels").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a fresh environment that finds its dependencies where they are here."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=wheel.parent)
    python = folder / "bin" / "python"
    run(
        sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index",
        "--quiet", wheel, cwd=wheel.parent,
    )  # fmt: skip
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    # A path in a .pth file is searched, but .pth files in it are not read: the checkout's is not
    (Path(site.strip()) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return python


@pytest.mark.slow
def test_the_wheel_has_every_part(python: Path, tmp_path: Path) -> None:
    answer = json.loads(run(python, "-c", LIST, cwd=tmp_path))
    assert Path(answer["root"]).is_relative_to(python.parents[1])
    expected = {name: parts.names(name) for name in REGISTRIES}
    for name in FOLDERS:
        expected[name] = sorted(path.name for path in (ROOT / name).glob("[!_]*.*"))
    expected["questions"] = [question.file for question in all_questions()]
    assert answer["found"] == expected
    assert all(expected.values())


@pytest.mark.slow
def test_a_trial_runs_from_the_wheel(python: Path, tmp_path: Path) -> None:
    (tmp_path / "grid.sql").write_text(GRID)
    run(python, "-m", "schema", "grid.sql", cwd=tmp_path)
    run(python, "-m", "runner.sync", "--watch", cwd=tmp_path)
    run(python, "-m", "queries", "status", "--out", "status.json", cwd=tmp_path)
    (row,) = json.loads((tmp_path / "status.json").read_text())
    assert (row["trials"], row["done"]) == (1, 1)
