"""Tables of the terminal at 80, 120 and 160 columns, over all questions on catalogs with something of everything."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from rich.cells import cell_len

from queries import Question, answer, named, papers, questions
from queries.numbers import decimals, signed, without_noise, writer
from queries.sheet import sheet
from queries.terminal import ROWS_SHOWN, shown
from tests.filled import Filled, varied
from tests.template import demo_catalog

ASKED = questions()
WIDTHS = (80, 120, 160)
PARAMETERS = {
    "decide": {"a": "finetune", "b": "lora"},
    "cheapest": {"min_gain": -1.0, "max_loss": 1.0},
}
LONG_NAMES = (
    "task_arithmetic_of_a_very_long_name_" + "x" * 20,
    # Longer than three lines, with signs that take two cells, and letters from right to left
    "🚀 שלום 漢字 " + "a_name-of/anything " * 10 + "x" * 120,
)


@pytest.fixture(scope="module")
def full() -> Iterator[Any]:
    """Names are as long as they get: those of methods and mixtures that a paper would have."""
    made = Filled()
    made.connection.execute(
        "INSERT INTO method BY NAME "
        "SELECT method.* REPLACE (long.name AS name) FROM method, (SELECT unnest(?) AS name) long "
        "WHERE method.name = 'lora'",
        [LONG_NAMES],
    )
    varied(made)
    for name, seed in itertools.product(LONG_NAMES, range(3)):
        made.done(
            [[0.2, 0.4, 0.6, 0.8], [0.6, 0.4, 0.5, 0.7], [0.5, 0.8, 0.4, 0.7]],
            method=name,
            seed=seed,
        )
    yield made.connection
    made.connection.close()


@pytest.fixture(scope="module")
def demo() -> Iterator[Any]:
    with demo_catalog() as connection:
        yield connection


def asked(connection: Any, question: Question) -> pl.DataFrame:
    """The rows that the terminal shows."""
    return answer(connection, question, PARAMETERS.get(question.name, {}), rows=ROWS_SHOWN + 1)


def squeezed(text: str) -> str:
    """A text without the white space at which it may be broken."""
    return "".join(text.split())


def check(frame: pl.DataFrame, question: Question, width: int) -> None:
    """No line above the width, every name of a method whole, every column shown or named."""
    text = shown(frame, width, question).plain
    assert max(map(cell_len, text.splitlines()), default=0) <= width, f"{width} columns"
    rows = frame.head(20 if sheet(frame, question).long else ROWS_SHOWN)
    # Only a name that is wider than the terminal itself is broken.
    for name in rows["method"].drop_nulls().unique() if "method" in rows.columns else ():
        assert name in text or (cell_len(name) > width and squeezed(name) in squeezed(text)), name
    flat_text = re.sub(r"\s+", " ", text)
    for name in sheet(frame, question).columns:
        pieces = name.name.split("_")
        assert all(piece in flat_text for piece in pieces), name.name


@pytest.mark.parametrize("question", ASKED, ids=[question.name for question in ASKED])
def test_every_answer_fits(full: Any, question: Question) -> None:
    """Asked once, and shown in terminals of every width."""
    frame = asked(full, question)
    if frame.is_empty():
        return
    for width in WIDTHS:
        check(frame, question, width)


@pytest.mark.parametrize(
    "name", ["ranked", "retention_at_budget", "decide", "effect", "spread", "lost"]
)
def test_answers_of_the_demo_fit(demo: Any, name: str) -> None:
    (question,) = [one for one in ASKED if one.name == name]
    frame = answer(demo, question, {}, rows=ROWS_SHOWN + 1)
    assert not frame.is_empty()
    for width in WIDTHS:
        check(frame, question, width)


def test_at_80_columns_what_matters_is_there(demo: Any) -> None:
    """The names, the measure with its interval; and what is not there is said by name."""
    (question,) = [one for one in ASKED if one.name == "retention_at_budget"]
    text = shown(asked(demo, question), 80, question).plain
    head = next(line for line in text.splitlines() if "method" in line)
    assert head.split()[:3] == ["rank", "method", "mixture"] and "zs_ratio" in head
    assert re.search(r" 1  \w+ .*0\.\d{3} ± 0\.\d{3}", text)


def test_an_insert_stands_whole_below_its_row(full: Any) -> None:
    (question,) = [one for one in ASKED if one.name == "next"]
    frame = answer(full, question, {}).filter(pl.col("grid").is_not_null())
    text = shown(frame, 80, question).plain
    for statement in frame["grid"].head(20):
        assert re.sub(r"\s+", " ", statement) in re.sub(r"\s+", " ", text)


def test_long_texts_are_cut_and_say_so() -> None:
    log = "\n".join(f"line {number}" for number in range(40))
    text = shown(
        pl.DataFrame({"trial": [1], "log_tail": [log], "spec": ["{" + "a: 1, " * 400]}), 80
    ).plain
    assert "line 39" in text and "line 3\n" not in text
    assert "28 lines before, with --json or --out FILE" in text
    assert re.search(r"\d+ more lines, with --json", text)


def test_a_name_wider_than_the_terminal_is_there() -> None:
    name = "m" * 60
    frame = pl.DataFrame({"method": [name, "b"], "mixture": ["x", "y"], "mean": [0.5, 0.25]})
    lines = shown(frame, 40).plain.splitlines()
    assert max(map(len, lines)) <= 40
    assert "".join(lines).replace(" ", "").count("m" * 60) == 1


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([12.706, 0.5, None], ["12.706", "0.500", "-"]),
        ([1499.2, 0.4215, 12.706], ["1,499", "0.421", "12.7"]),
        ([1.499e12], ["1.499e+12"]),
        ([0.00012], ["0.00012"]),
        ([1499, 3], ["1,499", "3"]),
        ([True, False, None], ["yes", "no", "-"]),
        ([0.0], ["0.000"]),
    ],
)
def test_numbers(values: list[object], texts: list[str]) -> None:
    column = pl.Series("value", values)
    assert list(map(writer(column), column)) == texts


def test_the_number_of_a_trial_has_no_separator() -> None:
    column = pl.Series("trial", [12345])
    assert writer(column)(12345) == "12345"


def test_intervals_that_are_uneven_show_both_ends() -> None:
    frame = pl.DataFrame(
        {"method": ["a", "b"], "mean": [0.5, 0.6], "lowest": [0.4, 0.5], "highest": [0.55, 0.7]}
    )
    (mean,) = [column for column in sheet(frame).columns if column.name == "mean"]
    assert mean.cells == ("0.500 (0.400 to 0.550)", "0.600 ± 0.100")


def test_an_interval_with_one_end_or_of_no_value_is_left_out() -> None:
    frame = pl.DataFrame(
        {
            "method": ["a", "b", "c"],
            "mean": [0.5, 0.6, None],
            "lowest": [None, 0.5, 0.1],
            "highest": [0.55, None, 0.2],
        }
    )
    (mean,) = [column for column in sheet(frame).columns if column.name == "mean"]
    assert [cell.strip() for cell in mean.cells] == ["0.500", "0.600", "-"]


def test_words_that_all_rows_share_stand_once_above() -> None:
    frame = pl.DataFrame({"backbone": ["tiny", "tiny"], "method": ["a", "b"], "mean": [0.5, 0.6]})
    assert shown(frame, 80).plain.splitlines() == [
        "backbone tiny",
        "method   mean",
        "a       0.500",
        "b       0.600",
    ]


def test_what_rounding_left_is_0_everywhere_but_in_the_data() -> None:
    """A difference of -1.4e-17: in a cell, in LaTeX, in a sentence, in a grid; JSON keeps it."""
    noise = -1.4e-17
    for others, text in (([], "0.000"), ([0.3], "0.000"), ([2000.0], "0"), ([0.004], "0")):
        column = pl.Series("difference", [noise, -0.0, *others])
        assert [writer(column)(value) for value in column[:2]] == [text, text]
        assert [str(value) for value in without_noise(column)[:2]] == ["0.0", "0.0"]
    small = pl.Series("lr", [-3e-5, 1e-6])
    assert [writer(small)(value) for value in small] == ["-3e-05", "1e-06"]
    assert without_noise(small).to_list() == small.to_list()
    usual = pl.Series("x", [-0.0004, 0.0004, -0.3, None])
    assert [writer(usual)(value) for value in usual] == ["0.000", "0.000", "-0.300", "-"]
    assert without_noise(usual).to_list() == [0.0, 0.0004, -0.3, None]
    assert (decimals(noise), signed(noise), signed(-0.2), signed(0.2)) == (
        "0.000",
        "0.000",
        "-0.200",
        "+0.200",
    )
    frame = pl.DataFrame({"method": ["a", "b"], "difference": [noise, 0.3]})
    table = papers.latex(frame, named("paired"))
    assert "0.000" in table and "-0.000" not in table and "-1.4" not in table
    assert str(noise) in frame.write_json()
