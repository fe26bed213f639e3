"""Every order of concepts: a permutation that the order of the input has no say in, by hand, and from the command into the catalog."""

import io
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner import order
from runner.worker import concept_order
from schema import grid
from schema.catalog import Catalog
from schema.checks import parts
from streams import open_pairs, orderings
from streams.orderings import OrderingError
from streams.tasks import Concept, chunks
from tests import layouts
from tests.toy import AXES, DATA, NAMES

patient = settings(deadline=None, max_examples=40)
KNOWN: dict[str, Callable[[int], Any]] = {  # what each function is told of n concepts
    "easy_to_hard": lambda n: np.arange(n) % 3 / 3,
    "frequency": lambda n: np.arange(n) % 4,
    "similarity": lambda n: np.eye(5)[np.arange(n) % 5],
    "edge_hard": lambda n: np.eye(5)[np.arange(n) % 5],
    "edge_easy": lambda n: np.eye(5)[np.arange(n) % 5],
    "time": lambda n: [2000 + place % 3 for place in range(n)],
    "dataset": lambda n: [2000 + place % 3 for place in range(n)],
}
CHANCE = ("random", "similarity", "time", "dataset")
EXTREME = ("edge_hard", "edge_easy")
CONCEPTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.text("xyz", min_size=1, max_size=4)),
    min_size=1,
    max_size=40,
    unique=True,
)


def ordered(by: str, what: list[Concept], told: Any, seed: int) -> list[Concept]:
    """The concepts in order."""
    arguments = [] if by == "random" else [told]
    if by in CHANCE:
        arguments.append(seed)
    if by in EXTREME:
        arguments.append(min(4, len(what)))
    return [what[n] for n in getattr(orderings, by)(what, *arguments)]


def test_every_ordering_is_tested_and_told_what_it_needs() -> None:
    assert parts.names("streams/orderings.py") == sorted(["random", *KNOWN])
    assert set(order.NEEDED_OPTION) < set(KNOWN)


@pytest.mark.parametrize("by", ["random", *KNOWN])
@patient
@given(CONCEPTS, st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_an_order_is_a_permutation_that_only_names_and_seed_decide(
    by: str, what: list[Concept], seed: int, shuffle: Any
) -> None:
    years = {name: 2000 + number for number, name in enumerate("abc")}
    told = (
        [years[name] for name, _ in what]
        if by in ("time", "dataset")
        else KNOWN.get(by, range)(len(what))
    )
    found = ordered(by, what, told, seed)
    assert sorted(found) == sorted(what)
    assert found == ordered(by, what, told, seed)
    places = list(range(len(what)))
    shuffle.shuffle(places)
    mixed = [what[n] for n in places]
    assert found == ordered(by, mixed, [told[n] for n in places] if by != "random" else None, seed)


@pytest.mark.parametrize("by", CHANCE)
def test_a_seed_makes_another_order(by: str) -> None:
    what = [("a", f"{n:02}") for n in range(30)]
    told = np.random.default_rng(0).normal(size=(30, 4)) if by == "similarity" else [2000] * 30
    assert ordered(by, what, told, 0) != ordered(by, what, told, 1)


def test_each_order_by_hand() -> None:
    what = [("b", "gull"), ("a", "tug"), ("b", "crow"), ("a", "ferry")]
    gull, tug, crow, ferry = what
    assert ordered("easy_to_hard", what, np.array([0.5, 0.9, 0.5, 0.1]), 0) == [
        tug,
        crow,
        gull,
        ferry,
    ], "ties by name"
    assert ordered("frequency", what, np.array([3, 0, 3, 7]), 0) == [tug, crow, gull, ferry], (
        "rare first"
    )
    on_a_line = np.array([[np.cos(x), np.sin(x)] for x in (0.0, 0.3, 0.1, 1.0)])
    chains = {tuple(ordered("similarity", what, on_a_line, seed)) for seed in range(40)}
    assert chains == {
        (gull, crow, tug, ferry),
        (crow, gull, tug, ferry),
        (tug, crow, gull, ferry),
        (ferry, tug, crow, gull),
    }, "on to the nearest that is left, from each of the four"
    assert ordered("similarity", what, np.ones((4, 1)), 0)[1:] == sorted(
        set(what) - {ordered("similarity", what, np.ones((4, 1)), 0)[0]}
    )
    timely = ordered("time", what, [2001, 1999, 2001, 2001], 0)
    assert timely[0] == tug and set(timely[1:]) == {gull, crow, ferry}
    assert {
        tuple(ordered("dataset", what, [2001, None, 2001, None], seed)) for seed in range(40)
    } == {
        (*birds, *ships)
        for birds in ((gull, crow), (crow, gull))
        for ships in ((tug, ferry), (ferry, tug))
    }, "birds first: ships have no year"


def between_tasks(embeddings: np.ndarray, order: np.ndarray, tasks: int) -> float:
    """The mean cosine of the concepts of each task to those of the next one."""
    groups = np.split(order, tasks)
    return float(
        np.mean([(embeddings[a] @ embeddings[b].T).mean() for a, b in itertools.pairwise(groups)])
    )


def test_extreme_orders_by_hand() -> None:
    """Two birds and two ships in two tasks: apart they are hard, mixed they are easy."""
    what = [("b", "gull"), ("a", "tug"), ("b", "crow"), ("a", "ferry")]
    told = np.array([[np.cos(x), np.sin(x)] for x in (0.0, 1.2, 0.1, 1.4)])
    hard = [what[n][0] for n in orderings.edge_hard(what, told, 2)]
    easy = [what[n][0] for n in orderings.edge_easy(what, told, 2)]
    assert hard in (["a", "a", "b", "b"], ["b", "b", "a", "a"])
    assert sorted(easy[:2]) == sorted(easy[2:]) == ["a", "b"]


@pytest.mark.parametrize("count", [24, 26])
def test_extreme_orders_lie_beyond_what_chance_finds(count: int) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(6, 8))
    rows = centres[np.arange(count) % 6] + rng.normal(size=(count, 8)) / 3
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    what = [("a", f"{n:02}") for n in range(count)]
    hard, easy = orderings.edge_hard(what, rows, 6), orderings.edge_easy(what, rows, 6)
    assert sorted(hard) == sorted(easy) == list(range(count))
    if count % 6:
        return
    found = [between_tasks(rows, rng.permutation(count), 6) for _ in range(200)]
    assert between_tasks(rows, hard, 6) < min(found)
    assert between_tasks(rows, easy, 6) > np.median(found)


