"""Row to spec.json and back: every column that can change a number crosses, and comes back as it was."""

import contextlib
import json
from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.scheduler.base_weights import deployed_weights
from runner.scheduler.resolve import RefusedError, Resolver
from schema import ddl, grid, views
from schema.__main__ import ROWS
from schema.site import Site
from schema.spec import Spec
from tests.schema.test_grid import AXES, TRIAL
from tests.template import in_memory

FOR_PEOPLE = {
    "pretrained_with",
    "note",
    "license",
    "year",
    "train_pairs",
    "test_pairs",
    "source",
    "scores",
    "validation",
}  # columns that cannot change a number
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12
)
NUMBERS = st.floats(1e-12, 1e12)
FREE_JSON = st.dictionaries(
    NAMES,
    st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.text(max_size=6)
    | st.lists(st.integers(0, 9), max_size=3),
    max_size=3,
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory catalog with one trial."""
    with duckdb.connect() as made:
        for statement in ddl.statements():
            made.execute(statement)
        views.refresh(made)
        made.execute(AXES)
        made.execute(TRIAL.format(method="finetune", seed=7))
        yield made


def rows_of(connection: duckdb.DuckDBPyConnection, table: str, name: str) -> dict[str, object]:
    """One axis row, its JSON parsed, without what is for people."""
    found = connection.execute(f"FROM {table} WHERE name = ?", [name])
    columns = [(column[0], str(column[1])) for column in found.description or []]
    (values,) = found.fetchall()
    parsed = {
        c: json.loads(v) if t == "JSON" and v is not None else v
        for (c, t), v in zip(columns, values, strict=True)
    }
    absent = (
        ("buffer_policy", None),
        ("mixing", None),
        ("mixing_params", {}),
        ("held_out_share", 0.0),
        ("buffer_dataset", None),
        ("compute_params", {}),
        ("preprocessing", {}),
        ("costs", "counted"),
        ("ensemble", None),
        ("ensemble_params", {}),
    )
    for column, nothing in absent:
        if column in parsed and parsed[column] == nothing:
            del parsed[
                column
            ]  # left out, so that definitions from before there was such a column stay what they were
    return {column: value for column, value in parsed.items() if column not in FOR_PEOPLE}


def test_every_column_crosses(connection: duckdb.DuckDBPyConnection) -> None:
    """A column added to an axis must be added to queries/definition.sql, or be named above as one for people."""
    spec, _ = Resolver(connection, [1]).resolve(1)
    assert spec.seed == 7
    for table, said in (
        ("mixture", spec.mixture),
        ("method", spec.method),
        ("recipe", spec.recipe),
        ("budget", spec.budget),
    ):
        assert rows_of(connection, table, said["name"]) == said
    assert rows_of(connection, "backbone", "b") | {"parent": None} == spec.backbone
    assert rows_of(connection, "dataset", "d") == spec.stream["datasets"][0]
    stream = rows_of(connection, "stream", "s")
    assert {"name", "tasks", "sequence", "suite"} == set(stream) == set(spec.stream) - {"datasets"}
    assert rows_of(connection, "sequence", "q") == {
        k: v for k, v in spec.stream["sequence"].items() if k != "concepts"
    }
    assert spec.stream["sequence"]["concepts"] == [["d", "x"], ["d", "y"]]
    members = connection.execute("SELECT * EXCLUDE suite FROM suite_member")
    columns = [column[0] for column in members.description or []]
    assert spec.stream["suite"]["members"] == [
        dict(zip(columns, row, strict=True)) for row in members.fetchall()
    ]


def test_an_ensemble_crosses_and_none_leaves_the_text_as_it_was(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Also one without params of its own, which are then an empty object and not left out."""
    connection.execute("BEGIN")
    try:
        for trial, params in ((2, "{}"), (3, '{"members": "ends", "points": 3}')):
            name = f"line_{trial}"
            connection.execute(
                "INSERT INTO method (name, deploy, ensemble, ensemble_params) "
                "VALUES (?, 'ensemble', 'line', ?)",
                [name, params],
            )
            connection.execute(
                "INSERT INTO trial (id, backbone, stream, mixture, method, recipe, budget, seed) "
                "VALUES (?, 'b', 's', 'x', ?, 'r', 'g', 1)",
                [trial, name],
            )
            spec, _ = Resolver(connection, [trial]).resolve(trial)
            ours = {"ensemble_params": json.loads(params)}
            assert spec.method == rows_of(connection, "method", name) | ours
        plain, _ = Resolver(connection, [1]).resolve(1)
        assert not {"ensemble", "ensemble_params"} & set(plain.method)
    finally:
        connection.execute("ROLLBACK")


def test_a_policy_and_a_mixing_cross_and_none_leave_the_text_as_it_was(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Of a buffer of distilled pairs the whole row crosses, with what is NULL in it."""
    pieces = [{"update": u, "buffer": 1 - u, "pretraining": 0} for u in (0.25, 0.75)]
    listed = json.dumps({"segments": pieces})
    rows = (
        ("kept", 10, "reservoir", "listed", listed, 0.0, None),
        ("drawn", None, None, None, "{}", 0.0, None),
        ("said", None, None, "bandit", "{}", 0.25, "d"),
    )
    connection.execute("BEGIN")
    try:
        for trial, row in enumerate(rows, 2):
            connection.execute(
                "INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, buffer_pairs, buffer_policy, mixing, "
                "mixing_params, held_out_share, buffer_dataset) VALUES (?, 0.5, 0.5, 0, ?, ?, ?, ?, ?, ?)",
                row,
            )
            connection.execute(
                "INSERT INTO trial (id, backbone, stream, mixture, method, recipe, budget, seed) "
                "VALUES (?, 'b', 's', ?, 'finetune', 'r', 'g', 1)",
                [trial, row[0]],
            )
        kept, drawn, said = (Resolver(connection, [trial]).resolve(trial) for trial in (2, 3, 4))
        assert kept[0].mixture["buffer_policy"] == "reservoir"
        assert kept[0].mixture["mixing"] == "listed"
        assert kept[0].mixture["mixing_params"] == {"segments": pieces}
        new = ("buffer_policy", "mixing", "mixing_params", "held_out_share", "buffer_dataset")
        assert not any(word in drawn[1] for word in new)
        assert said[0].mixture["held_out_share"] == 0.25 and said[0].mixture["mixing"] == "bandit"
        assert said[0].mixture["buffer_dataset"] == rows_of(connection, "dataset", "d")
    finally:
        connection.execute("ROLLBACK")


LAION = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
SQUASH = {"resize_mode": "squash"}


@pytest.mark.parametrize(
    ("architecture", "tag", "own", "said", "of_child"),
    [
        ("ViT-B-32", "laion2b_s34b_b79k", {}, None, None),
        ("ViT-L-14", "laion2b_s32b_b82k", {}, None, LAION),
        ("ViT-B-16-SigLIP", "webli", {}, SQUASH, LAION | SQUASH),
        ("ViT-B-32", "laion2b_s34b_b79k", {"std": [0.2, 0.2, 0.2]}, {"std": [0.2] * 3}, {"std": [0.2] * 3}),
        ("ViT-B-16-SigLIP", "webli", {"resize_mode": "longest"}, {"resize_mode": "longest"},
         LAION | {"resize_mode": "longest"}),
        ("ViT-B-32", "weights/mine.pt", {}, None, None),
        ("ViT-B-32", None, {}, None, None),
    ],
)  # fmt: skip
def test_how_images_are_prepared_passes_from_trial_to_trial(
    connection: duckdb.DuckDBPyConnection,
    architecture: str,
    tag: str | None,
    own: dict[str, object],
    said: dict[str, object] | None,
    of_child: dict[str, object] | None,
) -> None:
    """A child names no tag, and is told what the tag says that its chain of trials began with.

    Where it is as for OpenAI's CLIP nothing is said, so that definitions stay what they were.
    """
    connection.execute("BEGIN")
    try:
        rows = (ROWS / "pretrained_tags.sql").read_text()
        connection.execute(rows)
        insert = "INSERT INTO backbone (name, architecture, pretrained, preprocessing) VALUES (?, ?, ?, ?)"
        trial = (
            "INSERT INTO trial (id, backbone, stream, mixture, method, recipe, budget, seed) "
            "SELECT ?, ?, stream, mixture, method, recipe, budget, seed FROM trial WHERE id = 1"
        )
        connection.execute(insert, ["root", architecture, tag, json.dumps(own)])
        connection.execute(trial, [20, "root"])
        for number, parent in ((21, 20), (22, 21)):
            name = f"child {number}"
            connection.execute(insert, [name, architecture, f"trial:{parent}", "{}"])
            connection.execute(trial, [number, name])
        for number in (20, 21):
            connection.execute(
                "INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position) "
                "VALUES (?, 1, '{}', 'some id', 'batch', 0)",
                [number],
            )
            connection.execute(
                "INSERT INTO outcome (trial, attempt, state) VALUES (?, 1, 'done')", [number]
            )
        backbones = [
            Resolver(connection, [number]).resolve(number)[0].backbone for number in (20, 21, 22)
        ]
        assert [one.get("preprocessing") for one in backbones] == [said, of_child, of_child]
    finally:
        connection.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("known", "message"),
    [
        (
            {"optimiser": "adamw"},
            r"unknown key 'optimiser'\. Allowed: optimizer, loss\..*'optimizer'",
        ),
        ({"optimizer": 3}, r"optimizer is a name, such as 'adamw', not 3"),
        ({"loss": "hinge"}, r"a loss is softmax or sigmoid, with \+captioning or \+distillation"),
        ({"loss": "sigmoid+labels"}, r"not 'sigmoid\+labels'"),
    ],
)
def test_what_a_backbone_cannot_have_been_pretrained_with_is_refused(
    connection: duckdb.DuckDBPyConnection, known: dict[str, object], message: str
) -> None:
    text = (
        "INSERT INTO backbone (name, architecture, pretrained_with) "
        f"VALUES ('odd', 'ViT-B-32', '{json.dumps(known)}');"
    )
    with pytest.raises(grid.GridError, match=f"backbone 'odd', pretrained_with: .*{message}"):
        grid.apply(connection, text, "my_grid.sql")


def test_what_a_backbone_was_pretrained_with_is_no_part_of_a_definition(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """So rows may say it, or be put right, after they have run."""
    before = Resolver(connection, [1]).resolve(1)[0]
    connection.execute("BEGIN")
    try:
        connection.execute("""UPDATE backbone SET pretrained_with = '{"loss": "sigmoid"}'""")
        assert Resolver(connection, [1]).resolve(1)[0].id == before.id
    finally:
        connection.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("preprocessing", "message"),
    [
        ({"meen": [0.5] * 3}, r"unknown key 'meen'\. Allowed: mean, std, .*Did you mean 'mean'"),
        ({"mean": 0.5}, r"mean is three numbers from 0 to 1, .*, not 0\.5"),
        ({"std": [0, 1, 1]}, "std is three numbers above 0"),
        ({"interpolation": "nearest"}, "interpolation is one of bicubic, bilinear, not 'nearest'"),
        ({"resize_mode": "crop"}, "resize_mode is one of shortest, longest, squash, not 'crop'"),
        ({"fill_color": 300}, "fill_color is a whole number from 0 to 255, not 300"),
    ],
)
def test_images_that_no_model_could_be_given_are_refused_at_the_insert(
    connection: duckdb.DuckDBPyConnection, preprocessing: dict[str, object], message: str
) -> None:
    grid_text = (
        "INSERT INTO backbone (name, architecture, preprocessing) "
        f"VALUES ('odd', 'ViT-B-32', '{json.dumps(preprocessing)}');"
    )
    with pytest.raises(grid.GridError, match=f"backbone 'odd', preprocessing: {message}"):
        grid.apply(connection, grid_text, "my_grid.sql")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lr=NUMBERS, weight_decay=NUMBERS, clip=st.none() | NUMBERS, total=NUMBERS, params=FREE_JSON, seed=st.integers(0, 2**53), name=NAMES,
    shares=st.integers(1, 99),
)  # fmt: skip
def test_any_row_comes_back_as_it_was(
    connection: duckdb.DuckDBPyConnection, lr: float, weight_decay: float, clip: float | None, total: float,
    params: dict[str, object], seed: int, name: str, shares: int,
) -> None:  # fmt: skip
    """Whatever the values: from rows through spec.json they are equal, and equal rows give equal ids."""
    connection.execute("BEGIN")
    try:
        connection.execute(
            "INSERT INTO recipe (name, lr, weight_decay, clip_norm, batch_pairs, optimizer_params) VALUES (?, ?, ?, ?, 8, ?)",
            [f"r {name}", lr, weight_decay, clip, json.dumps(params)],
        )
        connection.execute(
            "INSERT INTO budget (name, unit, total) VALUES (?, 'steps', ?)", [f"b {name}", total]
        )
        connection.execute(
            "INSERT INTO mixture (name, update_share, buffer_share, pretraining_share) VALUES (?, ?, ?, 0)",
            [f"m {name}", shares / 100, 1 - shares / 100],
        )
        connection.execute(
            "INSERT INTO trial (id, backbone, stream, mixture, method, recipe, budget, seed) VALUES (2, 'b', 's', ?, 'finetune', ?, ?, ?)",
            [f"m {name}", f"r {name}", f"b {name}", seed],
        )
        found = connection.execute("SELECT spec FROM definition WHERE trial = 2").fetchone()
        assert found is not None
        spec = Spec.from_json(found[0])
        again = Spec.from_json(spec.to_json())
        assert again == spec and again.id == spec.id
        assert again.recipe == rows_of(connection, "recipe", f"r {name}")
        assert again.budget == rows_of(connection, "budget", f"b {name}")
        assert again.mixture == rows_of(connection, "mixture", f"m {name}")
        assert (
            again.recipe["lr"],
            again.recipe["clip_norm"],
            again.recipe["optimizer_params"],
        ) == (lr, clip, params)
        assert (again.budget["total"], again.seed) == (total, seed)
    finally:
        connection.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("UPDATE stream SET tasks = 3", "cuts 2 concepts into 3 tasks"),
        (
            "UPDATE sequence_concept SET concept = 'xx' WHERE position = 1",
            "names concept 'xx', which dataset 'd' does not have. Did you mean 'x'",
        ),
        (
            "UPDATE suite_member SET label_space = 'union'; UPDATE dataset SET kind = 'retrieval'",
            "label_space 'union' of 'd', which is of kind retrieval and has no classes; use all",
        ),
        (
            "INSERT INTO suite_member (suite, dataset, role, metric, label_space) SELECT suite, dataset, role, metric, 'union' "
            "FROM suite_member LIMIT 1",
            "its adapt members have label spaces all and union, and a mean over them would mix them. Give the role one",
        ),
        ("UPDATE method SET tuning = 'lroa'", "unknown 'lroa'"),
        ("DELETE FROM suite_member", "stream 's': its suite has no rows in suite_member"),
        (
            "DELETE FROM sequence_concept",
            "stream 's': its sequence has no rows in sequence_concept",
        ),
        (
            "UPDATE backbone SET pretrained = 'trial:99'",
            "backbone 'b' names a trial that is not done",
        ),
    ],
)
def test_what_cannot_run_is_refused_before_a_job_exists(
    connection: duckdb.DuckDBPyConnection, change: str, message: str
) -> None:
    connection.execute("BEGIN")
    try:
        connection.execute(change)
        with pytest.raises(RefusedError, match=message):
            Resolver(connection, [1]).resolve(1)
    finally:
        connection.execute("ROLLBACK")


def test_a_base_whose_files_are_gone_is_said(site: Site) -> None:
    with pytest.raises(
        RefusedError,
        match="what trial 7 deployed, but .*000007 holds no weights any more. Put the folder back",
    ):
        deployed_weights(site, 7)


def test_published_costs_are_in_the_definition_or_the_trial_is_refused(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """What a worker needs is in its spec.json; a sentence without a published cost never starts."""
    connection.execute("BEGIN")
    connection.execute(
        """INSERT INTO budget (name, unit, total, charging, costs)
           VALUES ('by_table', 'maf_gflops', 1e4, 'per_step', 'published')"""
    )
    trial = """INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed)
               SELECT backbone, stream, mixture, method, recipe, 'by_table', 3 FROM trial
               WHERE method = 'finetune' LIMIT 1 RETURNING id"""
    (number,) = connection.execute(trial).fetchone() or (0,)
    with pytest.raises(RefusedError, match="none are published of backbone .*published_cost"):
        Resolver(connection, [number]).resolve(number)
    for metric, value in (("step_gflops", 3.25), ("memory_multiplier", 0.8702)):
        connection.execute(
            """INSERT INTO reference_result (source, setting, metric, value, provenance)
               SELECT 'FoMo-in-Flux, compute', json_object('backbone', trial.backbone,
                          'batch_pairs', recipe.batch_pairs, 'method', 'full-ft'), ?, ?, 'seen'
               FROM trial JOIN recipe ON recipe.name = trial.recipe WHERE trial.id = ?""",
            [metric, value, number],
        )
    spec, text = Resolver(connection, [number]).resolve(number)
    written = connection.execute("SELECT spec FROM definition WHERE trial = ?", [number])
    assert written.fetchone() == (text,) and Spec.from_json(text) == spec
    assert spec.budget == {
        "name": "by_table",
        "unit": "maf_gflops",
        "total": 1e4,
        "charging": "per_step",
        "costs": "published",
        "published": {"step_gflops": 3.25, "multiplier": 0.8702},
    }
    connection.execute("ROLLBACK")
    with pytest.raises(duckdb.ConstraintException, match="published costs are in GFLOPs|costs"):
        connection.execute(
            "INSERT INTO budget (name, unit, total, costs) VALUES ('x', 'steps', 1, 'published')"
        )


def test_the_texts_of_words_make_the_view_s_text() -> None:
    """Of every shipped stream that has a definition, with other words each: to the letter."""
    with in_memory("words") as connection:
        others = {}
        for word in ("backbone", "mixture", "method", "recipe", "budget"):
            others[word] = f"(SELECT name FROM {word} ORDER BY hash(name || s.name) LIMIT 1)"
        connection.execute(
            f"INSERT INTO trial (stream, seed, {', '.join(others)}) "
            f"SELECT s.name, 5, {', '.join(others.values())} FROM stream s "
            "UNION ALL SELECT s.name, 6, 'vit_b16_random', 'update_only', 'finetune', "
            "'tic_large', 'tic_large' FROM stream s"
        )
        texts = dict(connection.execute("SELECT trial, spec FROM definition").fetchall())
        resolver = Resolver(connection, list(texts))
        resolved = 0
        for trial, text in texts.items():
            assert resolver.text(trial) == text
            with contextlib.suppress(RefusedError):
                spec = resolver.spec(trial)
                assert spec == Spec.from_json(text) and spec.id == Spec.from_json(text).id
                resolved += 1
    assert len(texts) > 30 and resolved > 5
