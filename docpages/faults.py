"""Find which test checks which fault and invariant, by reading the tests' docstrings.

A test names its faults and invariants in its docstring:

    def test_sbatch_says_no_but_accepted(...):
        \"\"\"F11: the controller hangs while sbatch waits for its answer; ... (I2, I7).\"\"\"
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from docpages.markdown import ROOT
from docpages.markdown import table as markdown_table

FAULTS = [f"F{number}" for number in range(1, 42)]
INVARIANTS = [f"I{number}" for number in range(1, 18)]
LISTED = re.compile(r"(F\d+(?:[-, ]+F\d+)*): ")


@dataclass(frozen=True, kw_only=True)
class Holds:
    """A test, with the faults and invariants that it checks."""

    path: str
    name: str
    sentence: str
    faults: frozenset[str]
    invariants: frozenset[str]


def held() -> Iterator[Holds]:
    """Yield every test that names a fault or an invariant, in the order of files."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
                continue
            words = " ".join((ast.get_docstring(node) or "").split())
            faults = _faults(node.name, words)
            invariants = {f"I{number}" for number in re.findall(r"\bI(\d+)\b", words)}
            if faults or invariants:
                yield Holds(
                    path=str(path.relative_to(ROOT)),
                    name=node.name,
                    sentence=LISTED.sub("", words, count=1),
                    faults=frozenset(faults),
                    invariants=frozenset(invariants),
                )


def _faults(name: str, words: str) -> set[str]:
    """Return the faults of a test named `test_f07_...`, or whose docstring begins with them.

    A docstring begins with `F7:`, `F1-F5:` or `F20, F21:`.
    """
    faults = {f"F{int(number)}" for number in re.findall(r"^test_f(\d\d)_", name)}
    listed = LISTED.match(words)
    if listed is None:
        return faults
    for first, last in re.findall(r"F(\d+)(?:-F(\d+))?", listed[1]):
        for number in range(int(first), int(last or first) + 1):
            faults.add(f"F{number}")
    return faults


def table(keys: list[str], of: str) -> str:
    """Return a table of faults or invariants, each with the tests that check it."""
    tests = sorted(held(), key=lambda test: (test.path, test.name))
    rows = []
    # A fault without a test has an empty cell, and a test of the pages fails.
    for key in keys:
        links = []
        for test in tests:
            if key in (test.faults | test.invariants):
                links.append(f"[`{test.name}`](../{test.path})")
        rows.append((key, "<br>".join(links)))
    return markdown_table((of, "tests"), rows)