def test_what_cannot_be_ordered_is_refused() -> None:
    with pytest.raises(
        OrderingError,
        match="an order by time needs the year of every dataset, and b has none. Give `year`",
    ):
        orderings.time([("a", "x"), ("b", "y")], [2000, None], 0)
    with pytest.raises(OrderingError, match=r"concepts that differ; \[\('a', 'x'\)\] come twice"):
        orderings.random([("a", "x"), ("a", "x")], 0)
    with pytest.raises(OrderingError, match="concepts that differ; there are none"):
        orderings.random([], 0)


def test_a_caption_mentions_a_name_once_and_as_whole_words() -> None:
    said = [
        "A black-footed albatross, and a Black footed albatross",
        "the tug_boat",
        "tugs",
        "a tug boat tug",
        "albatross black footed",
    ]
    assert concept_order.mentions(
        ["Black_footed Albatross", "tug boat", "tug", "boat", "..."], said
    ) == [1, 2, 2, 2, 0]


def test_captions_of_files_are_counted_without_reading_images(tmp_path: Path) -> None:
    """All of them, those of unreadable images too."""
    pairs = open_pairs(layouts.imagefolder(tmp_path, 12, bad=set(range(12))), "train", tmp_path)
    found = list(concept_order.captions(pairs))
    assert len(found) >= len(pairs) == 12 and all(isinstance(caption, str) for caption in found)


@pytest.fixture
def lab(catalog: Catalog, folder: Path) -> Path:
    """A catalog with the toy in it, and its data."""
    (folder / "site.toml").write_text(f"data = {json.dumps(str(DATA))}\n")
    with catalog.open() as connection:
        grid.apply(
            connection, AXES + "UPDATE dataset SET year = 2020 WHERE name = 'toy_blobs';", "axes"
        )
    return folder


def here(said: dict[str, Any]) -> dict[str, Any]:
    """What the process of `order.arranged` does, in this one."""
    answer: dict[str, Any] = json.loads(
        json.dumps(concept_order.arranged(json.loads(json.dumps(said))))
    )
    return answer


WORDS = {
    "random": [],
    "time": [],
    "dataset": [],
    "frequency": ["--pool", "toy_base"],
    "similarity": ["--backbone", "toy"],
    "edge_hard": ["--backbone", "toy"],
    "edge_easy": ["--backbone", "toy"],
    "easy_to_hard": ["--backbone", "toy", "--pairs", "5"],
}


