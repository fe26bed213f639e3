"""The vocabulary: every file applies, twice alike, and what it says agrees with the publications' own sums and with itself."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import open_clip
import pytest

from methods import schedules
from runner.budget import Profiled, steps_per_task
from schema import grid
from schema.__main__ import ROWS
from schema.catalog import Catalog
from streams.tasks import chunks
from tests.template import fresh

GRIDS = ROWS.parent.parent / "grids"
ACCURACIES = {
    "top1", "r5", "a_ka", "a_zs", "gm", "transfer", "acc_all", "acc_final", "acc_learn", "acc_inc", "tic_backward",
    "tic_forward", "all_image_to_text_r1", "all_text_to_image_r1", "fewshot16_top1",
}  # fmt: skip
DIFFERENCES = {"bwt", "forgotten_mean", "fwt_zs"}
QUANTITIES = {
    "step_gflops", "step_maf_gflops", "peak_gb", "memory_multiplier", "steps_per_task", "steps", "pairs", "budget_maf_gflops", "macs",
}  # fmt: skip
READ = ("seen", "compared", "told", "derived")
RETRIEVAL = {"fscoco", "mscoco", "flickr30k"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with the whole vocabulary; copy it to change it."""
    return fresh(tmp_path_factory.mktemp("vocabulary") / "catalog.duckdb", "words").path


