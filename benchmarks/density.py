"""How densely the source is written: `python -m benchmarks.density [--files] [PATH ...]`.

Per folder of the source: lines that are not blank, their mean width, and per 100 of them the lines
wider than 100 characters, comprehensions, conditional expressions, and comments on a line of their
own; then the counts that should be none: files above 300 lines, functions above 45, signatures
above 6 parameters, classes above 150 lines, `global` statements, docstrings that begin with a
fragment, and variables that are named by a participle instead of by what they hold. Tests,
benchmarks and documentation are not counted.

With `--files` every file has a row, and each place that should not be is named.
"""

import argparse
import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = (
    "schema",
    "streams",
    "methods",
    "evals",
    "runner",
    "queries",
    "screens",
    "docpages",
    "app.py",
)
WIDTH = 100
FILE_LINES, FUNCTION_LINES, CLASS_LINES, PARAMETERS = 300, 45, 150, 6
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
PARTICIPLES = {"said", "found", "made", "told", "asked", "given", "kept", "done", "wanted"}
FRAGMENTS = ("Of ", "Any", "That ", "Those ", "As ", "Which ", "Whether ", "None", "By ", "What ")


@dataclass
class Figures:
    """Counts over files; lists hold the places, as `path:line name`."""

    lines: int = 0
    characters: int = 0
    wide: list[str] = field(default_factory=list)
    comprehensions: int = 0
    conditionals: int = 0
    comments: int = 0
    long_files: list[str] = field(default_factory=list)
    long_functions: list[str] = field(default_factory=list)
    wide_signatures: list[str] = field(default_factory=list)
    long_classes: list[str] = field(default_factory=list)
    globals: list[str] = field(default_factory=list)
    fragments: list[str] = field(default_factory=list)
    participles: list[str] = field(default_factory=list)

    def add(self, other: "Figures") -> None:
        """Add the counts of other files to these."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    def row(self) -> list[str]:
        """Return the figures as cells of a table, in the order of `HEAD`."""
        per_100 = 100 / max(1, self.lines)
        counts = (len(self.wide), self.comprehensions, self.conditionals, self.comments)
        places = [getattr(self, name) for name in PLACES]
        return [
            str(self.lines),
            f"{self.characters / max(1, self.lines):.1f}",
            *(f"{count * per_100:.1f}" for count in counts),
            *(str(len(place)) for place in places),
        ]


PLACES = (
    "long_files",
    "long_functions",
    "wide_signatures",
    "long_classes",
    "globals",
    "fragments",
    "participles",
)
HEAD = ["", "lines", "width", "wide", "compr.", "cond.", "comm.", *PLACES]


def counted(path: Path) -> Figures:
    """Return the figures of one file."""
    text = path.read_text()
    name = str(path.relative_to(ROOT))
    rows = [line for line in text.splitlines() if line.strip()]
    figures = Figures(lines=len(rows), characters=sum(map(len, rows)))
    for number, line in enumerate(text.splitlines(), 1):
        figures.comments += line.lstrip().startswith("#")
        if len(line) > WIDTH:
            figures.wide.append(f"{name}:{number}")
    if len(rows) > FILE_LINES:
        figures.long_files.append(f"{name} {len(rows)}")
    for node in ast.walk(ast.parse(text)):
        _count_node(figures, name, node)
    return figures


def _count_node(figures: Figures, name: str, node: ast.AST) -> None:
    """Add one node of a file's tree to the figures of the file."""
    figures.comprehensions += isinstance(node, COMPREHENSIONS)
    figures.conditionals += isinstance(node, ast.IfExp)
    place = f"{name}:{getattr(node, 'lineno', 1)}"
    if isinstance(node, ast.Global):
        figures.globals.append(place)
    if isinstance(node, ast.Name | ast.arg):
        word = node.id if isinstance(node, ast.Name) else node.arg
        stored = isinstance(node, ast.arg) or isinstance(node.ctx, ast.Store)
        if stored and word in PARTICIPLES:
            figures.participles.append(f"{place} {word}")
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        _count_function(figures, place, node)
    if isinstance(node, ast.ClassDef) and _length(node) > CLASS_LINES:
        figures.long_classes.append(f"{place} {node.name} {_length(node)}")
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
        docstring = ast.get_docstring(node) or ""
        if docstring.startswith(FRAGMENTS):
            figures.fragments.append(f"{place} {docstring.splitlines()[0][:60]}")


def _count_function(
    figures: Figures, place: str, node: ast.FunctionDef | ast.AsyncFunctionDef
) -> None:
    """Add the length and the signature of a function."""
    if _length(node) > FUNCTION_LINES:
        figures.long_functions.append(f"{place} {node.name} {_length(node)}")
    names = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
    parameters = len(names) - (names[:1] in (["self"], ["cls"]))
    if parameters > PARAMETERS:
        figures.wide_signatures.append(f"{place} {node.name} {parameters}")


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    """Return the number of lines of a definition, with blank ones and its docstring."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def sources(paths: Sequence[str]) -> Iterator[Path]:
    """Yield every Python file at or below the paths, which are relative to the root of the tree."""
    for path in map(ROOT.joinpath, paths):
        if path.is_dir():
            yield from sorted(path.rglob("*.py"))
        else:
            yield path


def table(paths: Sequence[str], by_file: bool) -> list[list[str]]:
    """Return a row per folder (or per file), and a last one for all of them."""
    groups: dict[str, Figures] = {}
    for path in sources(paths):
        relative = path.relative_to(ROOT)
        group = relative if by_file or len(relative.parts) == 1 else relative.parent
        groups.setdefault(str(group), Figures()).add(counted(path))
    total = Figures()
    for figures in groups.values():
        total.add(figures)
    rows = [[name, *figures.row()] for name, figures in groups.items()]
    return [HEAD, *rows, ["all", *total.row()]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and with `--files` every place; the exit code is 0."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.density",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", default=SOURCE, metavar="PATH")
    parser.add_argument("--files", action="store_true", help="a row per file, and every place")
    options = parser.parse_args(arguments)
    rows = table(options.paths, options.files)
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print(row[0].ljust(widths[0]), *cells)
    if options.files:
        for path in sources(options.paths):
            figures = counted(path)
            for kind in ("wide", *PLACES):
                for place in getattr(figures, kind):
                    print(f"{kind}: {place}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
