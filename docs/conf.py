"""Build the pages of this folder as a static site, with Sphinx: `make docs`.

The pages are Markdown that also reads well where a repository is browsed, so nothing in them is of
Sphinx. What Sphinx needs beside them is added here as each page is read: the tables of contents,
and what becomes of links to files of the repository that are no pages.
"""

import re
import tomllib
from pathlib import Path

import sphinx.highlighting
from pygments.lexers.sql import PostgresLexer
from sphinx.application import Sphinx
from sphinx.util import logging

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINK = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)\s#]+)(?:#[^)]*)?\)")
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
LISTED = re.compile(r"^- \[(.+?)\]\((.+?)\.md\)", re.MULTILINE)
TOPIC = re.compile(r"\((questions/\w+)\.md#")
logger = logging.getLogger(__name__)

project = "Weir"
version = release = PROJECT["version"]
html_title = f"Weir {release}"
extensions = ["myst_parser"]
# A heading can be linked to by its words, as where a repository is browsed.
myst_heading_anchors = 4
exclude_patterns = ["_site"]
html_theme = "furo"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False


def read(app: Sphinx, page: str, source: list[str]) -> None:
    """Change the text of a page before Sphinx reads it."""
    text = source[0]
    if page == "index":
        text += contents_of_index(text)
    if page == "questions":
        text += toctree(list(dict.fromkeys(TOPIC.findall(text))))
    source[0] = without_links_out(text, app.srcdir / f"{page}.md")


def contents_of_index(text: str) -> str:
    """Return a table of contents for each group of pages that the index lists."""
    tables = []
    for group in text.split("\n## ")[1:]:
        caption = group.partition("\n")[0].strip()
        pages = [f"{title} <{page}>" for title, page in LISTED.findall(group)]
        tables.append(toctree(pages, caption))
    return "".join(tables)


def toctree(pages: list[str], caption: str = "") -> str:
    """Return the directive that puts pages into the menu."""
    options = ":hidden:\n" + (f":caption: {caption}\n" if caption else "")
    listed = "\n".join(pages)
    return f"\n\n```{{toctree}}\n{options}\n{listed}\n```\n"


def without_links_out(text: str, path: Path) -> str:
    """Return the text with links to files of the repository as plain text.

    The site holds pages only. A file that is not there is a warning, and so ends the build.
    """

    def plain(link: re.Match[str]) -> str:
        if not (path.parent / link[2]).exists():
            logger.warning("%s: there is no file %s", path.name, link[2])
        return link[1]

    parts = FENCE.split(text)
    for place, part in enumerate(parts):
        if not part.startswith("```"):
            parts[place] = LINK.sub(plain, part)
    return "".join(parts)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("source-read", read)


# DuckDB writes SQL as PostgreSQL does, with texts between $$
sphinx.highlighting.lexers["sql"] = PostgresLexer()
