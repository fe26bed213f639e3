"""Metrics against kinds, image sizes against backbones, and class names against files: before a job exists."""

import importlib
import json
from pathlib import Path

import open_clip
import pytest

import evals
from evals import _matching, ranked_classes
from runner.scheduler.resolve import RefusedError, Resolver
from schema import grid
from schema.__main__ import ROWS
from schema.catalog import Catalog
from schema.checks import stream_rows
from schema.checks.compared import FOLDER, Comparison
from schema.checks.parts import PartError, names
from schema.checks.places import remarks, wanted
from schema.checks.sentences import check_line
from streams import image_px
from tests.evals.test_evals import world
from tests.streams.test_contradictions import hub
from tests.template import in_memory


def test_the_metrics_are_those_of_the_evaluations() -> None:
    assert stream_rows.RANKS == _matching.RANKS
    for kind, known in stream_rows.METRICS.items():
        model, test = world(kind, seed=1)
        probes = set()
        for name in names("evals"):
            evaluation = importlib.import_module(f"evals.{name}")
            if kind in evaluation.KINDS:
                probes |= set(getattr(evaluation, "PROBES", ()))
        assert {metric for metric, _ in evals.measure(model, test)} | probes == set(known)


@pytest.mark.parametrize(
    ("classes", "label_space", "refused"), [(4, "all", True), (5, "all", False), (4, "task", False)]
)
def test_the_five_nearest_of_fewer_classes_say_nothing(
    classes: int, label_space: str, refused: bool
) -> None:
    member = {"dataset": "d", "metric": "top5", "label_space": label_space}
    dataset = {"name": "d", "kind": "classification", "classes": ["a"] * classes}
    assert (stream_rows.TOP_FEW, stream_rows.FEW) == ("top5", ranked_classes.TOP)
    objections = list(stream_rows.metric_objections({"name": "s", "members": [member]}, [dataset]))
    expected = ["suite 's': metric 'top5' of 'd', which has 4 classes, and every image"] * refused
    assert [objection[: len(expected[0])] for objection in objections] == expected


def test_there_is_no_line_between_ensembles() -> None:
    members = [{"dataset": "d", "metric": metric} for metric in ("top1", "between50_top1")]
    stream = {"name": "s", "suite": {"name": "u", "members": members}}
    check_line({"name": "m", "ensemble": None}, stream)
    check_line({"name": "m"}, stream)
    with pytest.raises(
        PartError,
        match="method 'm' with stream 's': metric 'between50_top1' of suite 'u' is .* and an ensemble "
        "deploys several models. Leave such metrics out of the suite, or use a method that deploys one",
    ):
        check_line({"name": "m", "ensemble": "mean"}, stream)
    members.pop()
    check_line({"name": "m", "ensemble": "mean"}, stream)


@pytest.mark.parametrize("name", ["ViT-B-32", "ViT-L-14-336", "ViT-B-16-SigLIP-384", "RN50x4"])
def test_a_backbone_s_size_is_open_clip_s(name: str) -> None:
    size = open_clip.get_model_config(name)["vision_cfg"]["image_size"]
    assert stream_rows.image_px_taken(name) == size
    assert stream_rows.image_px_taken('{"vision_cfg": {"image_size": [48, 48]}}') == 48
    for unknown in ("no-such-model", "{", '{"vision_cfg": 3}', "hf-hub:some/thing"):
        assert stream_rows.image_px_taken(unknown) is None


@pytest.mark.parametrize("name", names("streams/formats"))
def test_the_size_of_a_format_is_that_of_its_class(name: str) -> None:
    for params in ({}, {"image_px": 48}):
        row = {"name": "d", "format": name, "params": params}
        assert stream_rows.image_px_made(row) == image_px(row)


GRID = """
INSERT INTO dataset (name, format, location, params, kind, classes, templates) VALUES
('mine', 'parquet', 'birds', '{"label": "label", "image_px": 32, "test": "no"}', 'classification', '["gull", "house wren", "crow"]', '[]'),
('large', 'imagefolder', 'large', '{"image_px": 64}', 'classification', '["crow"]', '[]');
INSERT INTO sequence (name, ordering) VALUES ('mine', 'random'), ('large', 'random');
INSERT INTO sequence_concept VALUES ('mine', 1, 'mine', '*'), ('large', 1, 'large', '*');
INSERT INTO suite (name) VALUES ('mine'), ('large'), ('wrong');
INSERT INTO suite_member (suite, dataset, role, metric) VALUES
('mine', 'mine', 'adapt', 'top1'), ('large', 'large', 'adapt', 'top1'), ('wrong', 'mine', 'adapt', 'top2');
INSERT INTO stream (name, sequence, tasks, suite) VALUES ('mine', 'mine', 1, 'mine'), ('large', 'large', 1, 'large'), ('wrong', 'mine', 1, 'wrong');
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed)
SELECT 'tiny', stream.name, 'update_only', 'finetune', 'tiny_lr_1e-3', 'steps_250', 1 FROM stream WHERE name IN ('mine', 'large', 'wrong');
"""


