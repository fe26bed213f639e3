"""Which test holds which promise, read from the tests themselves: a docstring names its faults and invariants.

def test_sbatch_says_no_but_accepted(...):
    \"\"\"F11: the controller hangs while sbatch waits for its answer; ... (I2, I7).\"\"\"
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAULTS = [f"F{number}" for number in range(1, 40)]
INVARIANTS = [f"I{number}" for number in range(1, 18)]


@dataclass(frozen=True)
class Holds:
    """One test and what it holds."""

    path: str
    name: str
    sentence: str
    faults: frozenset[str]
    invariants: frozenset[str]


def held() -> Iterator[Holds]:
    """Every test that names a fault or an invariant, in the order of files."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                said = " ".join((ast.get_docstring(node) or "").split())
                faults = _faults(node.name, said)
                invariants = {f"I{number}" for number in re.findall(r"\bI(\d+)\b", said)}
                if faults or invariants:
                    sentence = re.sub(r"^F\d+(?:[-, ]+F\d+)*: ", "", said)
                    yield Holds(
                        str(path.relative_to(ROOT)),
                        node.name,
                        sentence,
                        frozenset(faults),
                        frozenset(invariants),
                    )


def _faults(name: str, said: str) -> set[str]:
    """From `test_f07_...`, or from a docstring that begins with `F7:`, `F1-F5:` or `F20, F21:`."""
    found = {f"F{int(number)}" for number in re.findall(r"^test_f(\d\d)_", name)}
    listed = re.match(r"(F\d+(?:[-, ]+F\d+)*): ", said)
    for first, last in re.findall(r"F(\d+)(?:-F(\d+))?", listed[1] if listed else ""):
        found |= {f"F{number}" for number in range(int(first), int(last or first) + 1)}
    return found


def table(keys: list[str], of: str) -> str:
    """A Markdown table: fault or invariant, and the tests that hold it."""
    tests = list(held())
    rows = []
    for key in keys:
        mine = [
            test for test in tests if key in (test.faults if of == "fault" else test.invariants)
        ]
        listed = "<br>".join(
            f"[`{test.name}`](../{test.path})"
            for test in sorted(mine, key=lambda test: (test.path, test.name))
        )
        rows.append(f"| {key} | {listed} |")
    return "\n".join([f"| {of} | tests |", "|---|---|", *rows])
