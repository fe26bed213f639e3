"""Pieces of Markdown that several pages need: tables, and text with HTML characters escaped."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
WRITTEN = "<!-- Written by python -m docpages.generate; do not edit. -->"


def plain(text: str) -> str:
    """Return text with `<` escaped, so that `<id>` is not read as an HTML element."""
    return re.sub("<(?=[a-z])", "&lt;", text)


def cell(text: str) -> str:
    """Return text on one line and escaped for a cell of a table."""
    return plain(" ".join(text.split())).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; `rows` hold cells in Markdown."""
    lines = [_line(head), "|" + "---|" * len(head)]
    lines += map(_line, rows)
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def code(text: str) -> str:
    """Return text as inline code."""
    return f"`{text}`"


def codes(names: Iterable[str]) -> str:
    """Return names as inline code with commas between them."""
    return ", ".join(map(code, names))
