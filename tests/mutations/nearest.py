"""Which tests are nearest to a change: those that mirror its path, then those that name it."""

import ast
import re
from pathlib import Path

from tests.mutations import Mutant

# The tests that ask questions
OF_QUESTIONS = ("tests/queries", "tests/runner/scheduler", "tests/schema", "tests/screens")
ANSWERS = "tests/queries/test_answers.py"
# Tables of defaults in the pages are written from the source
PAGES = ["tests/docs/test_docs.py", "tests/docs/test_readme.py"]
# Numbers that the parts of a method refuse
BOUNDS = "tests/methods/test_bounds.py"
# So many files of those that do not mirror the path: the others are far from it
MOST_OTHERS = 8


def nearest_tests(root: Path, path: str, words: list[str]) -> list[list[str]]:
    """Return groups of arguments of pytest, the nearest tests first.

    The first group mirrors the path: `schema/grid.py` is tested by `tests/schema/test_grid.py`, and
    `methods/merging/ties.py`, a part of a folder, by `tests/methods/test_merging.py` as well. The
    second group are files that import the module or lie beside its tests, those that have the
    words of the change before others. A question is tested where its answer is computed a second time, and the answers that
    are made of it, or by the file that is named there instead; then by the files that name it.
    """
    if path.endswith(".sql"):
        question = Path(path).stem
        first = _named_by_answers(root, question)
        answers = [ANSWERS, "-k", " or ".join([question, *_made_of(root, question)])]
        folders = [root / folder for folder in OF_QUESTIONS]
        others = _naming(folders, rf"\b{question}\b")
    else:
        first, answers = _mirrors(root, path), []
        package = root / "tests" / Path(path).parts[0]
        others = _naming([package], _imports(path))
        others += _naming([root / "tests"], _imports(path))
        # Those beside the place of its own, which reach it by way of other modules
        others += _naming([_folder_of(root, path)], "")
    texts = {file: file.read_text() for file in others}
    ranked = sorted(texts, key=lambda file: -len([word for word in words if word in texts[file]]))
    second = [str(file.relative_to(root)) for file in ranked]
    second = [name for name in second if name not in (*first, ANSWERS)][:MOST_OTHERS]
    return [group for group in (first, answers, second) if group]


def words_of(mutant: Mutant, text: str) -> list[str]:
    """Return what tests that notice a change may name.

    Of a question its name. In Python the functions and the class that the change is in, then the
    functions of the file that call these, and those that call them.
    """
    if mutant.path.endswith(".sql"):
        return [Path(mutant.path).stem]
    functions = {}
    within = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            functions[node.name] = ast.get_source_segment(text, node) or ""
            if node.lineno <= mutant.line <= (node.end_lineno or 0):
                within.append(node.name)
    # The innermost is walked last; methods and formats are named by their files
    words = within[::-1]
    for word in words:
        if word.startswith("__"):
            continue
        for name, source in functions.items():
            if name not in words and re.search(rf"\b{word}\b", source):
                words.append(name)
    return [*words, Path(mutant.path).stem.strip("_")]


def _mirrors(root: Path, path: str) -> list[str]:
    """Return the test files at the place that mirrors a path, or its folder's."""
    source = Path(path)
    folder = Path("tests") / source.parent
    stem = source.stem.strip("_")
    candidates = [folder / f"test_{stem}.py", folder.parent / f"test_{stem}.py"]
    if path.startswith("methods/") and len(source.parts) > 2:
        candidates.insert(0, Path(BOUNDS))
    # A module that was split keeps its tests: those of `site_file` are in test_site.py
    words = stem.split("_")
    for count in range(len(words) - 1, 0, -1):
        candidates.append(folder / f"test_{'_'.join(words[:count])}.py")
    candidates.append(folder.parent / f"test_{folder.name}.py")
    # Tests of a folder in files with a longer name: test_merging_formulas.py
    longer = sorted((root / folder.parent).glob(f"test_{folder.name}_*.py"))
    candidates += [file.relative_to(root) for file in longer]
    return [str(file) for file in dict.fromkeys(candidates) if (root / file).is_file()]


def _folder_of(root: Path, path: str) -> Path:
    """Return the folder of tests at the place that mirrors a path, or the nearest one above."""
    folder = root / "tests" / Path(path).parent
    while not any(folder.glob("test_*.py")):
        folder = folder.parent
    return folder


def _named_by_answers(root: Path, question: str) -> list[str]:
    """Return the test files of a question whose answer is not computed a second time."""
    (line,) = re.findall(rf'^    "{question}": "(.*)",$', (root / ANSWERS).read_text(), re.M) or [
        ""
    ]
    return re.findall(r"tests/[\w/]+\.py", line)


def _made_of(root: Path, question: str) -> list[str]:
    """Return the questions whose answers are made of another's, and of theirs, in that order."""
    texts = {file.stem: file.read_text() for file in sorted((root / "queries").rglob("*.sql"))}
    pending = [question]
    for name in pending:
        pattern = re.compile(rf"^[^-\n]*\b{name}\b", re.MULTILINE)
        pending += [each for each in texts if each not in pending and pattern.search(texts[each])]
    return pending[1:]


def _naming(folders: list[Path], pattern: str) -> list[Path]:
    """Return the test files below folders whose text matches a pattern."""
    files = []
    for folder in folders:
        for file in sorted(folder.rglob("test_*.py")):
            if re.search(pattern, file.read_text()):
                files.append(file)
    return files


def _imports(path: str) -> str:
    """Return a pattern of the statements that import a module."""
    module = ".".join(Path(path).with_suffix("").parts).removesuffix(".__init__")
    package, _, name = module.rpartition(".")
    whole, within, part = map(re.escape, (module, package, name))
    names = rf"(?:[^\n]*|\([^)]*)\b{part}\b"
    return rf"from {whole} import|import {whole}\b|from {within} import {names}"
