"""Grids: counts per table, and every way to be refused: nothing changes, and the message says file, statement and reason."""

import io
from pathlib import Path

import pytest

from schema import grid
from schema.__main__ import main
from schema.catalog import Catalog
from schema.grid import Count, GridError

AXES = """
INSERT INTO backbone (name, architecture) VALUES ('b', 'ViT-B-32');
INSERT INTO dataset (name, format, params, kind, classes) VALUES ('d', 'world', '{"image_px": 224}', 'classification', '["x", "y"]');
INSERT INTO sequence (name, ordering) VALUES ('q', 'random');
INSERT INTO sequence_concept VALUES ('q', 1, 'd', 'x'), ('q', 2, 'd', 'y');
INSERT INTO suite (name) VALUES ('u');
INSERT INTO suite_member (suite, dataset, role, metric) VALUES ('u', 'd', 'adapt', 'top1');
INSERT INTO stream (name, sequence, tasks, suite) VALUES ('s', 'q', 2, 'u');
INSERT INTO mixture (name, update_share, buffer_share, pretraining_share) VALUES ('x', 1, 0, 0);
INSERT INTO method (name) VALUES ('finetune'), ('other');
INSERT INTO recipe (name, lr, batch_pairs) VALUES ('r', 0.001, 8);
INSERT INTO budget (name, unit, total) VALUES ('g', 'steps', 10);
"""
TRIAL = "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed) VALUES ('b', 's', 'x', '{method}', 'r', 'g', {seed})"


@pytest.fixture
def axes(catalog: Catalog) -> Catalog:
    with catalog.open() as connection:
        grid.apply(connection, AXES, "axes.sql")
    return catalog


def apply(catalog: Catalog, text: str) -> dict[str, Count]:
    with catalog.open() as connection:
        return {count.table: count for count in grid.apply(connection, text, "my grid.sql")}


def test_counts_what_is_new_and_what_was_there(axes: Catalog) -> None:
    """The same grid again is 0 new (I1)."""
    one = TRIAL.format(method="finetune", seed=1) + " ON CONFLICT DO NOTHING"
    assert apply(axes, one)["trial"] == Count("trial", 1, 0)
    assert apply(axes, one)["trial"] == Count("trial", 0, 1)
    assert set(apply(axes, "INSERT INTO suite (name) VALUES ('v')")) == {"suite"}


