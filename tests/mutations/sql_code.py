"""The changes that can be made to SQL, found among its tokens; comments and texts are left alone."""

import re

from tests.mutations import Mutant

TOKEN = re.compile(
    r"(?P<skipped>--[^\n]*|'(?:[^']|'')*'|\"[^\"]*\"|:=|->>?|::|\(\*\)|\bSELECT \*|\w+\.\*)"
    r"|(?P<word>\b(?:IS NOT NULL|IS NULL|NOT IN|LEFT JOIN|ANTI JOIN|SEMI JOIN|UNION ALL|DISTINCT"
    r"|AND|OR|DESC|min|max|arg_min|arg_max)\b)"
    r"|(?P<number>(?<![\w.])\d+(?:\.\d+)?(?:e\d+)?(?![\w.]))"
    r"|(?P<operator><>|<=|>=|\|\||\*\*|[<>=+\-*/])"
)
WORDS = {
    "IS NOT NULL": "IS NULL",
    "IS NULL": "IS NOT NULL",
    "NOT IN": "IN",
    "LEFT JOIN": "JOIN",
    "ANTI JOIN": "SEMI JOIN",
    "SEMI JOIN": "ANTI JOIN",
    "UNION ALL": "UNION",
    "DISTINCT": "",
    "AND": "OR",
    "OR": "AND",
    "DESC": "",
    "min": "max",
    "max": "min",
    "arg_min": "arg_max",
    "arg_max": "arg_min",
}
OPERATORS = {
    "<>": "=",
    "=": "<>",
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "+": "-",
    "-": "+",
    "*": "/",
    "/": "*",
    "**": "*",
}


def mutants(path: str, text: str) -> list[Mutant]:
    """Return every change that can be made to a file, in the order of the text."""
    found = []
    for match in TOKEN.finditer(text):
        old = match.group()
        new = None
        if match["word"]:
            # CREATE OR REPLACE is no condition
            new = None if text[match.end() :].startswith(" REPLACE") else WORDS[old]
        elif match["number"]:
            new = f"({old} + 1)"
        elif match["operator"]:
            new = OPERATORS.get(old)
        if new is not None:
            line = text.count("\n", 0, match.start()) + 1
            start, end = match.span()
            found.append(Mutant(path=path, line=line, start=start, end=end, old=old, new=new))
    return found
