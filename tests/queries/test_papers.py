"""Tables for print show every name whole, whatever is in it: LaTeX, Markdown, HTML, the terminal."""

import re
from html.parser import HTMLParser

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len

from queries import escapes, named, papers
from queries.terminal import shown

# Names of 300 characters, each with what some format might take for its own
NASTY = (
    "with_underscores_" * 17 + "and_more_now",
    "100 % of $x_1$ & #2 " * 15,
    "C:\\models\\new|old " * 15,
    "<b>bold</b> **loud** ~~gone~~ `code` " * 8,
    "[12pt] a--b ``quoted'' {x} ^2 ~ " * 9,
    "&amp; &lt; <!-- \\textbf{x} --> %% " * 9,
    "🚀👩\u200d🚀é漢字 " * 40,
    "שלום עולם مرحبا " * 20,
    "x" * 300,
    "*starred*",
    "_emphasised_",
)
# What the decoder below accepts of LaTeX: nothing that is special there stands by itself.
TOKEN = re.compile(
    r"\\allowbreak\{\}|(\\text[a-z]+\{\})|\\([_%&#${}])|\{([\[*])\}|(\$[^$]+\$)|(-)\{\}|"
    r"([^\\{}_%&#$~^<>|\[*'`])"
)
WORDS = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    r"\textquotesingle{}": "'",
    r"\textasciigrave{}": "`",
    r"$\pm$": "±",
    "$-$": "−",
    r"$\cdot$": "·",
}
# Letters of all scripts and signs of all kinds, without what shows nothing
NAMES = st.text(
    st.one_of(
        st.sampled_from("\\_%$&#{}~^|<>*`[]-'\" !?:;.,/@=+"),
        st.characters(exclude_categories=["C", "Z"]),
    ),
    min_size=1,
    max_size=300,
)


class Cells(HTMLParser):
    """The texts of the cells of a page's tables."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "td":
            self.inside = True
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[-1] += data


def answer_of(*names: str) -> pl.DataFrame:
    """An answer of settings, of which the first is the best."""
    count = len(names)
    return pl.DataFrame(
        {
            "rank": list(range(1, count + 1)),
            "method": list(names),
            "mixture": ["plain", *["replay"] * (count - 1)],
            "mean": [0.5] * count,
            "low": [0.4] * count,
            "high": [0.6] * count,
            "seeds": [3] * count,
            "verdict": ["best", *["behind"] * (count - 1)],
        }
    )


def of_latex(cell: str) -> str:
    """What a cell of LaTeX shows; fails where a sign of it would be taken for a command."""
    cell = re.sub(r"^\\textbf\{(.*)\}$", r"\1", cell.strip())
    text, place = "", 0
    while place < len(cell):
        match = TOKEN.match(cell, place)
        assert match is not None, f"{cell[place : place + 20]!r} of {cell!r}"
        for piece in filter(None, match.groups()):
            text += WORDS.get(piece, piece)
        place = match.end()
    return text


def words(text: str) -> str:
    """A text whose white space is one space, as in print."""
    return " ".join(text.split())


def check(name: str) -> None:
    """A table of two names, of which one is usual, in every format."""
    frame, question = answer_of(name, "usual"), named("ranked")
    tex = papers.latex(frame, question)
    rows = [line.strip() for line in tex.splitlines() if line.endswith(r" \\")]
    head, row, usual = rows
    cells = re.split(r"(?<!\\) & ", row.removesuffix(r" \\"))
    assert len(cells) == len(head.split(" & ")) == len(usual.split(" & "))
    assert of_latex(cells[1]) == words(name)
    assert (r"p{0.45\linewidth}" in tex) == (cell_len(words(name)) > 60) == ("{array," in tex)

    page = papers.markdown(frame, question)
    rendered = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(page)
    assert words(Cells(rendered).texts[1]) == words(name)
    # Formulas in dollars are a dialect that this renderer does not have.
    assert not re.search(r"(?<!\\)\$", page)

    texts = Cells(papers.html(frame, question)).texts
    assert texts[1] == name.strip() and "behind" in texts

    for width in (80, 120, 160):
        lines = shown(frame, width, question).plain.splitlines()
        assert max(map(cell_len, lines)) <= width
        assert "".join(name.split()) in "".join("".join(lines).split())
        assert any("0.500 ± 0.100" in line for line in lines)


@settings(max_examples=25, deadline=None)
@given(NAMES)
def test_a_name_of_any_letters_is_whole_in_every_table(name: str) -> None:
    check(name)


@pytest.mark.parametrize("name", NASTY, ids=range(len(NASTY)))
def test_a_name_of_300_characters_is_whole_in_every_table(name: str) -> None:
    check(name[:300])
    # Where all rows share it, it stands once, in the note.
    frame = answer_of("one", "other").with_columns(mixture=pl.lit(name[:300]))
    for write in (papers.latex, papers.markdown):
        note = re.sub(r"\\allowbreak\{\}", "", write(frame, named("ranked")))
        assert "All rows: mixture" in note and len(note) > len(name)


def test_names_that_cannot_be_printed_show_what_is_in_them() -> None:
    """A line break or an escape of a terminal would tear its row; LaTeX is told what it needs."""
    frame = answer_of("two\nlines", "red\x1b[31m", "right\u202eleft", "שלום")
    text = shown(frame, 80, named("ranked")).plain
    assert "\x1b" not in text and len(text.splitlines()) == 5
    tables = [papers.latex, papers.markdown, papers.html]
    texts = [text, *(write(frame, named("ranked")) for write in tables)]
    for text in texts:
        for part in ("two", "nlines", "x1b", "u202eleft"):
            assert part in text
    first = papers.latex(frame, named("ranked")).splitlines()[0]
    assert first == "% For LuaLaTeX or XeLaTeX, with a font that has " + "".join(sorted("שלום"))
    assert papers.latex(answer_of("é", "b")).startswith(r"% \usepackage{booktabs}")
    # A long name is broken between what looks like two characters, never within one.
    assert "e\u0301" + escapes.BREAK in escapes.cell("e\u0301" * 30, wide=True)
