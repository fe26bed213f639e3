"""The app on no catalog, an empty and a filled one, by Streamlit's AppTest.

Every page is opened: what is chosen on it, its files and its SQL.
"""

import io
import re
import tomllib
from pathlib import Path

import polars as pl
import pytest

import app
from queries import Question, SnapshotError, figures, questions
from queries.figures import printing
from screens import answer, compare, reading, runs, showing, words
from tests.filled import Filled, varied
from tests.screens.opening import APP, opened, texts

ASKED = questions()
INSERT_ROW = "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed)"


def test_without_a_snapshot_it_says_what_to_do(folder: Path) -> None:
    at = opened()
    assert at.header[0].value == "Nothing published yet"
    assert any("python -m schema" in code.value for code in at.code)


@pytest.mark.parametrize("page", [*app.OURS, *app.HIDDEN])
def test_pages_on_an_empty_catalog(empty: None, page: str) -> None:
    at = opened(page)
    assert at.header and not at.get("vega_lite_chart")
    assert page in ("console", "ask") or len(at.info) == 1, "an empty state is designed"


@pytest.mark.parametrize("name", ["status", "comparison", "audit_values"])
def test_questions_on_an_empty_catalog(empty: None, name: str) -> None:
    at = opened(name)
    assert len(at.info) == 1
    assert not at.dataframe
    assert ("that is good" in at.info[0].value) == name.startswith("audit_")


@pytest.mark.parametrize("question", ASKED, ids=[question.name for question in ASKED])
def test_questions_on_a_filled_catalog(full: reading.Snapshot, question: Question) -> None:
    at = opened(question.name)
    assert at.header[0].value == question.question
    assert len(at.dataframe) + len(at.info) == 1
    assert at.code[-1].value == question.sql.strip()
    assert any("published" in caption.value for caption in at.sidebar.caption)
    assert {box.label for box in at.selectbox} | {box.label for box in at.text_input} == set(
        question.parameters
    )


@pytest.mark.parametrize("page", app.OURS)
def test_what_sync_could_not_reach_stands_on_every_page(full: reading.Snapshot, page: str) -> None:
    assert "squeue: it did not answer within 60 s" in texts(opened(page))


def test_the_answer_in_one_sentence(full: reading.Snapshot) -> None:
    """Of the numbers of tests/filled.py, by hand.

    ewc has sqrt(0.675 * 0.65), the untouched backbone sqrt(0.25 * 0.7).
    """
    at = opened()
    answer = next(one.value for one in at.markdown if "####" in one.value)
    assert (
        "When tiny learns world within small, **ewc with plain** balances learning and keeping best: "
        "**0.662**" in answer
    )
    assert "one seed, so no interval" in answer
    assert "The untouched backbone has 0.418." in answer
    table = at.dataframe[0].value
    assert table["verdict"].to_list() == ["best", "too few seeds", "too few seeds", "untouched"]
    assert table["mean"].to_list()[1:] == pytest.approx([0.582, 0.562, 0.418], abs=1e-3)
    assert "1 of 3 rows waits for seeds" in texts(at)


def test_filters_are_the_words_of_the_sentence(full: reading.Snapshot) -> None:
    at = opened(method="lora")
    assert set(at.dataframe[0].value["method"]) == {"lora", "untouched"}
    at.selectbox(key="method").set_value("finetune").run()
    assert set(at.dataframe[0].value["method"]) == {"finetune", "untouched"}
    assert {box.key for box in at.selectbox} >= {
        "measure",
        *reading.WORDS,
        "tuning",
        "objective",
        "merging",
        "row",
    }
    assert "No trial fits these words" in texts(opened(study="second", mixture="replay"))


def test_the_trials_behind_a_row(full: reading.Snapshot) -> None:
    at = opened(row="lora · replay · usual")
    behind = at.dataframe[1].value
    assert behind["seed"].to_list() == [0, 1, 2]
    assert behind["trial"].to_list()[0].startswith("/trial?id=")
    assert any("FROM seeds WHERE" in code.value for code in at.code)


