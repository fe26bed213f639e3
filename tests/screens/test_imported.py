"""Trials that were run elsewhere, on every page of the app and in a report: marked, and in nobody's way."""

import urllib.parse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from queries import opened as opened_file
from queries import report
from queries.report_page import page
from schema.imports.take import take
from schema.site import Site
from tests.filled import Filled, varied
from tests.schema.imports.test_take import cost, results, written
from tests.screens.opening import opened, texts

MARK = "finetune@fomo"
WHEN = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with some of everything, and two trials of another lab."""
    folder = tmp_path_factory.mktemp("imported")
    filled = Filled(folder / "catalog.duckdb")
    varied(filled)
    rows = []
    for seed in ("0", "1"):
        rows += [*results(seed=seed), cost(1, seed=seed), cost(2, seed=seed)]
    take(filled.connection, written(folder / "theirs.csv", rows), folder / "imports")
    filled.connection.close()
    return folder / "catalog.duckdb"


@pytest.fixture(autouse=True)
def published(catalog: Path, site: Site) -> None:
    site.snapshot.mkdir(parents=True)
    site.current.symlink_to(catalog)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (f"?method={MARK}", f"{MARK} with plain** balances learning and keeping best"),
        (f"?method={MARK}&figure=Over budget", f"{MARK} with plain"),
        (f"?method={MARK}&figure=Lost per dataset", f"{MARK} with plain"),
        (f"?method={MARK}&figure=Cost", f"{MARK} with plain"),
        (f"compare?setting={MARK} · plain&setting=finetune · plain", "finetune@fomo − finetune:"),
        ("compare?what=trials&trials=17,18", MARK),
        (f"runs?method={MARK}", "2 trials fit"),
        (f"operations?hole={MARK} · replay", "It was run elsewhere, so it cannot be declared."),
        ("trial?id=17", f"**{MARK}**, following **usual**, within **small**, from seed **0**: "
         "**done** (run elsewhere (fomo), imported)"),
        (f"declare?method={MARK}", f"The address asks for method '{MARK}', which"),
        ("imports", "who ran it"),
        ("ranked", "untouched"),
    ],
)  # fmt: skip
def test_every_page_marks_what_was_run_elsewhere(address: str, words: str) -> None:
    name, _, query = address.partition("?")
    chosen: dict[str, Any] = urllib.parse.parse_qs(query)
    at = opened(name, **chosen)
    assert not at.error
    cells = [str(table.value.to_dict()) for table in at.dataframe]
    said = texts(at) + "".join(cells)
    assert words in said
    assert MARK in said or name == "operations"


def test_a_report_marks_it_too(catalog: Path) -> None:
    with opened_file(catalog) as connection:
        text = page(report.gather(connection, {}, WHEN))
    assert f"{MARK}" in text and "finetune as fomo ran it: imported" in text
    assert "not known" in text, "its machine"
