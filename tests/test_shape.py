"""The shape of the code: who may import whom, what each half never loads, how it is written."""

import ast
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import density

ROOT = Path(__file__).resolve().parent.parent
# The most places of each kind in the source; `python -m benchmarks.density --files` names them
MOST = {
    # lines of more than 100 characters
    "wide": 0,
    # files of more than 300 lines that are not blank
    "long_files": 0,
    # functions of more than 45 lines
    "long_functions": 0,
    # functions of more than 6 parameters beside self
    "wide_signatures": 0,
    # classes of more than 150 lines
    "long_classes": 0,
    # `global` statements
    "globals": 0,
}
# Over all, per 100 lines that are not blank
MOST_COMPREHENSIONS, MOST_CONDITIONALS, FEWEST_COMMENTS = 2.5, 1.5, 3.0
MAY_IMPORT = {
    "schema": set(),
    "streams": {"schema"},
    "methods": {"schema", "streams"},
    "evals": {"schema"},
    "runner": {"schema", "streams", "methods", "evals"},
    "queries": {"schema", "runner"},
    "screens": {"schema", "runner", "queries"},
    "app": {"schema", "runner", "queries", "screens"},
}
FILES = [
    path
    for package in MAY_IMPORT
    for path in [*sorted((ROOT / package).rglob("*.py")), ROOT / f"{package}.py"]
    if path.exists()
]
# A path says which half a file is of: it may import its own half and what both share, never the
# other half
DATABASE_HALF = ("schema/", "runner/scheduler/", "runner/sync.py", "queries/", "screens/", "app.py")
GPU_HALF = ("streams/", "methods/", "evals/", "runner/worker/", "runner/trial.py")


def imports(path: Path) -> set[str]:
    """Return every module that a file imports, wherever in it."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
    return modules


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_point_only_upward(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0].removesuffix(".py")
    ours = {module.partition(".")[0] for module in imports(path)} & set(MAY_IMPORT) - {package}
    assert ours <= MAY_IMPORT[package], f"{name(path)} imports {sorted(ours - MAY_IMPORT[package])}"
    if package == "runner" and not name(path).startswith(GPU_HALF):
        assert not ours & {"streams", "methods", "evals"}, (
            f"{name(path)} may import them only in runner/worker/"
        )


@pytest.mark.parametrize("path", FILES, ids=name)
def test_the_halves_load_only_what_is_theirs(path: Path) -> None:
    """`runner/` itself has the commands and what both halves share: of neither, unless named."""
    modules = imports(path)
    loaded = {module.partition(".")[0] for module in modules}
    if name(path).startswith(DATABASE_HALF):
        assert "torch" not in loaded
        assert not {module for module in modules if module.startswith("runner.worker")}
    if name(path).startswith(GPU_HALF):
        assert "duckdb" not in loaded
        assert not {module for module in modules if module.startswith("runner.scheduler")}
    assert not {"torch", "duckdb"} <= loaded


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "runner.sync",
        "runner.scheduler.watch",
        "runner.scheduler.dry_run",
        "runner.order",
        "runner.export",
        "schema.__main__",
        "queries.__main__",
    ],
)
def test_the_database_half_never_loads_torch(module: str) -> None:
    assert "torch" not in modules_after(f"import {module}")


def test_the_gpu_half_never_loads_duckdb() -> None:
    assert "duckdb" not in modules_after("import runner.trial")


MODULES = [
    name(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    for path in FILES
    # An exporter needs the library of its tracker, which not every environment has
    if path.stem != "app" and (not path.stem.startswith("to_") or find_spec(path.stem[3:]))
]


def test_modules_import_without_side_effects(tmp_path: Path) -> None:
    """In an empty folder, with warnings as errors: nothing is written, nothing complains."""
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-W",
            "ignore::DeprecationWarning",
            "-W",
            "ignore::SyntaxWarning",
            "-c",
            code,
            *MODULES,
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not [path for path in tmp_path.iterdir() if path.name != "home"]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_module_opens_with_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())) or path.stat().st_size == 0


@pytest.fixture(scope="module")
def figures() -> density.Figures:
    """Return what is counted of the whole source."""
    whole = density.Figures()
    for path in density.sources(density.SOURCE):
        whole.add(density.counted(path))
    return whole


@pytest.mark.parametrize("kind", MOST)
def test_lines_files_functions_and_classes_are_small(kind: str, figures: density.Figures) -> None:
    """Raise a limit in a commit that says why."""
    places = getattr(figures, kind)
    assert len(places) <= MOST[kind], "\n".join(places)


def test_the_source_has_room_to_read(figures: density.Figures) -> None:
    """One idea a line, and comments that say why."""
    hundreds = figures.lines / 100
    assert figures.comprehensions / hundreds <= MOST_COMPREHENSIONS
    assert figures.conditionals / hundreds <= MOST_CONDITIONALS
    assert figures.comments / hundreds >= FEWEST_COMMENTS


def test_no_address_and_no_path_of_a_machine_is_committed() -> None:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    wrong = [
        str(Path.home()),
        "pypi" + ".org",
        "index" + "-url",
        "find" + "-links",
        str(ROOT.parent) + "/",
    ]
    for file in filter(None, done.stdout.split("\0")):
        if (ROOT / file).suffix in (".py", ".sql", ".md", ".toml", ".txt", ".json", "") and (
            ROOT / file
        ).is_file():
            text = (ROOT / file).read_text()
            # A folder of the tree may be called as one of the machine is, behind a name
            named = [word for word in wrong if re.search(rf"(?<![\w}}>*]){re.escape(word)}", text)]
            assert not named, file
