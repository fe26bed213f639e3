"""The tuning `given`: which checkpoint each task takes, and what is refused when it is declared."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.scheduler.base_weights import Bases
from runner.scheduler.resolve import RefusedError, Resolver
from schema import grid
from schema.checks import given
from schema.site import Site
from schema.spec import Spec
from streams.tasks import chunks
from tests.template import in_memory
from tests.toy import AXES

EVERYTHING = [["a", "*"], ["b", "*"], ["c", "*"]]


def stream(concepts: list[list[str]], tasks: int) -> dict[str, Any]:
    return {"name": "s", "tasks": tasks, "sequence": {"name": "q", "concepts": concepts}}


@pytest.mark.parametrize(
    ("concepts", "tasks", "expected"),
    [
        (EVERYTHING, 3, ["a", "b", "c"]),
        ([*EVERYTHING, ["a", "*"]], 4, ["a", "b", "c", "a"]),
        (EVERYTHING, 2, ["task-0001", "c"]),
        ([["a", "x"], ["a", "y"], ["b", "z"]], 2, ["a", "b"]),
        ([["a", "x"], ["a", "y"], ["a", "z"], ["b", "z"]], 2, ["task-0001", "task-0002"]),
        ([["a", "x"], ["b", "y"], ["a", "z"]], 3, ["task-0001", "b", "task-0003"]),
    ],
)
def test_a_task_is_named_for_its_dataset_where_it_is_one(
    concepts: list[list[str]], tasks: int, expected: list[str]
) -> None:
    assert given.task_names(stream(concepts, tasks)) == expected
    cut = chunks([(dataset, concept) for dataset, concept in concepts], tasks)
    for name, task in zip(expected, cut, strict=True):
        assert name.startswith("task-") or {dataset for dataset, _ in task} == {name}


def test_where_a_checkpoint_is(tmp_path: Path) -> None:
    """Below the backbone's name, unless the method names a folder or a place."""
    of = stream(EVERYTHING, 3)
    method: dict[str, Any] = {"tuning": "given", "tuning_params": {}}
    assert given.places(method, of, "vit") == ["given/vit/a", "given/vit/b", "given/vit/c"]
    method["tuning_params"] = {"folder": "/lab/x", "places": {"b": "trial:12", "c": "there/c.pt"}}
    assert given.places(method, of, "vit") == ["/lab/x/a", "trial:12", "there/c.pt"]
    assert given.trials(method, of) == [12]
    assert given.found("x/a", tmp_path) is None
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.pt").touch()
    assert given.found("x/a", tmp_path) == tmp_path / "x" / "a.pt"
    (tmp_path / "x" / "a").mkdir()
    assert given.found("x/a", tmp_path) == tmp_path / "x" / "a", "a folder comes first"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("", "no checkpoint at given/toy/task-0001, given/toy/task-0002 in .*names others by task"),
        ("objective = 'contrastive+ewc'", "trains nothing, so no objective is asked"),
        ("repair = 'fpf'", "nothing is repaired"),
        ("merging = 'ema_step', deploy = 'merged'", "averages over the steps of a task"),
        (
            """tuning_params = '{"places": {"task-1": "x"}}'""",
            "places names 'task-1', and no task of stream 'toy' has this name. Its tasks: "
            "task-0001, task-0002. Did you mean",
        ),
        ("""tuning_params = '{"places": ["x"]}'""", "places of given must be an object"),
        ("""tuning_params = '{"folders": "x"}'""", "has no parameter 'folders'.*folder"),
    ],
)
def test_what_is_refused(tmp_path: Path, change: str, words: str) -> None:
    """What is missing is named, and what would mean nothing."""
    with in_memory("words") as connection:
        grid.apply(connection, AXES, "toy")
        if change:
            connection.execute(f"UPDATE method SET {change} WHERE name = 'given'")
        connection.execute(
            "INSERT INTO trial (id, backbone, stream, mixture, method, recipe, budget, seed) "
            "VALUES (1, 'toy', 'toy', 'toy', 'given', 'nothing', 'no_steps', 0)"
        )
        with pytest.raises(RefusedError, match=words):
            Resolver(connection, [1], tmp_path).spec(1)


def test_a_trial_that_has_deployed_nothing_is_named(tmp_path: Path) -> None:
    """What is measured later asks for no checkpoint."""
    method = {
        "name": "taken",
        "tuning": "given",
        "tuning_params": {"places": {"a": "trial:7"}},
    }
    spec = Spec({"name": "vit"}, stream(EVERYTHING, 3), {}, method, {}, {}, seed=0)
    bases = Bases(Site.load(tmp_path))
    with pytest.raises(
        RefusedError, match="method 'taken' is given what trial 7 deployed, .*'retrain'.* retry"
    ):
        bases.given(spec)
    assert bases.given(replace(spec, method=method | {"tuning": "full"})) == {}
    assert bases.given(replace(spec, measures={"suite": {}})) == {}


def test_flops_buy_nothing() -> None:
    """No file is looked for where the data folder is not known."""
    method = {
        "name": "given",
        "tuning": "given",
        "tuning_params": {},
        "objective": "contrastive",
        "merging": "none",
    }
    words = {"backbone": {"name": "vit"}, "stream": stream(EVERYTHING, 3), "method": method}
    steps = {"name": "no_steps", "unit": "steps"}
    assert list(given.objections(**words, budget=steps, data=None)) == []
    (words_of,) = given.objections(**words, budget={"name": "b", "unit": "gflops"}, data=None)
    assert "budget 'b': tuning 'given' takes no steps, so FLOPs buy nothing" in words_of
