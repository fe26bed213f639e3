"""The app on no catalog, an empty and a filled one: every page, its parameters, its download and its SQL."""

import tomllib
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import app
from queries import Question, questions
from schema.site import Site
from tests.filled import Filled, varied

APP = str(Path(__file__).parent.parent / "app.py")
NAMES = [question.name for question in questions()]


def opened(question: str = "overview", **parameters: str) -> AppTest:
    at = AppTest.from_file(APP, default_timeout=30)
    for key, value in ({"question": question} | parameters).items():
        at.query_params[key] = value
    at.run()
    assert not at.exception, at.exception
    return at


@pytest.fixture(scope="module")
def catalogs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty and a filled catalog, as sync would publish them."""
    folder = tmp_path_factory.mktemp("catalogs")
    for name, fill in (("empty", lambda _: None), ("full", varied)):
        made = Filled(folder / f"{name}.duckdb")
        fill(made)
        made.connection.close()
    return folder


@pytest.fixture
def empty(site: Site, catalogs: Path) -> None:
    site.snapshot.mkdir(parents=True)
    site.current.symlink_to(catalogs / "empty.duckdb")


@pytest.fixture
def full(site: Site, catalogs: Path) -> None:
    site.snapshot.mkdir(parents=True)
    site.current.symlink_to(catalogs / "full.duckdb")


def test_without_a_snapshot_it_says_what_to_do(folder: Path) -> None:
    at = opened()
    assert at.header[0].value == "Nothing published yet"
    assert any("python -m schema" in code.value for code in at.code)


@pytest.mark.parametrize("name", ["overview", "status", "comparison", "audit_values"])
def test_pages_on_an_empty_catalog(empty: None, name: str) -> None:
    at = opened(name)
    assert len(at.info) == 1
    assert not at.dataframe
    assert ("that is good" in at.info[0].value) == name.startswith("audit_")


@pytest.mark.parametrize("question", questions(), ids=NAMES)
def test_pages_on_a_filled_catalog(full: None, question: Question) -> None:
    at = opened(question.name)
    assert at.header[0].value == question.question
    assert len(at.dataframe) + len(at.info) == 1
    assert at.code[-1].value == question.sql.strip()
    assert any("published just now" in caption.value for caption in at.sidebar.caption)
    assert {box.label for box in at.selectbox} | {box.label for box in at.text_input} == set(question.parameters)


def test_overview_counts_trials_and_draws_the_trade(full: None) -> None:
    at = opened()
    assert {m.label: m.value for m in at.metric} == {
        "done": "7", "running": "1", "pending": "2", "waiting": "1", "failed": "1", "withdrawn": "1",
    }  # fmt: skip
    assert len(at.get("vega_lite_chart")) == 1
    assert at.selectbox[0].options == ["tiny · world · small"]


def test_what_sync_could_not_reach_stands_on_every_page(full: None) -> None:
    for name in ("overview", "coverage"):
        assert [said.value for said in opened(name).warning] == ["squeue: it did not answer within 60 s"]


def test_a_parameter_filters_and_goes_into_the_address(full: None) -> None:
    at = opened("retention_at_budget")
    assert set(at.dataframe[0].value["budget"]) == {"small", "large"}
    at.selectbox(key="retention_at_budget.budget").set_value("large").run()
    assert set(at.dataframe[0].value["budget"]) == {"large"}
    assert at.query_params["budget"] in ("large", ["large"])


def test_failures_show_the_log_and_the_sql_to_copy(full: None) -> None:
    at = opened("failures")
    said = {code.value for code in at.code}
    assert "Traceback\n  boom" in said
    assert "INSERT INTO request (trial, wish) SELECT unnest([8]), 'retry';" in said


def test_the_download_is_the_whole_answer(full: None, site: Site) -> None:
    lines = app.csv((str(site.current), 0), "comparison", (("budget", "small"), ("stream", None))).decode().splitlines()
    assert lines[0].startswith("backbone,stream,budget,recipe,method,mixture,seeds")
    assert len(lines) == 1 + 5


def test_it_listens_on_this_machine_only() -> None:
    config = tomllib.loads((Path(APP).parent / ".streamlit" / "config.toml").read_text())
    assert config["server"]["address"] == "127.0.0.1"
    assert config["browser"]["gatherUsageStats"] is False


def test_the_address_opens_the_page_with_its_parameters(full: None) -> None:
    at = opened("comparison", budget="large")
    assert set(at.dataframe[0].value["budget"]) == {"large"}


def test_an_unknown_page_is_the_overview(full: None) -> None:
    assert opened("nonsense", budget="none").header[0].value == "Overview"


def test_choosing_another_question_opens_it(full: None) -> None:
    at = opened("status")
    at.sidebar.radio[0].set_value("coverage").run()
    assert not at.exception
    assert at.header[0].value == "Which combinations are complete, and what is missing?"