def test_a_grid_is_one_insert(axes: Catalog) -> None:
    """With or without a conflict clause, a definition is there once (I1)."""
    text = """
    INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed)
    SELECT 'b', 's', 'x', method.name, 'r', 'g', seed FROM method, range(3) AS seeds(seed) ON CONFLICT DO NOTHING
    """
    assert apply(axes, text)["trial"].new == 6
    assert apply(axes, text)["trial"].new == 0
    assert apply(axes, text.replace("range(3)", "range(4)"))["trial"].new == 2


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (TRIAL.format(method="fintune", seed=1), r"(?s)my grid\.sql, statement 2 of 2: INSERT INTO trial.*unknown method 'fintune'.*mean 'finetune'"),
        (TRIAL.format(method="finetune", seed=1).replace("'s'", "'strem'").replace("'g'", "'gg'"), r"(?s)unknown stream 'strem'.*unknown budget 'gg'"),
        ("INSERT INTO mixture (name, update_share, buffer_share, pretraining_share) VALUES ('m', .5, .4, 0)", "mixture: .* must be at least 0 and sum to 1"),
        ("INSERT INTO mixture (name, update_share, buffer_share, pretraining_share) VALUES ('m', .5, 0, .5)", "needs a pretraining_dataset"),
        ("INSERT INTO mixture (name, update_share, buffer_share, pretraining_share) VALUES ('m', 0, 1, 0)", "update_share must be above 0"),
        ("INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, buffer_pairs) VALUES ('m', .5, .5, 0, 0)", "buffer_pairs must be above 0"),
        ("INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, buffer_policy) VALUES ('m', .5, .5, 0, 'equal')", "needs buffer_pairs"),
        ("INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, buffer_pairs, buffer_policy) VALUES ('m', 1, 0, 0, 9, 'equal')", "a buffer_share above 0"),
        ("INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, buffer_pairs, buffer_policy) VALUES ('m', .5, .5, 0, 9, 'resevoir')", r"mixture 'm', buffer_policy: unknown 'resevoir'. Known in streams/buffers.py: class_balanced, equal, exponential, reservoir.*Did you mean 'reservoir'"),
        ("""INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, mixing_params) VALUES ('m', .5, .5, 0, '[]')""", "mixing_params must be a JSON object"),
        ("""INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, mixing, mixing_params) VALUES ('m', .5, .5, 0, 'listed', '{"segments": [{"update": 0.5, "buffer": 0.5, "pretraining": 0}]}')""", "1 are given, and two or more are needed"),
        ("""INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, mixing, mixing_params) VALUES ('m', .5, .5, 0, 'listed', '{"segments": [{"update": 0.5, "buffer": 0.5, "pretraining": 0}, {"update": 1}]}')""", "mixture 'm', mixing, segments: number 2 does not name update, buffer, pretraining"),
        ("""INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, mixing, mixing_params) VALUES ('m', .5, .5, 0, 'listed', '{"segments": [{"update": 0.5, "buffer": 0.5, "pretraining": 0}, {"update": "0.5", "buffer": 0.5, "pretraining": 0}]}')""", "segments of listed must be a list, each an object, each value a number, not"),
        ("""INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, mixing, mixing_params) VALUES ('m', .5, .5, 0, 'listed', '{"segments": [{"update": 0.5, "buffer": 0.5, "pretraining": 0}, {"update": 0.5, "buffer": 0.6, "pretraining": 0}]}')""", "shares of number 2 must be at least 0 and sum to 1"),
        ("""INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, mixing, mixing_params) VALUES ('m', .5, .5, 0, 'listed', '{"segments": [{"update": 0.5, "buffer": 0.5, "pretraining": 0}, {"update": 0.7, "buffer": 0.3, "pretraining": 0}]}')""", "their mean update is 0.6, and update_share is 0.5"),
        ("""INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, mixing, mixing_params) VALUES ('m', .5, .5, 0, 'listed', '{"segments": [{"update": 1, "buffer": 0, "pretraining": 0}, {"update": 0, "buffer": 1, "pretraining": 0}]}')""", "update_share is above 0, so update must be above 0 in each"),
        ("INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, mixing) VALUES ('m', .5, .5, 0, 'listed')", "mixture 'm', mixing, segments: 0 are given, and two or more are needed"),
        ("INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, mixing, held_out_share) VALUES ('m', .5, .5, 0, 'bandid', .1)", r"mixture 'm', mixing: unknown 'bandid'. Known in methods/mixing: bandit, listed. Did you mean 'bandit'"),
        ("INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, mixing) VALUES ('m', .5, .5, 0, 'bandit')", "mixing: bandit is told the loss of pairs that no step learns from, and held_out_share is 0. Hold out some"),
        ("""INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, mixing, mixing_params, held_out_share) VALUES ('m', .5, .5, 0, 'bandit', '{"segment": 4}', .1)""", "bandit has no parameter 'segment'. Allowed: segments, measured_pairs, exploration, rate"),
        ("""INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, mixing_params) VALUES ('m', .5, .5, 0, '{"segments": 4}')""", "mixing_params without a mixing. Name one of bandit, listed"),
        ("INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, held_out_share) VALUES ('m', .5, .5, 0, 1)", "held_out_share must be at least 0 and below 1"),
        ("INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, buffer_dataset) VALUES ('m', .5, .5, 0, 'distilled')", "unknown dataset 'distilled'"),
        ("INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, buffer_pairs, buffer_dataset) SELECT 'm', .5, .5, 0, 9, min(name) FROM dataset", "a buffer_dataset is all that the buffer holds: it needs a buffer_share above 0, and buffer_pairs must be NULL"),
        ("INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, buffer_dataset) SELECT 'm', 1, 0, 0, min(name) FROM dataset", "it needs a buffer_share above 0"),
        ("INSERT INTO sequence (name, ordering, scores) VALUES ('m', 'random', '{}')", "scores must be a JSON list"),
        ("INSERT INTO method (name, start) VALUES ('m', 'first')", "must be one of last, merged, initial, random"),
        ("INSERT INTO method (name, tuning) VALUES ('m', 'lroa')", r"method 'm', tuning: unknown 'lroa'.*Did you mean 'lora'"),
        ("""INSERT INTO method (name, tuning, tuning_params) VALUES ('m', 'lora', '{"rnk": 4}')""", r"lora has no parameter 'rnk'.*Did you mean 'rank'"),
        ("""INSERT INTO method (name, tuning_params) VALUES ('m', '{"rank": 4}')""", r"full has no parameter 'rank'.*takes no parameters"),
        ("INSERT INTO method (name, objective) VALUES ('m', 'contrastive+ewcc')", r"objective: unknown 'ewcc'.*Did you mean 'ewc'"),
        ("""INSERT INTO method (name, objective, objective_params) VALUES ('m', 'contrastive+ewc', '{"weight": 1}')""", "keyed by objective"),
        ("INSERT INTO method (name, start) VALUES ('m', 'merged')", "merging is 'none'"),
        ("INSERT INTO method (name, repair) VALUES ('m', 'k_fpf')", "repair: unknown 'k_fpf'"),
        ("""INSERT INTO method (name, tuning_params) VALUES ('m', '[1]')""", "tuning_params must be a JSON object"),
        ("""INSERT INTO method (name, tuning_params) VALUES ('m', '{"a":')""", "Malformed JSON"),
        ("INSERT INTO method (name) VALUES ('finetune')", r"Duplicate key.*ON CONFLICT DO NOTHING"),
        ("INSERT INTO recipe (name, optimizer, lr, batch_pairs) VALUES ('m', 'adamv', 1, 8)", r"optimizer: unknown 'adamv'.*Did you mean 'adamw'"),
        ("INSERT INTO recipe (name, lr, batch_pairs) VALUES ('m', 1, 1)", "batch_pairs must be at least 2"),
        ("INSERT INTO recipe (name, lr, batch_pairs) VALUES ('m', -1, 8)", "lr must be above 0"),
        ("""INSERT INTO recipe (name, lr, batch_pairs, schedule_params) VALUES ('m', 1, 8, '{"warmpu": 1}')""", r"cosine has no parameter 'warmpu'.*'warmup'"),
        ("""INSERT INTO recipe (name, lr, batch_pairs, augmentation_params) VALUES ('m', 1, 8, '{"flip": 1}')""", "augmentation_params: unknown key 'flip'"),
        ("INSERT INTO dataset (name, format, kind) VALUES ('m', 'wrld', 'captions')", r"format: unknown 'wrld'.*Did you mean 'world'"),
        ("INSERT INTO dataset (name, format, kind) VALUES ('m', 'world', 'images')", "must be one of classification, retrieval, captions"),
        ("INSERT INTO budget (name, unit, total) VALUES ('m', 'stepps', 1)", "unit must be one of maf_gflops, gflops, steps, pairs"),
        ("INSERT INTO budget (name, unit) VALUES ('m', 'steps')", "budget.total must be given"),
        ("INSERT INTO stream (name, sequence, tasks, suite) VALUES ('m', 'q', 0, 'u')", "tasks must be at least 1"),
        (TRIAL.format(method="finetune", seed=-1), "seed must be 0 or more"),
        ("INSERT INTO methood (name) VALUES ('m')", r'(?s)methood does not exist.*"method"'),
        ("INSERT INTO method (nam) VALUES ('m')", r'(?s)column with name "nam".*name'),
        ("COMMIT", "leave out BEGIN, COMMIT"),
    ],
)  # fmt: skip
def test_a_bad_grid_changes_nothing_and_says_why(
    axes: Catalog, statement: str, message: str
) -> None:
    text = f"INSERT INTO suite (name) VALUES ('never');\n{statement};"
    with pytest.raises(GridError, match=message):
        apply(axes, text)
    with axes.open() as connection:
        assert connection.execute("SELECT count(*) FROM suite WHERE name = 'never'").fetchone() == (
            0,
        )


