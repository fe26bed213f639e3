"""The questions about items against the same computed in plain Python from what each model said, and where files lie."""

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest

from benchmarks.item_intervals import intervals
from benchmarks.items import Lab
from evals import Judged
from queries import AskError, answer, named, opened
from queries.kept_items import reads_items, runs_of
from schema.catalog import Catalog
from schema.publishing import publish
from schema.questions import all_questions
from schema.site import Site
from tests.filled import PAPER, Filled

DATASETS = {"learned": (5, 60), "kept": (7, 90), "other": (3, 40), "more": (2, 30)}
Items = dict[tuple[int, int, str], Judged]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    made = Lab(
        site=Site.load(tmp_path_factory.mktemp("lab")),
        datasets=DATASETS,
        methods=("ewc", "finetune", "lora"),
        seeds=3,
    )
    made.fill(np.random.default_rng(3))
    return made


@pytest.fixture
def connection(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[duckdb.DuckDBPyConnection]:
    monkeypatch.chdir(lab.site.folder)
    with lab.opened() as opened_catalog:
        yield opened_catalog


def rows(
    connection: duckdb.DuckDBPyConnection, name: str, **parameters: object
) -> list[dict[str, object]]:
    return answer(connection, named(name), parameters).to_dicts()


def trials(connection: duckdb.DuckDBPyConnection) -> dict[int, tuple[str, int]]:
    found = connection.execute("SELECT id, method, seed FROM trial").fetchall()
    return {trial: (method, seed) for trial, method, seed in found}


def test_every_item_is_read_as_it_was_written(
    lab: Lab, connection: duckdb.DuckDBPyConnection
) -> None:
    frame = answer(connection, named("item"), {})
    assert len(frame) == sum(len(judged.rank) for judged in lab.written.values())
    for (trial, task, dataset), part in frame.sort("item").group_by("trial", "task", "dataset"):
        judged = lab.written[trial, task, dataset]  # type: ignore[index]
        assert part["rank"].to_list() == judged.rank.tolist()
        assert part["is_right"].to_list() == (judged.rank == 0).tolist()
        assert part["answer"].to_list() == judged.answer.tolist()
        assert part["item"].to_list() == list(range(len(judged.rank)))


@pytest.mark.parametrize(("before", "now"), [(0, None), (1, 2), (0, 1)])
def test_forgotten_and_gained(
    lab: Lab, connection: duckdb.DuckDBPyConnection, before: int, now: int | None
) -> None:
    answers = rows(connection, "items_forgotten", before=before, now=now)
    assert len(answers) == 9 * len(DATASETS)
    for row in answers:
        key, (classes, items) = row["dataset"], DATASETS[row["dataset"]]  # type: ignore[index]
        one = lab.written[row["trial"], before, key].rank == 0  # type: ignore[index]
        two = lab.written[row["trial"], now or lab.tasks, key].rank == 0  # type: ignore[index]
        assert row["items"] == items
        assert row["right_before"] == one.mean() and row["right_now"] == two.mean()
        assert row["forgotten"] == (one & ~two).mean() and row["gained"] == (~one & two).mean()
        chance = (1 - one.mean()) * (1 - two.mean()) / (classes - 1)
        assert row["by_chance"] == pytest.approx(chance)
        assert row["forgotten_adjusted"] == pytest.approx((one & ~two).mean() - chance)
        assert row["gained_adjusted"] == pytest.approx((~one & two).mean() - chance)


@pytest.mark.parametrize(("before", "now"), [(0, None), (1, 2)])
def test_items_that_fell_meanwhile(
    lab: Lab, connection: duckdb.DuckDBPyConnection, before: int, now: int | None
) -> None:
    answers = rows(connection, "items_fallen", before=before, now=now)
    assert len(answers) == 9 * len(DATASETS)
    came_back = 0
    for row in answers:
        at = [lab.written[row["trial"], task, row["dataset"]] for task in range(before, 3)]  # type: ignore[index]
        right = np.stack([judged.rank == 0 for judged in at])
        margins = np.stack([judged.margin.astype(np.float16) for judged in at]).astype(float)
        fallen = right[0] & ~right[1:].all(axis=0)
        shares = right[1:].mean(axis=1)
        assert row["items"] == right.shape[1]
        assert row["lowest"] == pytest.approx(shares.min())
        assert row["task"] == before + 1 + int(shares.argmin())
        assert row["gap"] == pytest.approx(right[0].mean() - shares.min())
        assert row["fallen"] == pytest.approx(fallen.mean())
        assert row["came_back"] == pytest.approx((fallen & right[-1]).mean())
        depth = (margins[0] - margins[1:].min(axis=0))[right[0]].mean()
        assert row["depth"] == pytest.approx(depth, abs=1e-6)
        assert row["fallen"] >= row["gap"] - 1e-9  # type: ignore[operator]
        came_back += int((fallen & right[-1]).sum())
    assert (came_back > 0) == (before == 0)


def test_a_model_that_guesses_forgets_nothing_beyond_chance() -> None:
    """Of 200,000 guesses before and after, all that seems forgotten and gained is by chance."""
    rng, items, classes = np.random.default_rng(0), 200_000, 4
    one, two = rng.integers(classes, size=(2, items)) == 0
    chance = (1 - one.mean()) * (1 - two.mean()) / (classes - 1)
    assert (one & ~two).mean() == pytest.approx(chance, abs=0.005)
    assert (~one & two).mean() == pytest.approx(chance, abs=0.005)


def test_classes_are_those_of_their_items(lab: Lab, connection: duckdb.DuckDBPyConnection) -> None:
    of = trials(connection)
    answers = rows(connection, "classes_forgotten", dataset="kept")
    assert {row["dataset"] for row in answers} == {"kept"} and len(answers) == 3 * 7
    for row in answers:
        label = int(str(row["class"]).rpartition(" ")[2])
        mine = [trial for trial, (method, _) in of.items() if method == row["method"]]
        one, two, wrong = [], [], Counter[int]()
        for trial in mine:
            first, last = lab.written[trial, 0, "kept"], lab.written[trial, 2, "kept"]
            own = np.flatnonzero(first.labels == label)  # type: ignore[operator]
            one += (first.rank[own] == 0).tolist()
            two += (last.rank[own] == 0).tolist()
            wrong.update(last.answer[own[last.rank[own] != 0]].tolist())
        a, b = np.array(one), np.array(two)
        assert row["seeds"] == 3 and row["items"] == len(one) // 3
        assert row["right_before"] == pytest.approx(a.mean())
        assert row["forgotten"] == pytest.approx((a & ~b).mean())
        assert row["gained"] == pytest.approx((~a & b).mean())
        most = max(wrong.values())
        taken = min(answer for answer, times in wrong.items() if times == most)
        assert row["taken_for"] == f"kept {taken}"
        assert row["taken_share"] == pytest.approx(most / len(one))


def lost(lab: Lab, trial: int, dataset: str) -> set[int]:
    one, two = lab.written[trial, 0, dataset].rank == 0, lab.written[trial, 2, dataset].rank == 0
    return set(np.flatnonzero(one & ~two).tolist())


def test_who_forgets_the_same(lab: Lab, connection: duckdb.DuckDBPyConnection) -> None:
    of = trials(connection)
    answers = rows(connection, "forget_alike")
    assert len(answers) == 6
    for row in answers:
        a, b = row["method_a"], row["method_b"]
        overlaps, alike, both_lost = [], [], []
        for one, other in itertools.permutations(of, 2):
            same_seed = of[one][1] == of[other][1]
            earlier = of[one][1] < of[other][1]
            if (of[one][0], of[other][0]) != (a, b) or not (earlier if a == b else same_seed):
                continue
            first = {(name, item) for name in DATASETS for item in lost(lab, one, name)}
            second = {(name, item) for name in DATASETS for item in lost(lab, other, name)}
            expected = 0.0
            for name in DATASETS:
                known = int((lab.written[one, 0, name].rank == 0).sum())
                expected += len(lost(lab, one, name)) * len(lost(lab, other, name)) / known
            both = len(first & second)
            both_lost.append(both)
            overlaps.append(both / len(first | second))
            alike.append((both - expected) / (min(len(first), len(second)) - expected))
        assert row["pairs"] == 3
        assert row["both"] == pytest.approx(np.mean(both_lost))
        assert row["overlap"] == pytest.approx(np.mean(overlaps))
        assert row["alike"] == pytest.approx(np.mean(alike))


def test_which_items_were_lost_by_whom(lab: Lab, connection: duckdb.DuckDBPyConnection) -> None:
    of = trials(connection)
    answers = rows(connection, "items_lost_by", dataset="other")
    names = [f"other {n}" for n in range(3)]
    by_item = {row["item"]: row for row in answers}
    assert set(by_item) == set().union(*(lost(lab, trial, "other") for trial in of))
    assert [row["forgot"] for row in answers] == sorted(
        (row["forgot"] for row in answers),
        reverse=True,  # type: ignore[type-var]
    )
    for item, row in by_item.items():
        who = [trial for trial in of if item in lost(lab, trial, "other")]
        counts = Counter(of[trial][0] for trial in who)
        assert row["trials"] == 9 and row["forgot"] == len(who)
        assert row["methods"] == [
            {"method": method, "share": pytest.approx(times / 3)}
            for method, times in sorted(counts.items())
        ]
        first = lab.written[who[0], 0, "other"]
        assert row["class"] == names[first.labels[item]]  # type: ignore[index]
        said = Counter(names[lab.written[trial, 2, "other"].answer[item]] for trial in who)
        assert row["taken_for"] == sorted(said, key=lambda name: (-said[name], name))
    alone = rows(connection, "items_lost_by", dataset="other", method="lora")
    mine = [trial for trial, (method, _) in of.items() if method == "lora"]
    assert {row["item"] for row in alone} == set().union(*(lost(lab, t, "other") for t in mine))


def difference(lab: Lab, of: dict[int, tuple[str, int]], dataset: str) -> np.ndarray:
    """(1, seeds, items): right by finetune minus right by lora."""
    right = {
        (method, seed): (lab.written[trial, 2, dataset].rank == 0).astype(int)
        for trial, (method, seed) in of.items()
    }
    return np.array([[right["finetune", seed] - right["lora", seed] for seed in range(3)]])


def test_paired_by_seed_and_item(lab: Lab, connection: duckdb.DuckDBPyConnection) -> None:
    """Of members of a role: their weighted mean, whose variances add up."""
    (row,) = rows(connection, "paired_items", a="finetune", b="lora")
    of = trials(connection)
    parts = [difference(lab, of, name) for name in ("kept", "more")]
    by_seed = np.mean([part.mean(axis=2)[0] for part in parts], axis=0)
    seed_variance = by_seed.var(ddof=1) / 3
    variances = [part.mean(axis=1)[0].var(ddof=1) / part.shape[2] / 4 for part in parts]
    assert row["seeds"] == 3 and row["items"] == 120
    assert row["difference"] == pytest.approx(by_seed.mean())
    assert row["seed_error"] == pytest.approx(math.sqrt(seed_variance))
    assert row["item_error"] == pytest.approx(math.sqrt(sum(variances)))
    # Student's t of two degrees of freedom
    half = math.sqrt(4.303**2 * seed_variance + 1.959964**2 * sum(variances))
    assert row["half"] == pytest.approx(half)
    means = connection.execute(
        "SELECT method, avg(value) FROM result JOIN trial ON trial.id = trial WHERE task = 2 "
        "AND dataset IN ('kept', 'more') GROUP BY method"
    ).fetchall()
    values = dict(means)
    assert row["difference"] == pytest.approx(values["finetune"] - values["lora"])
    (back,) = rows(connection, "paired_items", a="lora", b="finetune")
    assert back["difference"] == pytest.approx(-by_seed.mean())
    assert back["half"] == pytest.approx(row["half"])


def test_of_one_dataset_it_is_the_interval_that_was_simulated(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Lab(site=Site.load(tmp_path), datasets={"a": (4, 80), "kept": (4, 80)}, seeds=4)
    made.fill(np.random.default_rng(5), tasks=(0, 2))
    monkeypatch.chdir(tmp_path)
    with made.opened() as opened_catalog:
        (row,) = rows(opened_catalog, "paired_items", a="finetune", b="lora")
        right = {
            key: (made.written[trial, 2, "kept"].rank == 0).astype(int)
            for trial, key in trials(opened_catalog).items()
        }
    a, b = (np.array([[right[name, seed] for seed in range(4)]]) for name in ("finetune", "lora"))
    mean, half = intervals(a, b)["both"]
    assert row["difference"] == pytest.approx(mean[0])
    assert row["half"] == pytest.approx(half[0], rel=1e-3)
    assert row["item_half"] == pytest.approx(intervals(a, b)["items"][1][0])
    ends = (mean[0] > half[0], mean[0] < -half[0])
    assert row["verdict"] == {(True, False): "finetune", (False, True): "lora"}.get(ends, "tie")


def test_of_one_seed_nothing_is_said_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Lab(site=Site.load(tmp_path), datasets={"a": (4, 80), "kept": (4, 80)}, seeds=1)
    made.fill(np.random.default_rng(5), tasks=(0, 2))
    monkeypatch.chdir(tmp_path)
    with made.opened() as opened_catalog:
        (row,) = rows(opened_catalog, "paired_items", a="finetune", b="lora")
    assert row["seeds"] == 1 and row["half"] is None and row["verdict"] == "too few seeds"
    assert row["item_half"] > 0 and row["few_seeds"]  # type: ignore[operator]


def test_a_snapshot_finds_the_run_folders_that_it_is_of(lab: Lab, tmp_path: Path) -> None:
    """Asked from another folder, as the app and notebooks may."""
    catalog = Catalog(lab.site.catalog)
    with catalog.open():
        publish(catalog, lab.site.snapshot)
    with opened(lab.site.current) as connection:
        assert runs_of(connection).resolve() == lab.site.runs.resolve()
        assert len(rows(connection, "items_forgotten")) == 9 * len(DATASETS)
        assert connection.execute("SELECT getvariable('items')").fetchall() == [(None,)]


def test_a_damaged_file_is_named(lab: Lab, connection: duckdb.DuckDBPyConnection) -> None:
    (path, *_) = sorted(lab.site.runs.glob("**/task-0001.items.parquet"))
    content = path.read_bytes()
    path.write_bytes(b"nothing")
    try:
        with pytest.raises(AskError, match="task-0001.items.parquet"):
            rows(connection, "items_forgotten")
    finally:
        path.write_bytes(content)


def test_what_somebody_has_set_stays(lab: Lab, connection: duckdb.DuckDBPyConnection) -> None:
    (path, *_) = sorted(lab.site.runs.glob("000001/*/task-0000.items.parquet"))
    connection.execute("SET VARIABLE items = [?]", [str(path)])
    assert {row["trial"] for row in rows(connection, "item")} == {1}
    assert connection.execute("SELECT len(getvariable('items'))").fetchall() == [(1,)]


def test_only_questions_about_items_look_for_files() -> None:
    topics = {question.topic for question in all_questions() if reads_items(question)}
    assert topics == {"items"}
    for question in all_questions():
        assert reads_items(question) == (question.topic == "items")


@pytest.mark.parametrize(
    "name", ["item", "item_files", "items_forgotten", "items_fallen", "classes_forgotten"]
)
def test_a_catalog_without_items_has_no_rows(filled: Filled, site: Site, name: str) -> None:
    """Not an error about files: there are none to be read."""
    filled.done(PAPER)
    assert rows(filled.connection, name) == []
