"""The report: what it holds, that its numbers are the questions', and that it fetches nothing."""

import re
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from queries import AskError, answer, named, report, report_console
from queries.__main__ import main
from queries.report_page import page
from schema.site import Site
from tests.filled import Filled, varied
from tests.template import demo_catalog

WHEN = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
SETTING = {"backbone": "tiny_base", "stream": "world", "budget": "steps_250"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports") / "demo"
    with demo_catalog() as connection:
        size = report.write(connection, folder, ["study=demo"], WHEN)
    assert size < 20_000_000
    return folder


def test_its_numbers_are_those_of_the_questions(written: Path) -> None:
    text = (written / "index.html").read_text()
    with demo_catalog() as connection:
        asked = {"measure": "gm", "study": "demo", **SETTING}
        ranked = answer(connection, named("ranked"), asked)
    assert pl.read_parquet(written / "data" / "1-ranked.parquet").equals(ranked)
    best = ranked.row(0, named=True)
    assert f"{best['method']} with {best['mixture']} balances learning and keeping best" in text
    assert f"{best['mean']:.3f} (95 % interval {best['low']:.3f} to {best['high']:.3f}" in text
    for row in ranked.drop_nulls("mean").iter_rows(named=True):
        assert f"{row['mean']:.3f}" in text
    assert "FROM ranked(measure := &#x27;gm&#x27;" in text, "each number has its SQL"
    trials = pl.read_parquet(written / "data" / "trial.parquet")
    assert set(trials["study"]) == {"demo"} and len(trials) == 18


def test_it_is_whole_and_fetches_nothing(written: Path) -> None:
    text = (written / "index.html").read_text()
    assert not re.search(r"(?:src|href)=\"(?!#|data/)", text), "no address but its own files"
    assert "@import" not in text and "url(" not in text and "<script" not in text
    for link in re.findall(r'href="(data/[^"]+)"', text):
        assert (written / link).is_file(), link
    for anchor in re.findall(r'href="#([^"]+)"', text):
        assert f'id="{anchor}"' in text
    assert text.count("<svg") >= 5 and text.count('role="img"') == text.count("<svg")


def test_every_failed_or_stopped_trial_is_in_it() -> None:
    filled = Filled()
    varied(filled)
    text = page(report.gather(filled.connection, {}, WHEN))
    assert "error: loss is nan at step 17" in text and "a typo" in text
    assert "Ada: its loss fell late" in text and "odd,paper" in text
    assert "02 January 2026, 03:04 UTC" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["report"], "a report needs a folder: python -m queries report DIR"),
        (["report", "study=demo"], "a report needs a folder"),
        (
            ["report", "out", "stdy=x"],
            "takes study=..., measure=..., console=...; not stdy=x.*'study'",
        ),
        (["report", "out", "measure=gn"], "measure is one of .*; not gn.*'gm'"),
        (["report", "out", "console=yes"], "console is one of true, false; not yes."),
        (["report", "out", "study=frist"], "no trial is of study 'frist'. Studies: first.*'first'"),
    ],
)
def test_what_cannot_be_reported_is_said(
    site: Site, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    site.snapshot.mkdir(parents=True)
    filled = Filled(site.snapshot / "catalog.duckdb")
    varied(filled)
    filled.connection.close()
    site.current.symlink_to("catalog.duckdb")
    assert main(words) == 2
    assert re.search(message, capsys.readouterr().err)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with demo_catalog() as connection, pytest.raises(AskError, match="is there and is no report"):
        report.write(connection, tmp_path, [], WHEN)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_console_that_cannot_be_had_is_said_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No npm; an npm that fails; and one that brings something else than the files that are known."""
    programs, folder = tmp_path / "bin", tmp_path / "report"
    programs.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(programs))
    npm = programs / "npm"
    archive = tmp_path / "duckdb.tgz"
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(__file__, "package/dist/duckdb-eh.wasm")
    for program, message in (
        (None, "from npm, which is not installed here. Install npm, or leave console=true out"),
        ("echo it is offline >&2; exit 1", "could not fetch @duckdb/duckdb-wasm.*it is offline"),
        (f"/bin/cp {archive} duckdb.tgz", "duckdb-eh.wasm of @duckdb/.* is not the file that this"),
    ):
        if program is not None:
            npm.write_text(f"#!/bin/sh\n{program}\n")
            npm.chmod(0o755)
        with demo_catalog() as connection, pytest.raises(AskError, match=message):
            report.write(connection, folder, ["console=true"], WHEN)
        assert not folder.exists()
    assert report_console.table_name("12-ranked.parquet") == "ranked_12"
    assert report_console.table_name("trial.parquet") == "trial"
