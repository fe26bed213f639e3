"""`--json` of the commands: one document on standard output, with the keys of docs/programs.md."""

import json
from pathlib import Path
from typing import Any

import pytest

from docpages.markdown import DOCS
from queries.__main__ import main as queries
from runner.sync import main as sync
from schema.__main__ import main as schema
from schema.site import Site
from tests.template import fresh

GRID = """
INSERT INTO method (name, note) VALUES ('mine', 'of this test');
INSERT INTO dataset (name, format, location, kind, classes)
VALUES ('nowhere', 'imagefolder', 'not/there', 'classification', '["x", "y"]');
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed)
SELECT 'tiny', stream.name, 'update_only', 'mine', recipe.name, budget.name, 0
FROM (SELECT name FROM stream ORDER BY name LIMIT 1) AS stream,
     (SELECT name FROM recipe ORDER BY name LIMIT 1) AS recipe,
     (SELECT name FROM budget WHERE unit = 'steps' ORDER BY name LIMIT 1) AS budget;
"""


def documented(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The document that was printed; every key of it stands in docs/programs.md."""
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    page = (DOCS / "programs.md").read_text()
    for key in document:
        assert f"`{key}`" in page, key
    assert document["format"] == 1
    return document


@pytest.fixture
def declared(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """A catalog with one trial of the vocabulary, and what `schema --json` says of adding it."""
    fresh(Site.load(folder).catalog, "words")
    (folder / "grid.sql").write_text(GRID)
    assert schema(["grid.sql", "--json"]) == 0
    return documented(capsys)


def test_schema(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "grid.sql").write_text(GRID)
    assert schema(["grid.sql", "--json"]) == 0
    declared = documented(capsys)
    rows = [row for row in declared["rows"] if row["file"] == "grid.sql"]
    assert {"file": "grid.sql", "table": "trial", "new": 1, "there": 0} in rows
    assert declared["change"] and declared["catalog"].endswith(".duckdb")
    assert schema(["--json"]) == 0
    assert documented(capsys) == declared | {"change": "up to date", "rows": []}


def test_schema_that_is_refused_prints_no_document(
    declared: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.sql").write_text("INSERT INTO trial (method) VALUES ('nobody')")
    assert schema(["bad.sql", "--json"]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and "bad.sql" in printed.err


def test_check(declared: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert schema(["check", "nowhere", "--json"]) == 1
    (dataset,) = documented(capsys)["datasets"]
    assert (dataset["dataset"], dataset["format"], dataset["state"]) == (
        "nowhere",
        "imagefolder",
        "absent",
    )
    assert dataset["splits"]["train"] == {"wanted": True, "pairs": None, "expected": None}
    assert dataset["remarks"]


def test_dry_run_and_sync(declared: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert sync(["--dry-run", "--json"]) == 0
    plan = documented(capsys)
    assert plan["pending"] == 1 and plan["would_submit"][0]["method"] == "mine"
    assert plan["without_hours"] == 1 and plan["settings"][0]["trials"] == 1
    assert sync(["--limit", "0", "--json"]) == 0
    report = documented(capsys)
    assert (report["submitted"], report["pending"], report["problems"]) == (0, 1, [])


def test_json_is_of_one_pass(declared: dict[str, Any]) -> None:
    with pytest.raises(SystemExit, match="2"):
        sync(["--watch", "--json"])


def test_queries(declared: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert queries(["status", "--json"]) == 0
    document = documented(capsys)
    assert [row["pending"] for row in document["rows"]] == [1]
    assert queries(["--json"]) == 0
    assert len(documented(capsys)["questions"]) > 80
