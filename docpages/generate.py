"""Bring the generated pages of docs/ up to date: `python -m docpages.generate`.

Some pages are written whole: the catalog, the commands, the systems, and the questions with a page
per topic. In others only the text between two markers is replaced, `<!-- questions: begin -->` and
`<!-- questions: end -->` for example. A test fails while a page is out of date.
"""

import re
from collections.abc import Callable
from pathlib import Path

from docpages import (
    catalog,
    commands,
    connected,
    emoji,
    faults,
    gpu,
    guide,
    index,
    questions,
    recipes,
    results,
    systems,
)
from docpages import methods as method_parts
from docpages.markdown import DOCS, ROOT

README = ROOT / "README.md"
EXAMPLE = ROOT / "methods/tuning/bitfit.py"
QUESTIONS = DOCS / "questions"

# Parts of pages, which are written wherever their markers are.
MARKED = (
    README,
    ROOT / "CONTRIBUTING.md",
    DOCS / "accelerators.md",
    DOCS / "emoji.md",
    DOCS / "evaluations.md",
    DOCS / "index.md",
    DOCS / "methods.md",
    DOCS / "recipes.md",
    DOCS / "reliability.md",
)
PARTS: dict[str, Callable[[], str]] = {
    "bitfit": lambda: f"```python\n{EXAMPLE.read_text()}```",
    "questions": questions.first_topic,
    "faults": lambda: faults.table(faults.FAULTS, "fault"),
    "invariants": lambda: faults.table(faults.INVARIANTS, "invariant"),
    "parts": method_parts.page,
    "results": results.table,
    "gpu": gpu.page,
    "emoji": emoji.page,
    "connected": connected.table,
    "recipes": recipes.page,
    "pages": index.page,
}


def main() -> None:
    """Write every generated page, and remove pages of topics that no longer exist."""
    pages = whole()
    QUESTIONS.mkdir(exist_ok=True)
    for old in QUESTIONS.glob("*.md"):
        if old not in pages:
            old.unlink()
    for path, text in pages.items():
        path.write_text(text)
    # The index lists the pages that exist, so it comes after those that were written whole.
    for path in MARKED:
        path.write_text(renewed(path.read_text()))


def whole() -> dict[Path, str]:
    """Return the text of every page that is written whole."""
    pages = {
        DOCS / "catalog.md": catalog.page(),
        DOCS / "commands.md": commands.page(),
        DOCS / "guide.md": guide.page(),
        DOCS / "questions.md": questions.overview(),
        DOCS / "systems.md": systems.page(),
    }
    for topic, text in questions.topics().items():
        pages[QUESTIONS / f"{topic}.md"] = text
    return pages


def renewed(text: str) -> str:
    """Return a page in which the text between its markers is replaced."""
    for name, write in PARTS.items():
        between = re.compile(rf"(<!-- {name}: begin[^>]*-->\n).*?(<!-- {name}: end -->)", re.DOTALL)
        match = between.search(text)
        if match:
            part = f"{match[1]}{write()}\n{match[2]}"
            text = text[: match.start()] + part + text[match.end() :]
    return text


if __name__ == "__main__":
    main()
