"""The runner of mutations: which changes it makes, which tests it takes, and that it tells the two."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutations import python_code, sql_code
from tests.mutations.nearest import nearest_tests

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("a + b", ["a - b"]),
        ("(a) - (b)", ["(a) + (b)"]),
        ("a < b <= 3", ["a <= b <= 3", "a < b < 3", "a < b <= 4"]),
        ("a is not None", ["a is None"]),
        ("a not  in b", ["a in b"]),
        ("a and b or c", ["a or b or c", "a and b and c"]),
        ("not (a)", [" (a)"]),
        ("-a", ["a"]),
        ("a = 0.5", ["a = 1.0"]),
        ("a = True", ["a = False"]),
        ("a += 1", ["a -= 1", "a += 2"]),
        ("if a:\n    b", ["if (not (a)):\n    b"]),
        ("ä = 'ü' * b", ["ä = 'ü' / b"]),
        ("def f(a: int | None = None) -> 'x': pass", []),
        ('"""1 + 1"""', []),
        ("f'{a + 1}'", []),
    ],
)
def test_changes_of_python(text: str, changes: list[str]) -> None:
    mutants = python_code.mutants("a.py", text)
    assert sorted(mutant.applied(text) for mutant in mutants) == sorted(changes)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("a <> 1", ["a = 1", "a <> (1 + 1)"]),
        ("a IS NOT NULL AND b", ["a IS NULL AND b", "a IS NOT NULL OR b"]),
        ("CREATE OR REPLACE VIEW v1 AS", []),
        ("count(*) -- 1 + 1", []),
        ("'a = 1' || b", []),
        ("f(x := a.x1)", []),
        ("a LEFT JOIN b", ["a JOIN b"]),
        ("max(a) - min(b)", ["min(a) - min(b)", "max(a) + min(b)", "max(a) - max(b)"]),
    ],
)
def test_changes_of_sql(text: str, changes: list[str]) -> None:
    mutants = sql_code.mutants("a.sql", text)
    assert sorted(mutant.applied(text) for mutant in mutants) == sorted(changes)


def test_every_change_of_the_source_can_be_parsed() -> None:
    for path in (ROOT / "schema").rglob("*.py"):
        text = path.read_text()
        for mutant in python_code.mutants(str(path), text):
            ast.parse(mutant.applied(text))


def test_the_nearest_tests_mirror_the_path_and_then_import_the_module() -> None:
    first, second = nearest_tests(ROOT, "runner/budget.py")
    assert first == ["tests/runner/test_budget.py"]
    assert "tests/runner/scheduler/test_estimates.py" in second
    (first, *_) = nearest_tests(ROOT, "methods/merging/ties.py")
    assert first[0] == "tests/methods/test_merging.py"
    (first, *_) = nearest_tests(ROOT, "queries/costs/price.sql")
    assert first == ["tests/queries/test_answers.py", "-k", "price"]


@pytest.mark.slow
def test_what_no_test_notices_is_printed(tmp_path: Path) -> None:
    """In a small tree of its own, whose only test looks at one of two functions."""
    for path in sorted((ROOT / "tests" / "mutations").glob("*.py")):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    (tmp_path / "sums.py").write_text(
        "def f(a):\n    return a + 2\n\ndef g(a):\n    return a - 3\n"
    )
    (tmp_path / "tests" / "test_sums.py").write_text(
        "from sums import f\n\ndef test_f():\n    assert f(1) == 3\n"
    )
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\nmarkers = ['slow']\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutations", "sums.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "2 of 4 noticed (50 %); lived:" in done.stdout
    lived = done.stdout.split("lived:\n")[1].splitlines()
    assert lived == ["  sums.py:5: '-' became '+'", "  sums.py:5: '3' became '4'"]
