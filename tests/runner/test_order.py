"""The command `runner.order`: what it asks the other half, and the SQL that it prints."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from runner import order
from schema import grid
from schema.catalog import Catalog
from schema.site import Site
from tests.filled import Filled


@pytest.fixture
def asked(site: Site, catalog: Catalog) -> Catalog:
    """A catalog with the hand-written axes: stream `world` of two concepts in two tasks."""
    Filled(site.catalog).connection.close()
    return Catalog(site.catalog)


def options(*words: str) -> argparse.Namespace:
    """Return parsed options of an order like the stream `world`."""
    return order._parser().parse_args(["new", "--like", "world", *words])


def request(site: Site, catalog: Catalog, *words: str) -> dict[str, Any]:
    """Return what the other half would be asked."""
    with catalog.open() as connection:
        return order.request(site, connection, options(*words))


def test_the_request_has_the_options_and_the_rows(site: Site, asked: Catalog) -> None:
    words = ("--by", "easy_to_hard", "--backbone", "tiny", "--pairs", "7", "--seed", "3")
    answer = request(site, asked, *words, "--reverse", "--tasks", "1")
    assert (answer["pairs"], answer["seed"], answer["reverse"], answer["tasks"]) == (7, 3, True, 1)
    assert answer["concepts"] == [("birds", "crow"), ("ships", "tug")]
    assert [row["name"] for row in answer["datasets"]] == ["birds", "ships"]
    assert (answer["sequence"], answer["suite"], answer["data"]) == (
        "order",
        "five",
        str(site.data),
    )
    assert answer["backbone"]["name"] == "tiny" and answer["weights"] is None
    assert "pool" not in answer


def test_without_options_it_is_the_other_streams(site: Site, asked: Catalog) -> None:
    answer = request(site, asked, "--by", "frequency", "--pool", "dogs")
    assert (answer["pairs"], answer["seed"], answer["reverse"], answer["tasks"]) == (
        100,
        0,
        False,
        2,
    )
    assert answer["pool"]["name"] == "dogs" and "backbone" not in answer


@pytest.mark.parametrize(
    ("words", "source", "note"),
    [
        (["--by", "random"], "--by random --seed 0", "the concepts of order by random"),
        (
            ["--by", "easy_to_hard", "--backbone", "tiny", "--pairs", "7", "--reverse"],
            "--by easy_to_hard --seed 0 --backbone tiny --pairs 7 --reverse",
            "the concepts of order by easy_to_hard, backbone tiny; from end to start",
        ),
        (
            ["--by", "similarity", "--backbone", "tiny", "--pairs", "7"],
            "--by similarity --seed 0 --backbone tiny",
            "the concepts of order by similarity, backbone tiny",
        ),
    ],
)
def test_the_source_makes_the_same_order_again(
    site: Site, asked: Catalog, words: list[str], source: str, note: str
) -> None:
    """Only `easy_to_hard` looks at a number of images, so only there `--pairs` is a part of it."""
    wish = request(site, asked, *words)
    answer = {"concepts": [("ships", "tug"), ("birds", "it's")], "scores": [0.5, None]}
    text = order.sql(options(*words), wish, answer)
    with asked.open() as connection:
        grid.apply(connection, text, "order")
        (row,) = connection.execute(
            "SELECT source, note, scores, seed FROM sequence WHERE name = 'new'"
        ).fetchall()
        concepts = connection.execute(
            "SELECT position, dataset, concept FROM sequence_concept WHERE sequence = 'new' ORDER BY 1"
        ).fetchall()
        stream = connection.execute(
            "SELECT sequence, tasks, suite, note FROM stream WHERE name = 'new'"
        ).fetchone()
    assert row == (f"runner.order new --like world {source}", note, "[0.5, null]", 0)
    assert concepts == [(1, "ships", "tug"), (2, "birds", "it's")]
    assert stream == ("new", 2, "five", note)
    assert text.startswith(f"-- {note}\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--by", "random", "--tasks", "3"], "2 concepts, which cannot be cut into 3 tasks"),
        (["--by", "random", "--tasks", "0"], "2 concepts, which cannot be cut into 0 tasks"),
        (["--by", "random", "--pairs", "0"], "--pairs 1 or more, not 0 and 0"),
        (["--by", "easy_to_hard"], "--by easy_to_hard needs a --backbone"),
        (["--by", "random", "--pool", "dogs"], "--by random does not look at a --pool"),
    ],
)
def test_what_is_refused(site: Site, asked: Catalog, words: list[str], message: str) -> None:
    with pytest.raises(order.OrderError, match=message):
        request(site, asked, *words)


def test_numbers_at_the_edge_are_taken(site: Site, asked: Catalog) -> None:
    answer = request(site, asked, "--by", "random", "--pairs", "1", "--tasks", "2", "--seed", "0")
    assert (answer["pairs"], answer["tasks"]) == (1, 2)


def test_the_file_is_written_instead(
    site: Site,
    asked: Catalog,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        order, "arranged", lambda wish: {"concepts": wish["concepts"], "scores": []}
    )
    words = ["new", "--like", "world", "--by", "random"]
    assert order.main([*words, "--out", "new.sql"]) == 0
    assert capsys.readouterr().out == ""
    assert order.main(words) == 0
    assert capsys.readouterr().out == (folder / "new.sql").read_text()
