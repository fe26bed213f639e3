"""Whether a value of a row's JSON is of the kind that a part's annotation names. What JSON cannot say is not asked of it."""

import ast
from typing import Any

WORDS = {
    "float": "a number",
    "int": "a whole number",
    "str": "a text",
    "bool": "true or false",
    "None": "null",
}
LISTS, OBJECTS = ("tuple", "list", "Sequence"), ("dict", "Mapping")
HELD: dict[str, type | tuple[type, ...]] = {
    "float": (int, float),
    "int": int,
    "str": str,
    "bool": bool,
    "None": type(None),
}


def fits(value: Any, kind: ast.expr) -> bool:
    """Whether a parsed JSON value is of a kind (`float | None`, `tuple[str, ...]`); any is of a kind with a name of its own."""
    match kind:
        case ast.BinOp(left=left, right=right):
            return fits(value, left) or fits(value, right)
        case ast.Subscript(value=ast.Name(id=name), slice=of) if name in LISTS:
            if not isinstance(value, list | tuple):
                return False
            if not isinstance(of, ast.Tuple):
                return all(fits(item, of) for item in value)
            if isinstance(of.elts[-1], ast.Constant):  # tuple[str, ...]
                return all(fits(item, of.elts[0]) for item in value)
            return len(value) == len(of.elts) and all(map(fits, value, of.elts))
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=[_, of])) if (
            name in OBJECTS
        ):
            return isinstance(value, dict) and all(fits(item, of) for item in value.values())
    name = ast.unparse(kind)
    return name not in HELD or (
        isinstance(value, HELD[name]) and (name == "bool" or not isinstance(value, bool))
    )


def worded(kind: ast.expr) -> str:
    """A kind in words: `a number or null`, `a list, each a text`, `a list of 2, each a number`."""
    match kind:
        case ast.BinOp(left=left, right=right):
            return " or ".join(dict.fromkeys((worded(left), worded(right))))
        case ast.Subscript(value=ast.Name(id=name), slice=of) if name in LISTS:
            first, *others = of.elts if isinstance(of, ast.Tuple) else [of]
            if others and not isinstance(others[-1], ast.Constant):
                return f"a list of {1 + len(others)}, each {worded(first)}"
            return f"a list, each {worded(first)}"
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=[_, of])) if (
            name in OBJECTS
        ):
            return (
                "an object" if ast.unparse(of) == "Any" else f"an object, each value {worded(of)}"
            )
    return WORDS.get(ast.unparse(kind), ast.unparse(kind))
