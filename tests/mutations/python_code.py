"""The changes that can be made to Python code, found in its syntax tree.

Left alone are texts and what no test is to notice:

- annotations, docstrings, other texts and what is between the braces of an f-string;
- what is written to a log;
- the arguments of `@dataclass`, which mypy checks;
- `if TYPE_CHECKING` and `if __name__ == "__main__"`.

No change is made twice: where an operator turns a condition round, the condition itself is not.
"""

import ast
import re
from collections.abc import Iterator

from tests.mutations import Mutant

# Each operator with what takes its place
BINARY: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
}
COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
# What turns a condition round
OPPOSITE = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
LOG = {"log", "logger", "LOG"}
LEVELS = {"debug", "info", "warning", "error", "exception"}
BOOLEAN: dict[type[ast.boolop], tuple[str, str]] = {ast.And: ("and", "or"), ast.Or: ("or", "and")}


def mutants(path: str, text: str) -> list[Mutant]:
    """Return every change that can be made to a file, in the order of the text."""
    lines = _Lines(text)
    found = []
    for node in _nodes(ast.parse(text)):
        for start, end, new in _changes(lines, node):
            old = text[start:end]
            line = text.count("\n", 0, start) + 1
            found.append(Mutant(path=path, line=line, start=start, end=end, old=old, new=new))
    return sorted(found, key=lambda mutant: (mutant.start, mutant.end))


class _Lines:
    """Turns the lines and columns of a syntax tree, which count bytes, into offsets of a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    def start(self, node: ast.expr) -> int:
        """Return where a node begins."""
        return self._offset(node.lineno, node.col_offset)

    def end(self, node: ast.expr) -> int:
        """Return where a node ends."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._offset(node.end_lineno, node.end_col_offset)

    def between(self, left: ast.expr, right: ast.expr, operator: str) -> tuple[int, int]:
        """Return where an operator is between its operands, whatever brackets are there."""
        start = self.end(left)
        pattern = re.escape(operator)
        if operator[0].isalpha():
            pattern = rf"\b{re.sub(' ', '[ ]+', operator)}\b"
        match = re.search(pattern, self.text[start : self.start(right)])
        assert match is not None
        return start + match.start(), start + match.end()

    def _offset(self, line: int, column: int) -> int:
        before = self.lines[line - 1].encode()[:column].decode()
        return self.starts[line - 1] + len(before)


def _nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes that may be changed."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns") or _of_no_test(node, name):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _left_alone(child):
                    pending.append(child)


def _left_alone(node: ast.AST) -> bool:
    """Return whether nothing below a node is changed: an f-string, a log's line, a decorator."""
    if isinstance(node, ast.JoinedStr):
        return True
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    if isinstance(called, ast.Name):
        return called.id == "dataclass"
    if not isinstance(called, ast.Attribute) or called.attr not in LEVELS:
        return False
    return isinstance(called.value, ast.Name) and called.value.id in LOG


def _of_no_test(node: ast.AST, field: str) -> bool:
    """Return whether a field is the condition that tells a type checker or a command apart."""
    if not isinstance(node, ast.If) or field != "test":
        return False
    return _told_apart(node.test)


def _told_apart(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "__name__ == '__main__'")


def _changes(lines: _Lines, node: ast.AST) -> Iterator[tuple[int, int, str]]:
    """Yield the changes of a node itself: where each begins and ends, and the new text."""
    if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
        old, new = BINARY[type(node.op)]
        yield *lines.between(node.left, node.right, old), new
    elif isinstance(node, ast.AugAssign) and type(node.op) in BINARY:
        old, new = BINARY[type(node.op)]
        yield *lines.between(node.target, node.value, old), new
    elif isinstance(node, ast.Compare):
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            old, new = COMPARISONS[type(operator)]
            yield *lines.between(left, right, old), new
            left = right
    elif isinstance(node, ast.BoolOp):
        old, new = BOOLEAN[type(node.op)]
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield *lines.between(left, right, old), new
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        # The operand may begin with a bracket, which its node leaves out
        length = len("not") if isinstance(node.op, ast.Not) else len("-")
        yield lines.start(node), lines.start(node) + length, ""
    elif isinstance(node, ast.Constant):
        new = _other_constant(node.value)
        if new is not None:
            yield lines.start(node), lines.end(node), new
    elif isinstance(node, ast.If | ast.While | ast.IfExp):
        if _turned_by_operator(node.test) or _told_apart(node.test):
            return
        start, end = lines.start(node.test), lines.end(node.test)
        yield start, end, f"(not ({lines.text[start:end]}))"


def _turned_by_operator(test: ast.expr) -> bool:
    """Return whether a change of its one operator turns a condition round."""
    if isinstance(test, ast.UnaryOp):
        return isinstance(test.op, ast.Not)
    if not isinstance(test, ast.Compare) or len(test.ops) > 1:
        return False
    return isinstance(test.ops[0], OPPOSITE)


def _other_constant(value: object) -> str | None:
    """Return what takes the place of a constant; None: it is left alone."""
    if isinstance(value, bool):
        return str(not value)
    if isinstance(value, int):
        return str(value + 1)
    if isinstance(value, float):
        return str(value * 2 if value else 1.0)
    return None
