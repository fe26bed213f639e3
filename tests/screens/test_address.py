"""What stands in the address of a page, and how numbers and their units are shown."""

import json

import polars as pl
import pytest

from queries.columns import heading
from screens import compare, reading, showing, words
from screens.words import MEANING
from tests.screens.opening import opened, texts


@pytest.mark.parametrize(
    ("page", "key", "value", "instead"),
    [
        ("", "budget", "nonsense", "small"),
        ("", "budget", "smal", "small. Allowed: small, large. Did you mean 'small'?"),
        ("", "method", "nonsense", "any"),
        ("", "measure", "nonsense", "balances learning and keeping best"),
        ("compare", "stream", "nonsense", "world"),
        ("", "figure", "nonsense", "Ranking"),
        ("", "colour", "nonsense", "method"),
        ("runs", "sort", "nonsense", "trial"),
        ("runs", "tag", "nonsense", "any"),
        ("declare", "mixture", "nonsense", "the others"),
        ("retention_at_budget", "budget", "nonsense", "all"),
        ("effect", "measure", "nonsense", "gm"),
    ],
)
def test_a_value_of_the_address_that_is_not_there_is_named(
    full: reading.Snapshot, page: str, key: str, value: str, instead: str
) -> None:
    at = opened(page, **{key: value})
    text = f"The address asks for {key} '{value}', which this snapshot does not have."
    (warning,) = [one.value for one in at.warning if "address" in one.value]
    assert warning.startswith(f"{text} Shown instead: {instead}")
    assert not [one for one in opened(page).warning if "address" in one.value]


@pytest.mark.parametrize("page", ["", "compare", "operations"])
def test_what_a_page_compares_within_stands_in_the_address(
    full: reading.Snapshot, page: str
) -> None:
    """So that a link means the same when another grid has become the largest."""
    at = opened(page)
    here = {"backbone": "tiny", "stream": "world", "budget": "small"}
    for word, name in here.items():
        assert at.session_state[word] == name
        box = at.selectbox(key=word)
        assert (box.value, box.proto.HasField("default")) == (name, False), "not a default"
    assert opened(page, budget="large").selectbox(key="budget").value == "large"


def test_the_name_of_a_choice_is_understood_as_its_words_are(full: reading.Snapshot) -> None:
    """The address has words, as the menu does; whoever types a column's name is not refused."""
    at = opened("", measure="a_ka", figure="Over budget", spent="spent_steps")
    assert at.selectbox(key="spent").value == "steps"
    assert MEANING["a_ka"] in texts(at)
    assert not [one for one in at.warning if "address" in one.value]


def test_an_answer_without_rows_names_its_bounds(full: reading.Snapshot) -> None:
    said = texts(opened("cheapest", min_gain="0.9"))
    assert "No rows with min_gain = 0.9, max_loss = 0.01." in said


def test_names_and_addresses_are_shown_as_they_are() -> None:
    """Nothing in them is taken for Markdown, and no number is too long."""
    odd = "*a* _b_ [c](http://d) `e` $f$ :red[g] h_i 10:30"
    assert words.literal(odd) == (r"\*a\* \_b\_ \[c\](http://d) \`e\` \$f\$ \:red\[g\] h_i 10:30")
    assert compare.numbered(f"3, {'9' * 5000}, 3, x") == ([3], ["9" * 5000, "x"])


def test_a_number_of_the_address_that_is_none_is_named(full: reading.Snapshot) -> None:
    for wrong in ("1e3", "1" * 400):
        at = opened("trial", id=wrong)
        assert "Allowed: a whole number from 1 to" in texts(at)
        assert at.number_input[0].value == 1
        at.number_input[0].set_value(3).run()
        assert "3" in at.query_params["id"] and at.number_input[0].value == 3


def test_numbers_and_units_are_whole(full: reading.Snapshot) -> None:
    """No number is rounded to two digits, booleans are words, and headings name their unit."""
    frame = pl.DataFrame(
        {
            "share": [0.12345],
            "t": [12.706],
            "spent_gflops": [1499.25],
            "lr": [2e-5],
            "sure": [True],
            "a_zs_low": [0.5],
        }
    )
    formats = [showing.format_of(frame[name]) for name in ("share", "t", "spent_gflops", "lr")]
    assert formats == ["%.3f", "%.3f", "localized", "%.3g"]
    assert frame.select(showing.in_words("sure"))["sure"].to_list() == ["yes"]
    names = (*frame.columns, "peak_bytes", "loss_per_s")
    headings = [heading(name, MEANING) for name in names]
    assert headings == [
        "share",
        "t",
        "spent (GFLOPs)",
        "lr",
        "sure",
        "a_zs low",
        "peak (bytes)",
        "loss (per second)",
    ]
    columns = json.loads(opened("retention_at_budget").dataframe[0].proto.columns)
    assert (
        columns["zs_ratio"]["label"] == "zs_ratio" and columns["few_seeds"]["label"] == "few seeds"
    )
    assert columns["zs_ratio"]["type_config"]["format"] == "%.3f"
    assert "compact" not in json.dumps(columns)
