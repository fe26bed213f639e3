"""Which changes are tried: all below some paths, or a sample of them that a seed draws."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from tests.mutations import Mutant, python_code, sql_code

# Rows of the vocabulary and grids are choices: a test that repeats a number says nothing of it
CHOICES = ("schema/rows/", "grids/")


def all_mutants(root: Path, paths: Sequence[str]) -> list[Mutant]:
    """Return every change that can be made at or below paths, with file by file in one order."""
    mutants = []
    for path in _files(root, paths):
        code = sql_code if path.endswith(".sql") else python_code
        mutants += code.mutants(path, (root / path).read_text())
    return mutants


def drawn(root: Path, mutants: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """Return a sample, in the order of the draw.

    A change is drawn by its line and the seed, so an edit elsewhere leaves the sample as it was,
    and a larger sample begins with the smaller one.
    """
    texts = {mutant.path: "" for mutant in mutants}
    for path in texts:
        texts[path] = (root / path).read_text()

    def place(mutant: Mutant) -> str:
        return hashlib.sha256(f"{seed} {mutant.key(texts[mutant.path])}".encode()).hexdigest()

    return sorted(mutants, key=place)[:count]


def _files(root: Path, paths: Sequence[str]) -> list[str]:
    """Return the Python and SQL files at or below paths, relative to the root."""
    files = []
    for path in paths:
        absolute = (root / path).resolve()
        if not absolute.is_dir():
            files.append(str(absolute.relative_to(root)))
            continue
        for file in sorted(absolute.rglob("*")):
            name = str(file.relative_to(root))
            if file.suffix in (".py", ".sql") and not name.startswith(CHOICES):
                files.append(name)
    return files
