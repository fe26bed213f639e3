"""The generated documentation is that of the present tables, questions and tests."""

from pathlib import Path

import pytest

from pages import faults, generate
from schema.ddl import catalog_tables


def test_catalog_page_is_up_to_date() -> None:
    assert generate.CATALOG.read_text() == generate.catalog_page(), "run: python -m pages.generate"


@pytest.mark.parametrize(
    "page", [generate.README, generate.RELIABILITY, generate.METHODS], ids=lambda page: page.name
)
def test_what_is_written_between_markers_is_up_to_date(page: Path) -> None:
    text = page.read_text()
    assert text == generate.renewed(text), "run: python -m pages.generate"


@pytest.mark.parametrize("key", [*faults.FAULTS, *faults.INVARIANTS])
def test_every_fault_and_every_promise_has_a_test(key: str) -> None:
    assert [test.name for test in faults.held() if key in test.faults | test.invariants]
    assert f"\n| {key} | " in generate.RELIABILITY.read_text()


def test_every_table_and_column_is_there() -> None:
    page = generate.catalog_page().replace("&lt;", "<").replace("\\|", "|")
    for table in catalog_tables():
        assert f"### `{table.name}`" in page
        assert all(column.comment and column.comment in page for column in table.columns), (
            table.name
        )


def test_rules_are_said() -> None:
    assert "- weight must be above 0" in generate.catalog_page()


def test_the_readme_keeps_what_stands_outside_the_markers() -> None:
    text = "before\n<!-- questions: begin -->\nof long ago\n<!-- questions: end -->\nafter"
    new = generate.renewed(text)
    assert new.startswith("before\n<!-- questions: begin -->\n| question |")
    assert new.endswith("<!-- questions: end -->\nafter")
    assert "of long ago" not in new
    assert generate.renewed(new) == new
    assert generate.renewed("no markers") == "no markers"


def test_the_example_in_contributing_is_the_file_it_names() -> None:
    """And short: the promise is a part in under 40 lines."""
    text = (generate.ROOT / "methods" / "tuning" / "bitfit.py").read_text()
    assert f"```python\n{text}```" in (generate.ROOT / "CONTRIBUTING.md").read_text()
    assert text.count("\n") < 40