@pytest.mark.parametrize("figure", answer.FIGURES)
def test_every_figure(full: reading.Snapshot, figure: str) -> None:
    at = opened("", figure=figure)
    charts = at.get("vega_lite_chart")
    assert at.get("button_group")[0].value == figure
    assert len(charts) == (2 if figure == "Ranking" else 1) or "never" in texts(at)
    for chart in charts:
        assert len(chart.proto.alt) > 20, "each is described to who cannot see it"


def test_menus_stand_beside_the_answer_and_below_it_on_a_phone(full: reading.Snapshot) -> None:
    """The answer is the first column, so it is first where columns stand below one another."""
    first, second = opened().columns[:2]
    assert first.header and [box.key for box in first.selectbox] == ["row"]
    assert {box.key for box in second.selectbox} >= {"measure", "backbone", "colour", "top"}


def test_a_link_holds_everything_that_is_shown(full: reading.Snapshot) -> None:
    shown = {
        "": {"measure", "backbone", "stream", "budget", "colour", "top", "figure"},
        "compare": {"what", "measure", "backbone", "stream", "budget", "setting", "spent", "rows"},
        "runs": {"sort", "way", "page"},
        "declare": {"backbone", "stream", "budget", "seeds", "first_seed"},
        "operations": {"backbone", "stream", "budget"},
        "trial": {"id"},
    }
    for page, keys in shown.items():
        at = opened(page)
        assert keys <= set(at.query_params), (page, at.query_params)


def test_settings_are_compared(full: reading.Snapshot) -> None:
    at = opened("compare", setting=["finetune · plain", "lora · replay"])
    text = texts(at)
    assert "These two differ in method, mixture" in text
    # Paired lines are not drawn of them; the course and the difference are.
    assert len(at.get("vega_lite_chart")) == 2
    keys = at.dataframe[-1].value["key"].to_list()
    assert "mixture.buffer_share" in keys and "method.name" in keys
    assert "does not have" in texts(opened("compare", setting=["nonsense", "lora · replay"]))


def test_trials_are_compared(full: reading.Snapshot) -> None:
    at = opened("compare", what="trials", trials="1, 2,x,99")
    assert at.dataframe[0].value["trial"].to_list() == ["/trial?id=1", "/trial?id=2"]
    assert "Not the number of a trial: x." in texts(at)
    assert "There is no trial 99 in this catalog." in texts(at)
    assert len(at.get("vega_lite_chart")) == 1
    assert compare.differences({"a": {"x": "1", "y": "2"}, "b": {"x": "1"}}) == [
        {"key": "y", "a": "2", "b": "-"}
    ]


def test_runs_are_searched_sorted_and_filtered(full: reading.Snapshot) -> None:
    at = opened("runs")
    assert "16 trials fit; these are 1 to 16." in texts(at)
    table = at.dataframe[0].value
    assert table["trial"][0] == "/trial?id=16", "the newest first"
    assert "odd,paper" in set(table["tags"]), "of the trial and of its study"
    assert "Ada: its loss fell late" in set(table["remarks"])
    assert set(opened("runs", tag="odd").dataframe[0].value["trial"]) == {
        "/trial?id=1",
        "/trial?id=8",
    }
    assert set(opened("runs", search="fell LATE").dataframe[0].value["trial"]) == {"/trial?id=1"}
    assert "No trial fits." in texts(opened("runs", search="nothing like it"))
    best = opened("runs", sort="gm", way="falling").dataframe[0].value
    assert best["method"].to_list()[0] == "ewc"


def test_what_a_selection_writes_is_sql_that_works(full: reading.Snapshot) -> None:
    filled = Filled()
    varied(filled)
    filled.connection.execute(runs.statements([2, 3], "it's odd", "late"))
    assert filled.row("labelled", trial=3)["tags"] == "it's odd,paper"
    assert filled.row("labelled", trial=3)["remarks"] == "late"
    taken_off = runs.statements([2], "it's odd", "").splitlines()[1].partition(": ")[2]
    filled.connection.execute(taken_off)
    assert filled.row("labelled", trial=2)["tags"] == "paper"
    filled.connection.execute(runs.statements([4], "", "").splitlines()[0])
    assert filled.rows("request", trial=4)[0]["wish"] == "retry"


