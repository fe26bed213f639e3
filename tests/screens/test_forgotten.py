"""The contact sheet of forgotten items: its pictures are those of the test set, its words the files'."""

import base64
import io
import re

import numpy as np
import polars as pl
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from benchmarks.items import Lab
from schema.catalog import Catalog
from schema.publishing import publish
from schema.site import Site
from screens import forgotten, reading
from screens.pictures import Pictures
from streams import open_pairs
from tests.screens.opening import opened, texts

# Of `away` the files are not on this machine
DATASETS = {"seen": (4, 40), "away": (3, 30)}
PLACES = """
UPDATE dataset SET params = '{"set": "blobs", "test": 40}' WHERE name = 'seen';
UPDATE dataset SET format = 'imagefolder', location = 'nowhere', params = '{"test": "test"}'
WHERE name = 'away';
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    made = Lab(
        site=Site.load(tmp_path_factory.mktemp("lab")),
        datasets=DATASETS,
        methods=("ewc", "finetune", "lora"),
        seeds=2,
    )
    made.fill(np.random.default_rng(5))
    catalog = Catalog(made.site.catalog)
    with catalog.transaction() as connection:
        connection.execute(PLACES)
    with catalog.open():
        publish(catalog, made.site.snapshot)
    return made


def lost(lab: Lab, dataset: str) -> dict[int, dict[str, list[str]]]:
    """What each method says of each item that somebody forgot, a word per seed, from what was written."""
    with lab.opened() as connection:
        of = connection.execute("SELECT id, method FROM trial ORDER BY id").fetchall()
    said: dict[int, dict[str, list[str]]] = {}
    for item in range(DATASETS[dataset][1]):
        answers: dict[str, list[str]] = {}
        forgotten_by = 0
        for trial, method in of:
            before, now = (lab.written[trial, task, dataset] for task in (0, lab.tasks))
            forgotten_by += before.rank[item] == 0 and now.rank[item] != 0
            word = "right" if now.rank[item] == 0 else f"{dataset} {now.answer[item]}"
            answers.setdefault(method, []).append(word)
        if forgotten_by:
            said[item] = answers
    return said


def figures_of(at: AppTest) -> dict[int, str]:
    """The HTML of each item of the sheet of a page."""
    (sheet,) = [one.proto.body for one in at.get("html") if '<div class="sheet">' in one.proto.body]
    cells = re.findall(r"<figure>.*?</figure>", sheet, re.S)
    return {int(re.search(r"\(item (\d+)\)", cell)[1]): cell for cell in cells}


def test_the_sheet_shows_every_forgotten_item_with_its_own_picture(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab.site.folder)
    at = opened("forgotten", dataset="seen")
    cells, wanted = figures_of(at), lost(lab, "seen")
    assert wanted and set(cells) == set(wanted)
    row = {"name": "seen", "format": "world", "location": None, "kind": "classification"}
    row |= {"params": {"set": "blobs", "test": 40}, "classes": [f"seen {n}" for n in range(4)]}
    row |= {"templates": [], "train_pairs": None, "test_pairs": None}
    pairs = open_pairs(row, "test", lab.site.data)
    for item, cell in cells.items():
        picture = re.search(r'src="data:image/png;base64,([^"]+)" alt="item \d+, seen \d"', cell)
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture[1]))))
        assert (shown == pairs.images(np.array([item]))[0].transpose(1, 2, 0)).all()
        lines = dict(re.findall(r"<li>(\w+): (.*?)</li>", cell))
        assert set(lines) == set(lab.methods)
        for method, answers in wanted[item].items():
            said = {f"{word} ({answers.count(word)} of 2)" for word in answers}
            assert set(lines[method].split(", ")) == said
    assert f"{len(wanted)} items were right after task 0" in texts(at)
    name = re.search(r"<strong>(.*?)</strong>", next(iter(cells.values())))[1]
    some = figures_of(opened("forgotten", dataset="seen", **{"class": name}))
    assert some and set(some) == {item for item in cells if f"<strong>{name}<" in cells[item]}


def test_without_pictures_the_sheet_is_the_same_and_says_so(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab.site.folder)
    at = opened("forgotten", dataset="away")
    assert "The pictures of away are not at hand here: dataset 'away': there is no" in texts(at)
    cells = figures_of(at)
    assert set(cells) == set(lost(lab, "away"))
    assert all("no picture" in cell and "<img" not in cell for cell in cells.values())


def test_a_catalog_without_items_says_so(full: reading.Snapshot) -> None:
    assert "No suite of this catalog keeps its items." in texts(opened("forgotten"))


def test_what_does_not_fit_below_a_picture_is_counted() -> None:
    rows = [
        {"method": f"m{n}", "says": "cat", "right_now": n > 7, "forgotten": n <= 7, "times": 2}
        for n in range(10)
    ]
    lines = forgotten.by_method(pl.DataFrame(rows))
    assert lines[0] == "m0: cat (2 of 2)" and len(lines) == 7
    assert lines[-1] == "and 4 methods more, of which 2 forgot it"
    row = {"item": 3, "class": "<b>", "forgot": 1, "trials": 2}
    text = forgotten.cell(row, pl.DataFrame(rows[:1]), Pictures(reasons={3: "it is no picture"}))
    assert "no picture: it is no picture" in text and "&lt;b&gt;" in text and "<b>" not in text