def test_from_the_command_into_the_catalog(
    lab: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every ordering and its reverse; the scores fit the order, and applying a file twice adds nothing."""
    monkeypatch.setattr(order, "arranged", here)
    for by, words in WORDS.items():
        for way, name in (([], by), (["--reverse"], f"{by}_back")):
            command = [
                name,
                "--like",
                "toy",
                "--by",
                by,
                "--seed",
                "3",
                "--tasks",
                "3",
                "--out",
                f"{name}.sql",
            ]
            assert order.main([*command, *words, *way]) == 0, capsys.readouterr().err
            text = Path(f"{name}.sql").read_text()
            with catalog.open() as connection:
                new, again = (
                    {count.table: count.new for count in grid.apply(connection, text, name)}
                    for _ in range(2)
                )
            assert new == {"sequence": 1, "sequence_concept": 4, "stream": 1} and not any(
                again.values()
            )
    with catalog.open() as connection:
        rows = connection.execute(
            "SELECT name, ordering, seed, source, scores FROM sequence WHERE name <> 'toy'"
        ).fetchall()
        found = {
            name: [tuple(row) for row in connection.execute(
                "SELECT dataset, concept FROM sequence_concept WHERE sequence = ? ORDER BY position", [name]).fetchall()]
            for name, *_ in rows
        }  # fmt: skip
        cut = connection.execute(
            "SELECT tasks, suite, sequence FROM stream WHERE name = 'time_back'"
        ).fetchone()
    assert cut == (3, "toy", "time_back") and [len(task) for task in chunks(found["time"], 3)] == [
        2,
        1,
        1,
    ]
    told = {
        name: (ordering, seed, source, json.loads(scores))
        for name, ordering, seed, source, scores in rows
    }
    ours = [name for name in told if name.removesuffix("_back") in WORDS]
    assert len(ours) == 16
    for by in WORDS:
        assert (
            sorted(found[by]) == sorted(("toy_blobs", name) for name in NAMES)
            and found[f"{by}_back"] == found[by][::-1]
        )
        ordering, seed, source, scores = told[by]
        assert (
            (ordering, seed) == (by, 3)
            and f"--by {by} --seed 3" in source
            and ("--tasks 3" in source) == (by in EXTREME)
            and told[f"{by}_back"][2].endswith("--reverse")
        )
        assert told[f"{by}_back"][3] == scores[::-1] and len(scores) == (0 if by == "random" else 4)
    assert (
        told["easy_to_hard"][3] == sorted(told["easy_to_hard"][3], reverse=True)
        and max(told["easy_to_hard"][3]) <= 1
    )
    assert told["frequency"][3] == sorted(told["frequency"][3])
    assert told["similarity"][3][0] is None and all(
        -1 <= cosine <= 1 for cosine in told["similarity"][3][1:]
    )
    assert told["time"][3] == told["dataset"][3] == [2020] * 4


@pytest.mark.slow
def test_the_other_half_answers_from_a_process_of_its_own(
    lab: Path, catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it refuses is said in its words, and nothing is printed."""
    assert order.main(["again", "--like", "toy", "--by", "random", "--seed", "3"]) == 0
    text = capsys.readouterr().out
    assert (
        text.startswith("-- the concepts of toy by random\nINSERT INTO sequence ")
        and text.count("'toy_blobs'") == 4
    )
    with catalog.open() as connection:
        connection.execute("UPDATE dataset SET year = NULL WHERE name = 'toy_blobs'")
    assert order.main(["again", "--like", "toy", "--by", "time"]) == 2
    said = capsys.readouterr()
    assert (
        said.err.startswith(
            "an order by time needs the year of every dataset, and toy_blobs has none"
        )
        and not said.out
    )


REFUSED = [
    (
        ["new", "--like", "toy", "--by", "randm"],
        r"unknown ordering 'randm'. Known: dataset, easy_to_hard, .*Did you mean 'random'",
    ),
    (
        ["new", "--like", "toyy", "--by", "random"],
        r"unknown stream 'toyy'. Known: .*Did you mean 'toy'",
    ),
    (["new", "--like", "toy", "--by", "frequency"], "--by frequency needs a --pool"),
    (
        ["new", "--like", "toy", "--by", "random", "--backbone", "toy"],
        "--by random does not look at a --backbone",
    ),
    (
        ["new", "--like", "toy", "--by", "similarity", "--backbone", "tox"],
        r"unknown backbone 'tox'",
    ),
    (
        ["new", "--like", "toy", "--by", "frequency", "--pool", "toy_bas"],
        r"unknown dataset 'toy_bas'.*'toy_base'",
    ),
    (["toy", "--like", "toy", "--by", "random"], "there is a sequence 'toy' already"),
    (
        ["new", "--like", "toy", "--by", "random", "--tasks", "5"],
        "sequence 'toy' has 4 concepts, which cannot be cut into 5 tasks",
    ),
    (
        ["new", "--like", "toy", "--by", "random", "--seed", "-1"],
        "--seed must be 0 or more and --pairs 1 or more, not -1 and 100",
    ),
]


def test_what_the_command_refuses(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in REFUSED:
        assert order.main(words) == 2
        assert re.search(message, capsys.readouterr().err), message


@pytest.mark.parametrize("by", ["frequency", "similarity"])
def test_all_of_a_dataset_has_no_name(
    by: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {
        "name": "birds",
        "format": "world",
        "params": {},
        "classes": ["crow"],
        "templates": [],
        "year": None,
    }
    said = {
        "by": by,
        "seed": 0,
        "tasks": 1,
        "data": ".",
        "concepts": [["birds", "*"]],
        "datasets": [row],
        "pool": row,
        "pairs": 1,
    }
    monkeypatch.setattr(
        "sys.stdin",
        io.StringIO(json.dumps(said | {"reverse": False, "backbone": None, "weights": None})),
    )
    monkeypatch.setattr(concept_order.backbones, "load", lambda *_: None)
    assert concept_order.main() == 2
    assert (
        f"{by} reads the names of classes, and concept * of 'birds' is all of them"
        in capsys.readouterr().err
    )