def test_not_sql(axes: Catalog) -> None:
    with pytest.raises(GridError, match=r"(?s)my grid\.sql: not SQL.*selekt"):
        apply(axes, "selekt 1")


def test_an_old_bad_row_does_not_block_new_grids(axes: Catalog) -> None:
    with axes.transaction() as connection:
        connection.execute("INSERT INTO method (name, tuning) VALUES ('typed elsewhere', 'lroa')")
    assert apply(axes, "INSERT INTO suite (name) VALUES ('fine')")["suite"].new == 1


def test_the_command(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([]) == 0
    assert "created" in capsys.readouterr().out
    (folder / "g.sql").write_text("INSERT INTO suite (name) VALUES ('mine')")
    assert main(["g.sql"]) == 0
    assert "g.sql: suite 1 new" in capsys.readouterr().out
    assert main(["g.sql"]) == 2
    assert "Duplicate key" in capsys.readouterr().err
    assert main(["none.sql"]) == 2
    assert "none.sql: cannot be read" in capsys.readouterr().err
    # As after `--import first.csv`, which takes one file
    assert main(["second.csv"]) == 2
    assert "taken in with python -m schema --import second.csv; give --import once for each" in (
        capsys.readouterr().err
    )
    monkeypatch.setattr("sys.stdin", io.StringIO("INSERT INTO suite (name) VALUES ('from a pipe')"))
    assert main(["-"]) == 0
    assert "-: suite 1 new" in capsys.readouterr().out
    assert (folder / "lab/snapshot/current.duckdb").exists()
