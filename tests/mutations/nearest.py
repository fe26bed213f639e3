"""Which tests are nearest to a file: those that mirror its path, then those that name it."""

import re
from pathlib import Path

# The tests that ask questions
OF_QUESTIONS = ("tests/queries", "tests/runner/scheduler", "tests/schema")


def nearest_tests(root: Path, path: str) -> list[list[str]]:
    """Return groups of arguments of pytest, the nearest tests first.

    The first group mirrors the path: `schema/grid.py` is tested by `tests/schema/test_grid.py`, and
    `methods/merging/ties.py`, a part of a folder, by `tests/methods/test_merging.py` as well. The
    second group are the files that import the module, of those that test its package. A question
    is tested where its answer is computed a second time, then by the files that name it.
    """
    if path.endswith(".sql"):
        name = Path(path).stem
        first = ["tests/queries/test_answers.py", "-k", name]
        folders = [root / folder for folder in OF_QUESTIONS]
        second = _naming(root, folders, rf"\b{name}\b")
    else:
        first = _mirrors(root, path)
        second = _naming(root, [root / "tests" / Path(path).parts[0]], _imports(path))
    groups = [first, [file for file in second if file not in first]]
    return [group for group in groups if group]


def _mirrors(root: Path, path: str) -> list[str]:
    """Return the test files at the place that mirrors a path, or its folder's."""
    source = Path(path)
    folder = Path("tests") / source.parent
    candidates = [folder / f"test_{source.stem}.py", folder.parent / f"test_{folder.name}.py"]
    # Tests of a folder in files with a longer name: test_merging_formulas.py
    longer = sorted((root / folder.parent).glob(f"test_{folder.name}_*.py"))
    candidates += [file.relative_to(root) for file in longer]
    return [str(file) for file in candidates if (root / file).is_file()]


def _naming(root: Path, folders: list[Path], pattern: str) -> list[str]:
    """Return the test files below folders whose text matches a pattern."""
    files = []
    for folder in folders:
        for file in sorted(folder.rglob("test_*.py")):
            if re.search(pattern, file.read_text()):
                files.append(str(file.relative_to(root)))
    return files


def _imports(path: str) -> str:
    """Return a pattern of the statements that import a module."""
    module = ".".join(Path(path).with_suffix("").parts).removesuffix(".__init__")
    package, _, name = module.rpartition(".")
    whole, within, part = map(re.escape, (module, package, name))
    return rf"from {whole} import|import {whole}\b|from {within} import [^\n]*\b{part}\b"
