"""Checks of a row's JSON values against the type annotations of keys.

A type that JSON cannot express (such as a class) is not checked.
"""

import ast
from typing import Any

# The types with a name of their own in messages
NAMES_OF_KINDS = {
    "float": "a number",
    "int": "a whole number",
    "str": "a text",
    "bool": "true or false",
    "None": "null",
}
# The Python types of parsed JSON that each of these annotations allows
TYPES_OF_KINDS: dict[str, type | tuple[type, ...]] = {
    "float": (int, float),
    "int": int,
    "str": str,
    "bool": bool,
    "None": type(None),
}
LISTS, OBJECTS = ("tuple", "list", "Sequence"), ("dict", "Mapping")


def fits(value: Any, kind: ast.expr) -> bool:
    """Return whether a parsed JSON value has a type such as `float | None` or `tuple[str, ...]`.

    Any value fits an annotation that is not built of those in `TYPES_OF_KINDS`.
    """
    match kind:
        case ast.BinOp(left=left, right=right):
            return fits(value, left) or fits(value, right)
        case ast.Subscript(value=ast.Name(id=name), slice=items) if name in LISTS:
            return isinstance(value, list | tuple) and _items_fit(value, items)
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=[_, item])) if (
            name in OBJECTS
        ):
            return isinstance(value, dict) and all(fits(each, item) for each in value.values())
    name = ast.unparse(kind)
    if name not in TYPES_OF_KINDS:
        return True
    # Python's bools are ints, but in a row they are a mistake
    if isinstance(value, bool) and name != "bool":
        return False
    return isinstance(value, TYPES_OF_KINDS[name])


def _items_fit(values: list[Any] | tuple[Any, ...], items: ast.expr) -> bool:
    """Return whether the values of a list have the type between the brackets of `list[...]`."""
    if not isinstance(items, ast.Tuple):
        return all(fits(value, items) for value in values)
    # tuple[str, ...] allows any number of values of one type
    if isinstance(items.elts[-1], ast.Constant):
        return all(fits(value, items.elts[0]) for value in values)
    return len(values) == len(items.elts) and all(map(fits, values, items.elts))


def worded(kind: ast.expr) -> str:
    """Return a type in words: `a number or null`, `a list, each a text`."""
    match kind:
        case ast.BinOp(left=left, right=right):
            return " or ".join(dict.fromkeys((worded(left), worded(right))))
        case ast.Subscript(value=ast.Name(id=name), slice=items) if name in LISTS:
            return _list_worded(items)
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=[_, item])) if (
            name in OBJECTS
        ):
            if ast.unparse(item) == "Any":
                return "an object"
            return f"an object, each value {worded(item)}"
    return NAMES_OF_KINDS.get(ast.unparse(kind), ast.unparse(kind))


def _list_worded(items: ast.expr) -> str:
    """Return a list type in words, from its items: `a list of 2, each a number`."""
    if not isinstance(items, ast.Tuple):
        return f"a list, each {worded(items)}"
    first, *others = items.elts
    if others and not isinstance(others[-1], ast.Constant):
        return f"a list of {len(items.elts)}, each {worded(first)}"
    return f"a list, each {worded(first)}"
