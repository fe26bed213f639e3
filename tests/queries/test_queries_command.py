"""`python -m queries`: lists, prints, writes, and refuses with exit code 2 and a sentence."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from queries import named, questions
from queries.__main__ import main
from queries.answers import Answer, write
from queries.sheet import LONG, flat
from queries.terminal import ROWS_SHOWN, shown
from schema.site import Site
from tests.filled import Filled, varied


@pytest.fixture(scope="module")
def catalog_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalogs") / "catalog.duckdb"
    made = Filled(path)
    varied(made)
    made.connection.close()
    return path


@pytest.fixture
def published(site: Site, catalog_file: Path) -> None:
    site.snapshot.mkdir(parents=True)
    site.current.symlink_to(catalog_file)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


def test_lists_every_question_in_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(capsys)
    for question in questions():
        assert re.search(rf"^{question.name} +{re.escape(question.question)}", said, re.MULTILINE)
    assert "budget, stream, backbone, recipe" in said


@pytest.mark.parametrize("name", [question.name for question in questions()])
def test_prints_every_answer(
    published: None, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert "grain" not in printed(capsys, name).splitlines()[1]


def test_a_table_aligns_numbers_and_folds_intervals(
    published: None, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(
        capsys, "retention_at_budget", "budget=small", "backbone=tiny", "stream=world"
    ).splitlines()
    assert lines[0] == "Which method retains zero-shot accuracy best at a given budget?"
    assert lines[2] == "asked with budget=small stream=world backbone=tiny"
    shared = set(re.split(" {3}", lines[3]))
    assert shared == {"backbone tiny", "stream world", "budget small", "recipe usual"}
    names = ["rank", "method", "mixture", "zs_ratio", "a_zs", "a_ka", "gm", "seeds"]
    assert lines[4].split() == [*names, "seeds_wanted", "few_seeds"]
    assert re.match(r" +1  ewc +plain +0\.929 +0\.650 .* 1 +3  yes$", lines[5])
    assert re.match(r" +2  lora +replay +0\.814 ± 0\.177 +0\.570 ± 0\.124 .* 3 +3  no$", lines[6])
    assert len({line.index(".") for line in lines[5:]}) == 1


def test_long_text_is_printed_below_its_row(
    published: None, capsys: pytest.CaptureFixture[str]
) -> None:
    said = printed(capsys, "failures")
    assert re.search(
        r"^    retry: INSERT INTO request \(trial, wish\) SELECT unnest\(\[8\]\), 'retry';$",
        said,
        re.MULTILINE,
    )
    assert re.search(r"^    log_tail:\n    Traceback", said, re.MULTILINE)


@pytest.mark.parametrize("name", [question.name for question in questions()])
def test_sql_prints_what_can_be_run(
    published: None, filled: Filled, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    said = printed(capsys, name, "--sql")
    asked, definition = said.split(
        f"\n\n-- {next(q.file for q in questions() if q.name == name)}\n"
    )
    assert definition.strip() == next(
        question.sql.strip() for question in questions() if question.name == name
    )
    filled.rows(asked.strip().removesuffix(";").removeprefix("FROM "))


def test_sql_has_the_parameters_in_it(published: None, capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(capsys, "decide", "a=it's", "b=lora", "--sql")
    assert said.startswith("FROM decide(a := 'it''s', b := 'lora');")


def test_no_rows(published: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "audit_values").splitlines()[-1] == "no rows"


def test_out_writes_the_whole_answer(published: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "coverage", "--out", "a b.csv") == "a b.csv: 9 rows\n"
    printed(capsys, "coverage", "--out", "x.parquet")
    printed(capsys, "coverage", "--out", "x.json")
    assert (
        len(pl.read_csv("a b.csv"))
        == len(pl.read_parquet("x.parquet"))
        == len(json.loads(Path("x.json").read_text()))
        == 9
    )
    assert sorted(p.name for p in Path.cwd().iterdir()) == ["a b.csv", "lab", "x.json", "x.parquet"]


@pytest.mark.parametrize("name", [question.name for question in questions()])
def test_every_answer_can_be_written(
    published: None, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Asked once; the other kinds of file are written from the first."""
    printed(capsys, name, "--out", "x.parquet")
    answered = Answer(question=named(name), frame=pl.read_parquet("x.parquet"))
    for extension in (".csv", ".json"):
        path = Path(f"x{extension}")
        write(answered, path)
        assert path.stat().st_size


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (
            ["retention"],
            r"unknown question 'retention'\. Questions: adopted, anytime, .*attempts, audit_attempts, .*\. Did you mean 'retention_at_budget'",
        ),
        (
            ["comparison", "budgt=small"],
            r"has no parameter 'budgt'\. Allowed: budget, .*\. Did you mean 'budget'",
        ),
        (["comparison", "small"], r"cannot read 'small'; write key=value\. Allowed: budget,"),
        (
            ["comparison", "budget=smal"],
            r"unknown budget 'smal'\. Known: large, small\. Did you mean 'small'",
        ),
        (["comparison", "budget=small", "budget=large"], "budget is given twice"),
        (["status", "a=b"], "Allowed: none: it takes no parameters"),
        (
            ["status", "--out", "x.xlsx"],
            r"cannot write 'x\.xlsx': the name must end in \.csv, \.parquet, \.json",
        ),
        (["status", "--out", "nowhere/x.csv"], "there is no folder nowhere"),
        (
            ["status", "--out", f"{'x' * 300}.csv"],
            f"cannot write {'x' * 300}.csv: File name too long",
        ),
        (["--out", "x.csv"], "--out needs the NAME"),
        (["--sql"], "--sql needs the NAME"),
    ],
)
def test_refuses(
    published: None, capsys: pytest.CaptureFixture[str], arguments: list[str], match: str
) -> None:
    assert re.search(match, refused(capsys, *arguments))


def test_without_a_snapshot_it_says_how_to_get_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "status")
    assert "python -m schema" in said
    assert "python -m runner.sync" in said


def test_a_broken_site_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "site.toml").write_text("snapshto = 'x'")
    assert "Did you mean 'snapshot'" in refused(capsys, "status")


def test_as_a_command_without_torch(published: None) -> None:
    code = "import sys; from queries.__main__ import main; main(['status']); assert 'torch' not in sys.modules"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "seeds_wanted" in done.stdout, "first" in done.stdout) == (
        0,
        False,
        True,
    ), done.stderr


def test_long_answers_are_cut_and_say_so() -> None:
    assert (
        f"the first {ROWS_SHOWN} rows; all of them with --out FILE.csv or --json"
        in shown(pl.DataFrame({"n": range(ROWS_SHOWN + 1)}), 200).plain
    )
    text = "[bold]x[/bold]" + "y" * LONG
    assert text in shown(pl.DataFrame({"text": [text]}), 200).plain


def test_lists_become_text() -> None:
    assert flat(pl.DataFrame({"l": [[1, 2], None, []]}))["l"].to_list() == ["1, 2", None, ""]
