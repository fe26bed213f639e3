"""The runner of mutations: which changes it makes, which tests it takes, and that it tells the two."""

import ast
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutations import python_code, sql_code
from tests.mutations.drawing import all_mutants, drawn
from tests.mutations.nearest import nearest_tests, words_of
from tests.mutations.records import Record, Records, table
from tests.mutations.warm import STOPPED, Answer, Request, Warm

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
        # What the operator turns round is not turned round a second time
        ("b if a == c else d", ["b if a != c else d"]),
        ("while not a:\n    b", ["while  a:\n    b"]),
        ("if a < b:\n    c", ["if a <= b:\n    c", "if (not (a < b)):\n    c"]),
        ("if TYPE_CHECKING:\n    a", []),
        ("if __name__ == '__main__':\n    a", []),
        ("log.info('%d', a + 1)", []),
        ("self.log(a - 1)", ["self.log(a + 1)", "self.log(a - 2)"]),
        (
            "@dataclass(frozen=True)\nclass A:\n    b = True",
            ["@dataclass(frozen=True)\nclass A:\n    b = False"],
        ),
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
    first, second = nearest_tests(ROOT, "runner/budget.py", [])
    assert first == ["tests/runner/test_budget.py"]
    assert "tests/runner/scheduler/test_estimates.py" in second
    (first, *_) = nearest_tests(ROOT, "methods/merging/ties.py", [])
    assert first[:2] == ["tests/methods/test_bounds.py", "tests/methods/test_merging.py"]


def test_a_question_is_tested_by_its_answer_and_by_those_that_are_made_of_it() -> None:
    (first, *_) = nearest_tests(ROOT, "queries/costs/price.sql", ["price"])
    assert first[:2] == ["tests/queries/test_answers.py", "-k"]
    names = first[2].split(" or ")
    assert nearest_tests(ROOT, "queries/work/measurements.sql", ["measurements"])[0] == [
        "tests/queries/test_queries_measured.py"
    ]
    assert names[0] == "price" and "forecast" in names and "units" not in names


def test_the_words_of_a_change_are_its_function_and_what_calls_it() -> None:
    text = "def a():\n    return 1\n\ndef b():\n    return a()\n\ndef c():\n    return 2\n"
    mutants = python_code.mutants("b/_sums.py", text)
    assert [words_of(mutant, text) for mutant in mutants] == [["a", "b", "sums"], ["c", "sums"]]


def test_a_larger_sample_begins_with_the_smaller_one_and_other_lines_leave_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.py"
    path.write_text("a = b + 1\nc = d - 2\na = b + 1\n")
    before = drawn(tmp_path, all_mutants(tmp_path, ["a.py"]), 6, seed=3)
    assert drawn(tmp_path, all_mutants(tmp_path, ["."]), 2, seed=3) == before[:2]
    path.write_text("\n\n" + path.read_text())
    after = drawn(tmp_path, all_mutants(tmp_path, ["a.py"]), 6, seed=3)
    assert [each.line - 2 for each in after] == [each.line for each in before]
    assert [str(each.new) for each in after] == [str(each.new) for each in before]
    keys = [mutant.key(path.read_text()) for mutant in after]
    assert len(set(keys)) == 6


def test_what_is_on_record_is_read_again_but_for_what_a_broken_test_caught(tmp_path: Path) -> None:
    def record(key: str, end: str, test: str, path: str = "schema/grid.py") -> Record:
        return Record(key=key, path=path, change="", end=end, test=test, code=1, cpu_s=0.0)

    records = Records(tmp_path / "results.jsonl")
    records.note(record("a", "caught", "sound"))
    records.note(record("b", "caught", "broken"))
    records.note(record("c", "lived", "", "queries/costs/price.sql"))
    records.note_tests({"sound"}, {"broken"})
    again = Records(tmp_path / "results.jsonl")
    assert again.by_key.keys() == {"a", "c"} and again.unsound == {"broken"}
    assert table(again.by_key.values()).splitlines()[2:] == [
        "| queries | SQL | 1 | 0 | 0 % | 1 | 0 |",
        "| schema | Python | 1 | 1 | 100 % | 0 | 0 |",
        "| all |  | 2 | 1 | 50 % | 1 | 0 |",
    ]