def test_questions_are_found_by_their_words(full: reading.Snapshot) -> None:
    at = opened("ask", search="zero-shot budget")
    assert "Which method retains zero-shot accuracy best at a given budget?" in texts(at)
    assert not re.search(r"\b1 of ", texts(opened("ask")))
    assert "No question has all of these words" in texts(opened("ask", search="zebra crossing"))


def test_operations(full: reading.Snapshot) -> None:
    at = opened("operations")
    code = {one.value for one in at.code}
    assert "Traceback\n  boom" in code
    assert "INSERT INTO request (trial, wish) SELECT unnest([8]), 'retry';" in code
    filled = opened("operations", hole="ewc · replay")
    assert any(
        "(VALUES ('ewc')) AS methods(method)" in one.value and INSERT_ROW in one.value
        for one in filled.code
    )
    filled = opened("operations", hole="ewc · plain")
    assert "All 3 seeds of it are declared: 1 done, 1 running, 0 missing, 1 failed." in texts(
        filled
    )
    assert not any("(VALUES ('ewc')) AS methods(method)" in one.value for one in filled.code)


def test_an_old_snapshot_in_which_something_runs_is_stale(
    full: reading.Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("screens.operations.minutes_old", lambda snapshot: 60.0)
    assert "3 trials are said to run, but this snapshot is 60 minutes old" in texts(
        opened("operations")
    )


def test_a_trial(full: reading.Snapshot) -> None:
    at = opened("trial", id="8")
    assert "by **ewc**" in texts(at) and "error: loss is nan at step 17" in texts(at)
    assert "Traceback\n  boom" in {one.value for one in at.code}
    assert "There is no trial 99" in texts(opened("trial", id="99"))


def test_declare_says_the_insert_and_its_price(full: reading.Snapshot) -> None:
    at = opened(
        "declare", mixture="plain", method="finetune", recipe="usual", seeds="2", study="it's mine"
    )
    text = at.code[0].value
    assert INSERT_ROW.replace("seed)", "seed, study)") in text and "'it''s mine'" in text
    assert {one.label: one.value for one in at.metric} == {
        "combinations": "1",
        "new trials": "0",
        "worker hours": "0.00",
        "trials without a forecast": "0",
    }
    more = Filled()
    varied(more)
    before = more.rows("(SELECT count(*) AS trials FROM trial)")[0]["trials"]
    more.connection.execute(
        words.insert(
            {word: ["small"] if word == "budget" else [name] for word, name in SENTENCE.items()}, 5
        )
    )
    assert more.rows("(SELECT count(*) AS trials FROM trial)")[0]["trials"] == before + 2, (
        "3 of 5 were there"
    )


SENTENCE = {
    "backbone": "tiny",
    "stream": "world",
    "mixture": "plain",
    "method": "finetune",
    "recipe": "usual",
    "budget": "small",
}


def test_files_are_the_whole_answer(full: reading.Snapshot) -> None:
    asked = reading.given(budget="small")
    frame = reading.whole(full, "comparison", asked)
    lines = showing.csv(frame).decode().splitlines()
    assert lines[0].startswith("backbone,stream,budget,recipe,method,mixture,seeds")
    assert len(lines) == 1 + 7
    assert pl.read_parquet(io.BytesIO(showing.parquet(frame))).equals(frame)


def test_figures_as_svg_and_png(full: reading.Snapshot) -> None:
    chart = figures.dots(
        reading.read(full, "ranked").drop_nulls("mean"), "mean", ["finetune", "lora", "ewc"]
    )
    assert showing.svg(chart).startswith(b"<svg") and b"lora" in showing.svg(chart)
    assert printing.png(chart).startswith(b"\x89PNG")
    assert printing.pdf(chart).startswith(b"%PDF")


def test_rows_are_called_by_what_tells_them_apart() -> None:
    words_ = {
        "method": ["a", "b", "b"],
        "mixture": ["m", "m", "m"],
        "recipe": ["x", "x", "y"],
        "budget": ["s", "s", "s"],
    }
    assert figures.named(pl.DataFrame(words_))["row"].to_list() == [
        "a · m",
        "b · m · x",
        "b · m · y",
    ]


def test_measures_are_called_by_what_tells_them_apart() -> None:
    frame = pl.DataFrame(
        [
            ("flickr", "r1", "all"),
            ("flickr", "r5", "all"),
            ("food", "top1", "all"),
            ("food", "top1", "union"),
            ("cars", "top1", "all"),
        ],
        schema=["dataset", "metric", "label_space"],
        orient="row",
    )
    assert figures.told_apart(frame)["item"].to_list() == [
        "flickr r1",
        "flickr r5",
        "food all",
        "food union",
        "cars",
    ]


def test_colours_stay_when_methods_are_added(full: reading.Snapshot) -> None:
    frame = pl.DataFrame({"method": ["lora"]})
    colours = [
        figures.dyed(methods, frame).paint.to_dict()["scale"]["range"]
        for methods in (["finetune", "lora"], ["finetune", "lora", "x"])
    ]
    assert colours[0] == colours[1] == [figures.OKABE_ITO[1]]
    # Two of many methods never get the same colour, wherever they are among all.
    all_methods = [f"method_{place}" for place in range(17)]
    far = pl.DataFrame({"method": ["method_16", "method_8", "method_0", "method_1"]})
    colours_ = figures.dyed(all_methods, far).colours
    assert len(set(colours_.values())) == 4
    assert [colours_[f"method_{place}"] for place in (0, 1)] == list(figures.OKABE_ITO[:2])


def test_settings_that_are_compared_have_colours_in_the_order_of_choosing() -> None:
    """Also where they share a method, and the first two have those of their pairs."""
    frame = pl.DataFrame({"method": ["lora", "lora", "ewc"], "row": ["b", "a", "c"]})
    order = ("c", "b", "a")
    colours = figures.dyed(figures.Palette(by="row", order=order), frame).colours
    assert colours == dict(zip(order, figures.OKABE_ITO, strict=False))


def test_a_parameter_stands_in_the_address(full: reading.Snapshot) -> None:
    assert set(opened("retention_at_budget").dataframe[0].value["budget"]) == {"small", "large"}
    assert set(opened("retention_at_budget", budget="large").dataframe[0].value["budget"]) == {
        "large"
    }


def test_a_question_younger_than_the_snapshot_says_so(
    full: reading.Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> pl.DataFrame:
        raise SnapshotError(
            "the snapshot does not know ranked. Publish again with: python -m schema"
        )

    monkeypatch.setattr("screens.answer.read", refuse)
    assert "Publish again with: python -m schema" in texts(opened())


def test_a_wrong_value_is_said_in_words(full: reading.Snapshot) -> None:
    text = texts(opened("effect", axis="nonsense"))
    assert "The address asks for axis 'nonsense'" in text and "Allowed: backbone, stream" in text
    assert "a value has the wrong type" in opened("grid_cost", seeds="many").error[0].value


def test_the_address_holds_what_is_shown_instead_of_a_wrong_value(full: reading.Snapshot) -> None:
    """The warning stays until something else is chosen."""
    at = opened("", budget="nonsense")
    assert at.query_params["budget"] == "small"
    sentence = "The address asks for budget 'nonsense', which this snapshot does not have."
    assert f"{sentence} Shown instead: small." in texts(at.run())
    at.selectbox(key="budget").set_value("large").run()
    assert "nonsense" not in texts(at)


def test_it_listens_on_this_machine_only() -> None:
    config = tomllib.loads((Path(APP).parent / ".streamlit" / "config.toml").read_text())
    assert config["server"]["address"] == "127.0.0.1"
    assert config["browser"]["gatherUsageStats"] is False