@pytest.fixture
def connection(made: Path, folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy, open, in a folder of its own."""
    with Catalog(Path(shutil.copy(made, folder / "catalog.duckdb")), 5).open() as opened:
        yield opened


def apply(connection: duckdb.DuckDBPyConnection) -> int:
    """Every file of the vocabulary; how many rows were new."""
    files = sorted(ROWS.glob("*.sql"))
    return sum(
        count.new for file in files for count in grid.apply(connection, file.read_text(), file.name)
    )


def rows(connection: duckdb.DuckDBPyConnection, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    return connection.execute(sql, list(values)).fetchall()


def one(connection: duckdb.DuckDBPyConnection, sql: str, *values: Any) -> Any:
    """The only row; its only value where it has one."""
    (row,) = rows(connection, sql, *values)
    return row[0] if len(row) == 1 else row


def zero_shot(connection: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """The published zero-shot scores, by dataset."""
    sql = "SELECT setting::JSON ->> 'dataset', value FROM reference_result WHERE source = 'FoMo-in-Flux, zero-shot scores'"
    return dict(rows(connection, f"{sql} AND metric IN ('top1', 'r5')"))


def test_again_is_nothing_new(connection: duckdb.DuckDBPyConnection) -> None:
    assert apply(connection) == 0


def test_every_table_of_words_has_rows_of_publications(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    for prefix in ("fomo", "mtil", "tic"):
        for table in ("sequence", "suite", "stream", "recipe", "budget"):
            assert one(
                connection, f"SELECT count(*) FROM {table} WHERE starts_with(name, ?)", prefix
            ), f"{table} {prefix}"


def test_fomo_in_flux_adds_up(connection: duckdb.DuckDBPyConnection) -> None:
    """The sums of the published tables, row by row: the printed total of the adaptation table is another."""
    sums = """SELECT count(*), sum(train_pairs), sum(test_pairs), sum(regexp_extract(note, '(\\d+) classes', 1)::INTEGER)
              FROM suite_member m JOIN dataset d ON d.name = m.dataset WHERE suite = 'fomo_in_flux' AND role = ?"""
    assert one(connection, sums, "adapt") == (41, 1_759_790, 453_062, 18_392)
    assert one(connection, sums, "retain") == (22, 462_171, 314_419, 4_653)
    assert one(connection, "SELECT count(*) FROM dataset WHERE format = 'fomo'") == 63
    roles = rows(
        connection,
        """SELECT role, split_part(note, ';', 1), metric, count(*), count(license), count(DISTINCT location)
           FROM suite_member m JOIN dataset d ON d.name = m.dataset WHERE suite = 'fomo_in_flux' GROUP BY ALL""",
    )
    assert sorted(roles) == [
        ("adapt", "adaptation", "r5", 1, 1, 1),
        ("adapt", "adaptation", "top1", 40, 40, 40),
        ("retain", "retention", "r5", 2, 2, 2),
        ("retain", "retention", "top1", 20, 20, 20),
    ]


def test_every_prompt_has_one_place_for_the_class(connection: duckdb.DuckDBPyConnection) -> None:
    for name, kind, said in rows(
        connection, "SELECT name, kind, templates FROM dataset WHERE format <> 'world'"
    ):
        templates = json.loads(said)
        assert all(template.count("{}") == 1 for template in templates), name
        assert len(templates) == (kind == "classification") or name == "fscoco", name


def test_open_clip_has_every_backbone(connection: duckdb.DuckDBPyConnection) -> None:
    for name, architecture, tag in rows(
        connection,
        "SELECT name, architecture, pretrained FROM backbone WHERE NOT starts_with(architecture, '{')",
    ):
        assert open_clip.get_model_config(architecture), name
        tags = [None, *open_clip.list_pretrained_tags_by_model(architecture)]
        assert tag in tags or tag.endswith(".pt"), name


def test_members_have_a_metric_that_their_kind_has(connection: duckdb.DuckDBPyConnection) -> None:
    """The foreign key sees to the dataset; that accuracy is asked of labels and recall of captions, nothing else does."""
    wrong = rows(
        connection,
        # On the line between two models the metrics are those of a model
        r"""SELECT suite, dataset, regexp_replace(m.metric, '^between\d+_', '') AS counted
           FROM suite_member m JOIN dataset d ON d.name = m.dataset
           WHERE (kind = 'classification') <> (counted = 'top1' OR counted SIMILAR TO 'fewshot[0-9]+_top1')
              OR (kind = 'retrieval') <> (counted SIMILAR TO '(index_|index_shifted_)?r[0-9]+|(all_)?(image_to_text_|text_to_image_)?r[0-9]+')""",
    )
    assert wrong == []


def test_task_zero_gives_the_published_means(connection: duckdb.DuckDBPyConnection) -> None:
    """A_KA = (40 mean accuracy + R@5) / 41, A_ZS = (20 mean accuracy + 2 mean R@5) / 22, by the views and by hand."""
    scores = zero_shot(connection)
    assert len(scores) == 63
    connection.execute("INSERT INTO sequence_concept VALUES ('fomo_random_1', 1, 'dtd', 'banded')")
    trial = one(
        connection,
        """INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed)
           VALUES ('vit_b32_laion2b', 'fomo_random_1_t20', 'fomo_thirds_laion400m', 'finetune', 'fomo_cosine', 'fomo', 1)
           RETURNING id""",
    )
    for name, value in scores.items():
        metric = "r5" if name in RETRIEVAL else "top1"
        connection.execute(
            "INSERT INTO result VALUES (?, 1, 0, 0, ?, ?, 'all', 'deployed', ?, 50, 1)",
            [trial, name, metric, value],
        )
    roles = dict(
        rows(connection, "SELECT dataset, role FROM suite_member WHERE suite = 'fomo_in_flux'")
    )
    assert set(roles) == set(scores)

    def mean(role: str, retrieval: bool) -> float:
        return float(
            np.mean(
                [
                    v
                    for name, v in scores.items()
                    if roles[name] == role and (name in RETRIEVAL) == retrieval
                ]
            )
        )

    a_ka = (40 * mean("adapt", False) + mean("adapt", True)) / 41
    a_zs = (20 * mean("retain", False) + 2 * mean("retain", True)) / 22
    found = one(connection, "SELECT a_ka, a_zs, gm FROM point WHERE trial = ?", trial)
    assert found == pytest.approx((a_ka, a_zs, (a_ka * a_zs) ** 0.5), abs=1e-12)
    derived = "SELECT value FROM reference_result WHERE metric = ? AND source = 'FoMo-in-Flux, zero-shot scores'"
    assert [one(connection, derived, metric) for metric in ("a_ka", "a_zs", "gm")] == pytest.approx(
        found, abs=1e-6
    )


def test_published_numbers_are_what_they_can_be(connection: duckdb.DuckDBPyConnection) -> None:
    said = rows(
        connection, "SELECT source, setting, metric, value, provenance, url FROM reference_result"
    )
    assert {metric for _, _, metric, *_ in said} == ACCURACIES | DIFFERENCES | QUANTITIES
    for source, setting, metric, value, provenance, url in said:
        assert isinstance(json.loads(setting), dict)
        assert provenance in READ, "what is only remembered is no fixture"
        assert url.startswith("https://"), source
        assert (
            value > 0 if metric in QUANTITIES else (0 if metric in ACCURACIES else -1) <= value <= 1
        ), (setting, metric, value)


def test_published_numbers_are_of_what_the_catalog_has(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """A word of a setting that is a name here is one that exists."""
    for word in ("backbone", "dataset", "suite"):
        unknown = rows(
            connection,
            f"""SELECT DISTINCT setting::JSON ->> '{word}' AS said FROM reference_result
                WHERE said IS NOT NULL AND said NOT IN (SELECT name FROM {word})""",
        )
        assert unknown == []


def test_the_budget_gives_every_published_count_of_steps(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """steps = round(B / (T * MAF)), MAF = GFLOP * memory multiplier: 16 methods at four lengths of the stream."""
    total = one(connection, "SELECT total FROM budget WHERE name = 'fomo' AND unit = 'maf_gflops'")
    assert (
        one(connection, "SELECT value FROM reference_result WHERE metric = 'budget_maf_gflops'")
        == total
    )
    found = rows(
        connection,
        """SELECT setting::JSON ->> 'method', (setting::JSON ->> 'tasks')::INTEGER, metric, value
           FROM reference_result WHERE source = 'FoMo-in-Flux, compute' AND provenance = 'seen'""",
    )
    said = {(method, tasks, metric): value for method, tasks, metric, value in found}
    methods = {method for method, *_ in said}
    assert len(methods) == 16
    for method in methods:
        gflops, maf = said[method, None, "step_gflops"], said[method, None, "step_maf_gflops"]
        assert gflops * said[method, None, "memory_multiplier"] == pytest.approx(maf, rel=1e-6)
        for tasks in (20, 50, 100, 200):
            assert round(total / (tasks * maf)) == said[method, tasks, "steps_per_task"], (
                method,
                tasks,
            )
        assert said[method, None, "pairs"] == 512 * said[method, None, "steps"]
    assert said["full-ft", None, "steps"] == one(
        connection, "SELECT total FROM budget WHERE name = 'fomo_steps'"
    )


def test_a_budget_of_published_costs_buys_the_published_steps(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """All 64, by the question and by the rule that a worker applies, whatever our profiles say."""
    published = rows(
        connection,
        """SELECT method, step_gflops, multiplier, steps FROM published_cost
           WHERE backbone = 'vit_b16_laion2b' AND batch_pairs = 512""",
    )
    assert len(published) == 16
    connection.execute(
        """INSERT INTO profile
           SELECT backbone, 'fomo_thirds_laion400m', method, 'fomo_cosine', phase, 1e12, 10
           FROM published_cost, (VALUES ('train'), ('full')) phases(phase)
           WHERE method IN (SELECT name FROM method)"""
    )
    bought = rows(
        connection, "SELECT method, tasks, steps FROM steps WHERE budget = 'fomo_published'"
    )
    steps = {(method, tasks): count for method, tasks, count in bought}
    row = {"name": "b", "unit": "maf_gflops", "total": 1.8e9, "charging": "per_step"}
    named = {name for (name,) in rows(connection, "SELECT name FROM method")}
    assert len({method for method, *_ in published} & named) >= 14
    for method, step_gflops, multiplier, counts in published:
        costs = Profiled.published({"step_gflops": step_gflops, "multiplier": multiplier})
        assert costs.multiplier == multiplier
        for tasks, count in ((one["tasks"], one["steps"]) for one in counts):
            assert steps_per_task(row, tasks, 512, costs) == count
            if method in named:
                assert steps[method, tasks] == count, (method, tasks)


def test_the_matrix_of_zscl_gives_its_summaries(connection: duckdb.DuckDBPyConnection) -> None:
    found = rows(
        connection,
        """SELECT (setting::JSON ->> 'task')::INTEGER AS task, s.position, value
           FROM reference_result r JOIN sequence_concept s ON s.dataset = setting::JSON ->> 'dataset' AND s.sequence = 'mtil_order_1'
           WHERE source = 'ZSCL, MTIL' AND metric = 'top1' ORDER BY task, position""",
    )
    whole = np.array([value for *_, value in found]).reshape(12, 11)
    zero, r = whole[0], whole[1:]
    earlier, later = np.tril_indices(11, -1), np.triu_indices(11, 1)
    expected = {
        "transfer": np.mean([r[:e, e].mean() for e in range(1, 11)]),
        "acc_all": r.mean(),
        "acc_final": r[-1].mean(),
        "acc_learn": np.diag(r).mean(),
        "acc_inc": np.mean([r[t, : t + 1].mean() for t in range(11)]),
        "bwt": (r[-1] - np.diag(r))[:-1].mean(),
        "forgotten_mean": np.mean([r[e:-1, e].max() - r[-1, e] for e in range(10)]),
        "tic_backward": r[earlier].mean(),
        "tic_forward": r[later].mean(),
        "fwt_zs": np.mean([r[e - 1, e] - zero[e] for e in range(1, 11)]),
    }
    derived = dict(
        rows(
            connection,
            "SELECT metric, value FROM reference_result WHERE source = 'ZSCL, MTIL' AND provenance = 'derived'",
        )
    )
    assert derived == pytest.approx(expected, abs=6e-5)


def test_a_task_of_mtil_and_tic_is_a_dataset(connection: duckdb.DuckDBPyConnection) -> None:
    for prefix, counts in (
        ("mtil", {11}),
        ("x_tail", {10}),
        ("tic", {4, 7, 1}),
        ("merge_suite", {8, 14, 20}),
        ("nevis", {6}),
        ("vlcl", {8}),
        ("cmr", {7}),
    ):
        streams = rows(
            connection,
            "SELECT name, tasks, sequence FROM stream WHERE starts_with(name, ?)",
            prefix,
        )
        assert {tasks for _, tasks, _ in streams} == counts
        for name, tasks, sequence in streams:
            concepts = rows(
                connection,
                "SELECT position, dataset FROM sequence_concept WHERE sequence = ? ORDER BY 1",
                sequence,
            )
            assert [position for position, _ in concepts] == list(range(1, len(concepts) + 1))
            assert tasks in (1, len(concepts)), name
    orders = [
        [
            row[0]
            for row in rows(
                connection,
                f"SELECT dataset FROM sequence_concept WHERE sequence = 'mtil_order_{n}' ORDER BY position",
            )
        ]
        for n in (1, 2)
    ]
    assert sorted(orders[0]) == sorted(orders[1]) and orders[0] != orders[1]
    classes = "SELECT sum(regexp_extract(note, '(\\d+) classes', 1)::INTEGER) FROM dataset WHERE starts_with(name, 'mtil_')"
    assert one(connection, classes) == 1201
    spaces = dict(
        rows(
            connection,
            "SELECT DISTINCT suite, label_space FROM suite_member WHERE suite IN ('mtil', 'x_tail')",
        )
    )
    assert spaces == {"mtil": "all", "x_tail": "union"}


def test_windows_of_time_follow_each_other(connection: duckdb.DuckDBPyConnection) -> None:
    windows = rows(
        connection,
        """SELECT s.sequence, list(regexp_extract_all(d.note, '\\d{4}') ORDER BY s.position)
           FROM sequence_concept s JOIN dataset d ON d.name = s.dataset WHERE starts_with(s.sequence, 'tic_') GROUP BY 1""",
    )
    assert len(windows) == 5
    for sequence, years in windows:
        ends = [(int(found[0]), int(found[-1])) for found in years]
        assert all(ends[n][1] + 1 == ends[n + 1][0] for n in range(len(ends) - 1)), sequence


@pytest.mark.parametrize(
    ("scale", "steps", "first", "later"),
    [("medium", 4500, 500, 0), ("large", 22500, 500, 0), ("xlarge", 20500, 10000, 2000)],
)
def test_recipes_warm_up_as_long_as_released(
    connection: duckdb.DuckDBPyConnection, scale: str, steps: int, first: int, later: int
) -> None:
    """In the first step of time, in later ones, in the only one of Oracle, in each of Restart."""
    sql = "SELECT schedule_params, batch_pairs FROM recipe WHERE name = ?"
    params, pairs = one(connection, sql, f"tic_{scale}")
    restart, _ = one(connection, sql, f"tic_{scale}_restart")

    def warmup(said: str, length: int, task: int) -> int:
        """The first step at the full rate, as a recipe's schedule has it."""
        for step in range(length):
            position = schedules.Position(step=step, steps=length, task=task)
            if schedules.cosine(position, **json.loads(said)) > 0.9999:
                return step
        raise AssertionError("the full rate is never reached")

    assert warmup(params, steps, 1) == warmup(params, 7 * steps, 1) == first - 1
    assert warmup(params, steps, 2) == max(later - 1, 0)
    assert warmup(restart, steps, 1) == warmup(restart, steps, 2) == first - 1
    assert (
        one(connection, "SELECT total FROM budget WHERE name = ?", f"tic_{scale}")
        == 7 * steps * pairs
    )