def test_what_does_not_fit_is_refused_before_a_job_exists(catalog: Catalog, tmp_path: Path) -> None:
    """Class names of files too, where they are at hand; a row that agreed is not asked again."""
    data = tmp_path / "data"
    hub(data / "birds/0.parquet", ["crow", "gull", "house_wren"], [0, 1, 2])
    with catalog.open() as connection:
        for text in [*((ROWS / f"{name}.sql").read_text() for name in ("world", "methods")), GRID]:
            grid.apply(connection, text, "a grid")
        trials = dict(connection.execute("SELECT stream, id FROM trial").fetchall())
        resolver = Resolver(connection, list(trials.values()), data)
        with pytest.raises(
            RefusedError, match="'large': its images are made 64 x 64 px, and the back"
        ):
            resolver.resolve(trials["large"])
        with pytest.raises(
            RefusedError,
            match="suite 'wrong': metric 'top2' of 'mine', which is of kind classification. Measured of "
            "that kind: top1, top5, mean_per_class_recall, fewshot4_top1, fewshot16_top1, divergence, "
            "between25_top1, between50_top1, between75_top1. Did "
            "you mean 'top5' or 'top1'",
        ):
            resolver.resolve(trials["wrong"])
        with pytest.raises(RefusedError, match="'gull' in the row and 'crow' in 0.parquet"):
            resolver.resolve(trials["mine"])
        assert not (data / FOLDER).exists()
        hub(data / "birds/0.parquet", ["gull", "house_wren", "crow"], [0, 1, 2])
        resolver = Resolver(connection, [trials["mine"]], data)
        resolver.resolve(trials["mine"])
        assert len(list((data / FOLDER).iterdir())) == 1
        elsewhere = Resolver(connection, [trials["mine"]], tmp_path / "elsewhere")
        elsewhere.resolve(trials["mine"])
        said = {row["name"]: remarks(row) for row in wanted(connection, ["mine", "large", "wrong"])}
        assert said["large"][0].startswith(
            "a trial over it is refused: dataset 'large': its images"
        )
        assert said["mine"] == [
            "a trial over it is refused: suite 'wrong': metric 'top2' of 'mine', which is of kind "
            "classification. Measured of that kind: top1, top5, mean_per_class_recall, "
            "fewshot4_top1, fewshot16_top1, divergence, between25_top1, between50_top1, "
            "between75_top1. Did you mean 'top5' or 'top1'?"
        ]
        assert {row["batch_pairs"] for row in wanted(connection, ["mine"])} != {None}


def test_a_row_is_asked_again_when_its_place_changes(tmp_path: Path) -> None:
    row = {"name": "birds", "format": "parquet", "location": "birds", "params": {"label": "label"}}
    row |= {"kind": "classification", "classes": ["crow", "gull"], "templates": []}
    hub(tmp_path / "birds/0.parquet", ["crow", "gull"], [0, 1])
    assert Comparison(tmp_path).objections([row]) == []
    hub(tmp_path / "birds/1.parquet", ["a_gull", "crow"], [0, 1])
    (sentence,) = Comparison(tmp_path).objections([row])
    assert "in the row and" in sentence and "1.parquet" in sentence
    assert json.dumps(row), "it is left as it was"


LANES = """
INSERT INTO dataset (name, format, location, params, kind, classes) VALUES
('pool', 'webdataset', 'pool', '{"lanes": 4, "test": "test"}', 'classification', '["crow", "gull"]');
INSERT INTO sequence (name, ordering) VALUES ('whole', 'given'), ('class', 'given');
INSERT INTO sequence_concept VALUES
('whole', 1, 'pool', '*'), ('whole', 2, 'pool', '*'), ('class', 1, 'pool', 'crow'), ('class', 2, 'pool', '*');
INSERT INTO suite (name) VALUES ('whole'), ('probe');
INSERT INTO suite_member (suite, dataset, role, metric) VALUES
('whole', 'pool', 'adapt', 'top1'), ('probe', 'pool', 'adapt', 'fewshot4_top1');
INSERT INTO stream (name, sequence, tasks, suite) VALUES
('whole', 'whole', 2, 'whole'), ('class', 'class', 2, 'whole'), ('probe', 'whole', 2, 'probe');
INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, buffer_pairs) VALUES
('kept', 0.5, 0.5, 0, 100), ('all', 0.5, 0.5, 0, NULL);
INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, held_out_share) VALUES ('apart', 0.5, 0.5, 0, 0.1);
INSERT INTO backbone (name, architecture) VALUES ('any', 'ViT-B-32');
INSERT INTO method (name) VALUES ('plain');
INSERT INTO recipe (name, lr, batch_pairs) VALUES ('r', 0.001, 4);
INSERT INTO budget (name, unit, total) VALUES ('b', 'steps', 8);
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed)
SELECT 'any', stream, mixture, 'plain', 'r', 'b', 0
FROM (VALUES ('whole', 'all'), ('class', 'all'), ('probe', 'all'), ('whole', 'kept'), ('whole', 'apart'))
t(stream, mixture);
"""


@pytest.mark.parametrize(
    ("trial", "message"),
    [
        (1, None),
        (2, r"is a stream of shards \(lanes\), and the stream teaches 'crow' of it"),
        (3, r"metric 'fewshot4_top1' learns from single classes of 'pool', a stream of shards"),
        (4, r"mixture 'kept': buffer_pairs chooses pairs of 'pool', a stream of shards \(lanes\)"),
        (5, r"mixture 'apart': a mixing and held_out_share need a table of the pairs of 'pool'"),
    ],
)
def test_what_a_stream_of_shards_cannot_do_is_refused_before_a_job(
    trial: int, message: str | None
) -> None:
    connection = in_memory()
    grid.apply(connection, LANES, "lanes.sql")
    resolver = Resolver(connection, [1, 2, 3, 4, 5])
    if message is None:
        assert resolver.resolve(trial)
    else:
        with pytest.raises(RefusedError, match=message):
            resolver.resolve(trial)
