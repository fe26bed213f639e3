"""docs/datasets.md: its rows are accepted, and read what the layouts of the tests hold."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from schema import grid
from schema.checks import parts
from streams import open_pairs
from tests import matrix
from tests.layouts import CLASSES, LAYOUTS
from tests.template import in_memory

PAGE = (Path(__file__).resolve().parents[2] / "docs/datasets.md").read_text()


def test_its_rows_are_accepted_and_read_the_layouts(tmp_path: Path) -> None:
    text = "".join(re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL))
    with in_memory() as connection:
        grid.apply(connection, text, "datasets.md")
        found = connection.execute(
            "SELECT name, format, location, params, classes, templates FROM dataset"
        ).fetchall()
    # A bucket is read in tests/streams, distilled pairs in tests/runner/worker/test_mixing.py
    here = [row for row in found if "://" not in row[2] and row[0] != "birds_distilled"]
    for name, form, location, params, classes, templates in here:
        data = tmp_path / name
        LAYOUTS[form](data, 12, {4})
        row = {"name": name, "format": form, "location": location, "params": json.loads(params)}
        row |= {"classes": json.loads(classes), "templates": json.loads(templates)}
        pairs = open_pairs(row, "train", data)
        assert len(pairs) == 12 - (
            len(open_pairs(row, "test", data)) if "test_share" in row["params"] else 0
        )
        every = np.arange(len(pairs))
        assert pairs.images(every).shape == (len(pairs), 3, 224, 224)
        assert all(
            any(word in caption for word in CLASSES)
            for caption in pairs.captions(every, np.random.default_rng(0))
        )
    assert {form for _, form, *_ in found} == set(LAYOUTS) - {"world", "idsprites"}


def test_it_names_every_format_and_every_key_that_it_speaks_of() -> None:
    for name in parts.names("streams/formats"):
        assert f"`{name}`" in PAGE
    keys = {
        key
        for name in parts.names("streams/formats")
        for key in parts.keys("streams/formats", name)
    }
    said = set(re.findall(r'"(\w+)":', PAGE))
    assert said <= keys and {"test_share", "corrupt_share", "image_px", "folders"} <= keys


@pytest.mark.parametrize("case", matrix.CASES, ids=lambda case: f"{case.form}: {case.there}")
def test_each_line_of_the_matrix_is_what_becomes_of_the_place(
    case: matrix.Case, tmp_path: Path
) -> None:
    outcome, words = case.carried_out(tmp_path)
    assert outcome == case.outcome and case.words in words
    assert case.line in PAGE.splitlines(), f"the page lacks: {case.line}"


def test_the_matrix_has_no_other_lines() -> None:
    assert matrix.table() in PAGE
