"""The documentation is that of the present code: generated pages, links, headings and words."""

import re
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from docpages import commands, faults, generate, index
from docpages.markdown import DOCS, ROOT
from queries import AXES, figures
from schema.ddl import catalog_tables
from schema.vocabulary import STATES

PAGES = sorted(DOCS.rglob("*.md"))
OTHERS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
MEASURES = ("a_ka", "a_zs", "gm", "d_ka", "d_zs", "zs_ratio")


@pytest.fixture(scope="module")
def whole() -> dict[Path, str]:
    return generate.whole()


@cache
def words(path: Path) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", path.read_text())


@cache
def slugs(path: Path) -> set[str]:
    """The anchors of a page, as code hosts make them of its headings."""
    anchors = set()
    for heading in re.findall(r"^#+ (.+)$", words(path), re.MULTILINE):
        anchors.add(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-"))
    return anchors


def test_pages_that_are_written_whole_are_up_to_date(whole: dict[Path, str]) -> None:
    for path, text in whole.items():
        assert path.read_text() == text, f"{path.name}: run python -m docpages.generate"
    assert set(generate.QUESTIONS.glob("*.md")) <= set(whole)


@pytest.mark.parametrize("page", generate.MARKED, ids=lambda page: page.name)
def test_what_is_written_between_markers_is_up_to_date(page: Path) -> None:
    text = page.read_text()
    assert text == generate.renewed(text), "run: python -m docpages.generate"


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(words(page)):
        place, _, anchor = link.partition("#")
        if place.startswith(("http:", "https:")):
            continue
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{page.name}: there is no {link}"
        if anchor and target.suffix == ".md":
            assert anchor in slugs(target), f"{page.name}: {place} has no heading #{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_page_has_one_title_and_begins_with_a_paragraph(page: Path) -> None:
    text = words(page)
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1, "one title a page"
    assert text.startswith("# ")
    paragraphs = [part for part in text.split("\n\n")[1:] if not part.startswith("<!--")]
    assert re.match(r"[A-Z`]", paragraphs[0]), "what the page is about comes first"


def test_every_page_is_in_the_index() -> None:
    text = (DOCS / "index.md").read_text()
    for page in DOCS.glob("*.md"):
        assert page.stem == "index" or f"]({page.name})" in text, page.name
    assert "## More" not in text, "every page has a group and a line in docpages/index.py"
    assert len({name for _, name, _, _ in index.PAGES}) == len(index.PAGES)


@pytest.mark.parametrize("word", [*AXES, "trial", "dataset", "sequence", "suite", *MEASURES])
def test_the_glossary_has_every_word_of_a_sentence_and_of_an_answer(word: str) -> None:
    assert re.search(rf"^\| `{word}` \| .+ \|", (DOCS / "glossary.md").read_text(), re.MULTILINE)


def test_the_glossary_has_every_state() -> None:
    """The states of an attempt, and those of a trial, which `status` counts."""
    text = (DOCS / "glossary.md").read_text().partition("\n## States")[2]
    for state in {*STATES, *figures.STATES, "submitting"}:
        assert f"`{state}`" in text, state


@pytest.fixture(scope="module")
def held() -> list[faults.Holds]:
    """What the docstrings of all tests promise, read once."""
    return list(faults.held())


@pytest.mark.parametrize("key", [*faults.FAULTS, *faults.INVARIANTS])
def test_every_fault_and_every_promise_has_a_test(held: list[faults.Holds], key: str) -> None:
    assert [test.name for test in held if key in test.faults | test.invariants]
    assert f"\n| {key} | " in (DOCS / "reliability.md").read_text()


def test_every_table_and_column_is_there(whole: dict[Path, str]) -> None:
    page = whole[DOCS / "catalog.md"].replace("&lt;", "<").replace("\\|", "|")
    for table in catalog_tables():
        assert f"## `{table.name}`" in page
        for column in table.columns:
            assert column.comment and column.comment in page, f"{table.name}.{column.name}"


def test_rules_are_said(whole: dict[Path, str]) -> None:
    assert "- weight must be above 0" in whole[DOCS / "catalog.md"]


def test_what_stands_outside_the_markers_stays() -> None:
    text = "before\n<!-- questions: begin -->\nof long ago\n<!-- questions: end -->\nafter"
    new = generate.renewed(text)
    assert new.startswith("before\n<!-- questions: begin -->\n| question |")
    assert new.endswith("<!-- questions: end -->\nafter")
    assert "of long ago" not in new
    assert generate.renewed(new) == new
    assert generate.renewed("no markers") == "no markers"


def test_the_example_in_contributing_is_the_file_it_names() -> None:
    """And short: the promise is a part in under 40 lines."""
    text = (ROOT / "methods" / "tuning" / "bitfit.py").read_text()
    assert f"```python\n{text}```" in (ROOT / "CONTRIBUTING.md").read_text()
    assert text.count("\n") < 40


def test_every_command_is_on_its_page_with_every_option() -> None:
    page = (DOCS / "commands.md").read_text()
    for command in commands.COMMANDS:
        assert f"\n## `{command.call}`\n" in page
        part = page.partition(f"\n## `{command.call}`\n")[2].partition("\n## ")[0]
        if command.alone:
            assert part.strip() in commands.apart(command)
            continue
        parser = commands.parser(command)
        assert parser is not None
        for option in parser._option_string_actions:
            assert option in ("-h", "--help") or f"| `{option}" in part, option


def test_commands_in_the_documentation_exist_with_their_options() -> None:
    """Wherever a page says `python -m MODULE ... --option`."""
    known: dict[str, str] = {}
    for command in commands.COMMANDS:
        parser = None if command.alone else commands.parser(command)
        text = commands.apart(command) if parser is None else parser.format_help()
        module = command.call.split()[2]
        known[module] = known.get(module, "") + text
    seen = Counter[str]()
    for page in [*PAGES, *OTHERS]:
        for module, rest in re.findall(r"python -m ([\w.]+)([^\n`#]*)", page.read_text()):
            place = ROOT / module.rstrip(".").replace(".", "/")
            is_module = place.with_suffix(".py").exists() or (place / "__main__.py").exists()
            assert is_module or module in ("pytest", "mypy", "pip"), f"{page.name}: {module}"
            for option in re.findall(r"--[a-z][a-z-]*", rest):
                assert module not in known or option in known[module], f"{page.name}: {option}"
            seen[module] += 1
    assert {"schema", "runner.sync", "runner.trial", "queries"} <= set(seen)


def test_the_changelog_has_sections_and_one_line_an_entry() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "\n## Unreleased\n" in text
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= {"Added", "Changed", "Fixed"}
    released = text.partition("\n## Unreleased\n")[2].partition("\n## ")[2]
    for line in released.partition("\n## 0.1.0")[0].splitlines()[1:]:
        assert not line or line.startswith(("### ", "- ")), line
        assert len(line) <= 120, line


def test_one_version_everywhere() -> None:
    """The newest of the changelog is that of the package and of the citation."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    released = re.findall(r"^## (\d.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == version
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