def test_a_run_that_is_stopped_when_its_time_is_over_has_noticed_nothing() -> None:
    """pytest ends with the same code as for a file that it cannot import."""
    stopped = Answer(code=STOPPED, test="test_f", failed=[], cpu_s=60.0)
    assert stopped.passed and not replace(stopped, failed=["tests/test_sums.py"]).passed
    assert not replace(stopped, code=-27).passed


SUMS = """
def f(a):
    return a + 2

def g(a):
    return a - 3

def h(a):
    return a * 1

def ended(n):
    while n > 0:
        n -= 1
    return n
"""
TESTS = """
from sums import ended, f, h

def test_f():
    assert f(1) == 3

def test_h():
    assert h(0) == 0

def test_ended():
    assert ended(3) == 0
"""


@pytest.mark.slow
def test_what_no_test_notices_is_printed(tmp_path: Path) -> None:
    """In a small tree of its own; a loop that never ends is noticed, and nothing is tried twice."""
    _plant(tmp_path)
    (tmp_path / "sums.py").write_text(SUMS)
    (tmp_path / "tests" / "test_sums.py").write_text(TESTS)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    command = [sys.executable, "-m", "tests.mutations", "sums.py", "--limit_s", "2"]
    command += ["--results", "results.jsonl"]
    done = _run(command, tmp_path)
    lived = done.split("lived:\n")[1].splitlines()
    assert "7 of 11 noticed (64 %)" in done
    assert lived == [
        "  sums.py:6: '-' became '+' (not reached)",
        "  sums.py:6: '3' became '4' (not reached)",
        "  sums.py:9: '*' became '/'",
        "  sums.py:9: '1' became '2'",
    ]
    assert "'-=' became" not in _run(command, tmp_path).split("lived:\n")[0]
    # A test that notices, and what lived tried again
    (tmp_path / "tests" / "test_sums.py").write_text(TESTS.replace("h(0) == 0", "h(2) == 2"))
    assert "8 of 11 noticed (73 %)" in _run([*command, "--again"], tmp_path)
    # Neither has what passed before the time was over
    in_no_time = [*command[:-1], "stopped.jsonl", "--most_s", "0", "--sample", "1"]
    assert "0 of 1 noticed (0 %)" in _run(in_no_time, tmp_path)
    # What fails anyway has noticed nothing
    broken = TESTS.replace("f(1) == 3", "f(1) == 4")
    (tmp_path / "tests" / "test_sums.py").write_text(broken)
    command[-1] = "others.jsonl"
    done = subprocess.run(
        command, cwd=tmp_path, env=_environment(tmp_path), capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "these fail without any change: tests/test_sums.py::test_f\n" in done.stderr


def test_a_process_that_ends_within_a_test_has_noticed_whatever_its_code_is(
    tmp_path: Path,
) -> None:
    """0 is pytest's code of success, and 3 that of arguments which it cannot use."""
    _plant(tmp_path)
    warm = Warm(tmp_path)
    for code in (0, 3):
        path = tmp_path / "tests" / f"test_{code}.py"
        path.write_text(f"import os\n\ndef test_ends():\n    os._exit({code})\n")
        answer = warm.ask(Request(arguments=[f"tests/test_{code}.py"]))
        assert not answer.passed and answer.test == f"tests/test_{code}.py::test_ends"
    warm.close()


def test_what_names_the_change_is_run_first_and_then_as_the_arguments_say(tmp_path: Path) -> None:
    """Whatever order the suite has of its own; a longer word does not name it."""
    _plant(tmp_path)
    (tmp_path / "tests" / "conftest.py").write_text(
        "def pytest_collection_modifyitems(items):\n    items.reverse()\n"
    )
    for name in ("published", "publish"):
        (tmp_path / "tests" / f"test_{name}.py").write_text(f"def test_{name}():\n    assert 0\n")
    arguments = ["tests/test_published.py", "tests/test_publish.py"]
    warm = Warm(tmp_path)
    for words, first in (([], "published"), (["publish"], "publish")):
        answer = warm.ask(Request(arguments=arguments, words=words))
        assert answer.failed == [f"tests/test_{first}.py::test_{first}"]
    warm.close()


def _plant(tree: Path) -> None:
    """Make a tree of its own that has nothing but the runner."""
    for path in sorted((ROOT / "tests" / "mutations").glob("*.py")):
        copy = tree / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    (tree / "pyproject.toml").write_text("[tool.pytest.ini_options]\nmarkers = ['slow', 'gpu']\n")


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, env=_environment(folder), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    # Each change runs pytest anew, and plugins take most of its start
    return os.environ | {"PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