def test_recipes_of_tic_are_those_released(connection: duckdb.DuckDBPyConnection) -> None:
    """What all released configurations have in common."""
    recipes = rows(
        connection,
        """SELECT optimizer, optimizer_params, weight_decay, clip_norm, "precision", schedule
           FROM recipe WHERE starts_with(name, 'tic_')""",
    )
    assert len(recipes) == 6
    for optimizer, params, *others in recipes:
        expected = {"betas": [0.9, 0.98], "eps": 1e-6, "decay": "matrices"}
        assert (optimizer, json.loads(params)) == ("adamw", expected)
        assert others == [0.2, None, "fp16", "cosine"]


# How many concepts of each set the released streams have; ten classes of OpenImages and one of Quilt are in none.
CONCEPTS = {"openimages": 579, "quilt": 156}


def published(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[str]:
    """Class lists and a shuffled stream where the grid expects them, the size of the published ones; the stream's entries."""
    found = rows(
        connection,
        """SELECT name, parse_filename(location), regexp_extract(note, '(\\d+) classes', 1)::INTEGER
           FROM dataset WHERE format = 'fomo' AND note LIKE 'adaptation;%' ORDER BY name""",
    )
    info, streams = (
        folder / "fomo_in_flux/data_lib/00_info",
        folder / "fomo_in_flux/stream_construction",
    )
    info.mkdir(parents=True)
    streams.mkdir()
    entries = []
    for name, place, count in found:
        classes = [f"'{place}' no. {n}, + \"quoted\" é" for n in range(count)]
        (info / f"{place}_classnames.json").write_text(json.dumps(classes, indent=4))
        entries += [f"{place}+++{said}" for said in classes[: CONCEPTS.get(name, count)]]
    np.random.default_rng(0).shuffle(entries)
    (streams / "random_sequence_1.json").write_text(json.dumps(entries, indent=4))
    return entries


def imported(connection: duckdb.DuckDBPyConnection) -> dict[str, grid.Count]:
    text = (GRIDS / "import_stream.sql").read_text()
    return {count.table: count for count in grid.apply(connection, text, "import_stream.sql")}


def test_a_published_stream_is_read_in(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    entries = published(connection, folder)
    assert imported(connection)["sequence_concept"].new == 18_381
    assert imported(connection)["sequence_concept"].new == 0
    found = rows(
        connection,
        """SELECT d.name, parse_filename(location), concept FROM sequence_concept s JOIN dataset d ON d.name = s.dataset
           WHERE sequence = 'fomo_random_1' ORDER BY position""",
    )
    assert [f"{place}+++{concept}" for _, place, concept in found] == entries
    concepts = [(name, concept) for name, _, concept in found]
    assert len(set(concepts)) == 18_381 and len({name for name, _ in concepts}) == 41
    classes = {
        name: json.loads(said)
        for name, said in rows(
            connection, "SELECT name, classes FROM dataset WHERE format = 'fomo'"
        )
    }
    assert all(concept in set(classes[name]) for name, concept in concepts[:200])
    sizes = {
        20: {920: 1, 919: 19},
        50: {368: 31, 367: 19},
        100: {184: 81, 183: 19},
        200: {92: 181, 91: 19},
    }
    for tasks, expected in sizes.items():
        assert (
            one(connection, "SELECT tasks FROM stream WHERE name = ?", f"fomo_random_1_t{tasks}")
            == tasks
        )
        cut = chunks(concepts, tasks)
        assert Counter(map(len, cut)) == expected
        assert [concept for task in cut for concept in task] == concepts


def test_a_stream_read_in_after_images_were_held_out_is_of_the_published_rows(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    """Then two rows lie at one place, and a row of anybody's may be a third."""
    entries = published(connection, folder)
    imported(connection)
    grid.apply(connection, (GRIDS / "fomo_validation.sql").read_text(), "fomo_validation.sql")
    connection.execute("""INSERT INTO dataset (name, format, location, kind, classes)
                          SELECT 'my_own_' || name, format, location, kind, classes FROM dataset WHERE name = 'cub200'""")
    connection.execute(
        "INSERT INTO sequence (name, ordering, source) VALUES ('mine', 'random', 'random_sequence_9.json')"
    )
    (folder / "fomo_in_flux/stream_construction/random_sequence_9.json").write_text(
        json.dumps(entries[::-1])
    )
    text = (
        (GRIDS / "import_stream.sql")
        .read_text()
        .replace("random_sequence_1.json", "random_sequence_9.json")
    )
    grid.apply(connection, text, "import_stream.sql")
    first, mine = (
        rows(
            connection,
            "SELECT dataset, concept FROM sequence_concept WHERE sequence = ? ORDER BY position",
            name,
        )
        for name in ("fomo_random_1", "mine")
    )
    assert mine == first[::-1]


@pytest.mark.parametrize(
    ("name", "entries", "message"),
    [
        ("random_sequence_1", ["ATLANTIS+++fish"], "unknown dataset 'ATLANTIS'"),
        ("my_own_sequence", ["DTD+++banded"], "unknown sequence 'my_own_sequence.json'"),
    ],
)
def test_what_the_catalog_does_not_know_is_said(
    connection: duckdb.DuckDBPyConnection, folder: Path, name: str, entries: list[str], message: str
) -> None:
    published(connection, folder)
    (folder / f"fomo_in_flux/stream_construction/{name}.json").write_text(json.dumps(entries))
    text = (
        (GRIDS / "import_stream.sql").read_text().replace("random_sequence_1.json", f"{name}.json")
    )
    with pytest.raises(grid.GridError, match=message):
        grid.apply(connection, text, "import_stream.sql")
    assert (
        one(
            connection,
            "SELECT count(*) FROM dataset WHERE format = 'fomo' AND classes::VARCHAR <> '[]'",
        )
        == 0
    ), "all or nothing"
