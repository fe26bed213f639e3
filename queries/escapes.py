"""Write texts of the catalog for LaTeX and Markdown, so that both show them character by character.

Names may have any characters, so none of them may be taken for a command, a mark or a ligature.
"""

import re
from collections.abc import Iterator

from rich.cells import split_graphemes

# LaTeX's special characters, with their escapes
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": "$-$",
    "·": r"$\cdot$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}
# What prose may have and a cell may not: quotes that would be curved, and what `\\` before the row
# would take for its own arguments
CELL = LATEX | {
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",
    "*": "{*}",
}
# Characters after which a long name may be broken, and the most others before it may be
SEPARATORS = "_-/.,+=@: "
UNBROKEN = 10
# A word of prose longer than this may be broken.
LONG_WORD = 30
BREAK = r"\allowbreak{}"
# The last character that the usual fonts of pdfLaTeX have
LATIN = "\xff"
# Characters that Markdown, or its dialect with tables and formulas, would take for marks
MARKS = re.compile(r"[\\`*~$|\[\]]|(?<![^\W_])_|_(?![^\W_])")


def prose(text: str) -> str:
    """Return a text for a paragraph of LaTeX; a word too long for a line may be broken."""
    words = []
    for word in text.split():
        pieces = _breakable(word, LATEX) if len(word) > LONG_WORD else _signs(word, LATEX)
        words.append("".join(pieces))
    return " ".join(words)


def cell(text: str, *, wide: bool = False) -> str:
    """Return a text for a cell of a LaTeX table; one of a `wide` column may be broken anywhere."""
    text = " ".join(text.split())
    return "".join(_breakable(text, CELL) if wide else _signs(text, CELL))


def _signs(text: str, table: dict[str, str]) -> Iterator[str]:
    for place, sign in enumerate(text):
        yield table.get(sign, sign)
        # Two hyphens would be printed as one dash.
        if text[place : place + 2] == "--":
            yield "{}"


def _breakable(text: str, table: dict[str, str]) -> Iterator[str]:
    """Yield the pieces of a text with places to break after separators, and in long words."""
    unbroken = 0
    # What looks like one character, such as a letter with its accents, is not broken.
    for start, end, _ in split_graphemes(text)[0]:
        piece = text[start:end]
        yield "".join(_signs(piece, table))
        unbroken += 1
        if end < len(text) and (piece in SEPARATORS or unbroken >= UNBROKEN):
            yield BREAK
            unbroken = 0


def beyond_latin(text: str) -> str:
    """Return the characters of a text that pdfLaTeX has no letters for, each once."""
    return "".join(sorted({sign for sign in text if sign > LATIN and sign not in LATEX}))


def markdown_cell(text: str) -> str:
    """Return a text as a cell of Markdown, whose marks and tags it must not be taken for."""
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return MARKS.sub(r"\\\g<0>", text).replace("\n", "<br>")
