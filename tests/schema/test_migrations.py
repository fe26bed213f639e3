"""From an older schema to the present one: every row kept, a new file moved into place, nothing half done."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from schema import ddl, migrations
from schema.catalog import Catalog
from schema.migrations import MIGRATIONS, MigrationError, Step, prepare, version_of
from schema.site import Site
from schema.vocabulary import POLICY
from tests.schema.test_grid import AXES, TRIAL

GOLDEN = Path(__file__).parents[1] / "golden"
ROOT = Path(__file__).parents[2]
NOW = MIGRATIONS[-1].version
OLDER = [
    ("study VARCHAR,\n", ""),
    ("total DOUBLE PRECISION NOT NULL", "size DOUBLE PRECISION NOT NULL"),
    ("CHECK (total > 0)", "CHECK (size > 0)"),
]
NEXT = [
    *MIGRATIONS,
    Step(
        len(MIGRATIONS) + 1,
        "study; budget.size is total",
        {"budget": "SELECT * RENAME (size AS total) FROM old.budget"},
    ),
]


@pytest.fixture
def older(site: Site) -> Catalog:
    """A catalog of a schema before this one: no `trial.study`, and `budget.total` had another name."""
    catalog = Catalog(site.catalog, wait_s=5)
    with catalog.open(create=True) as connection:
        for statement in ddl.statements():
            if not statement.startswith("COMMENT"):
                for new, old in OLDER:
                    statement = statement.replace(new, old)
                connection.execute(statement)
        for step in MIGRATIONS:
            connection.execute(
                "INSERT INTO migration (version, name) VALUES (?, ?)", [step.version, step.name]
            )
        for statement in AXES.replace("total", "size").split(";\n"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(TRIAL.format(method="finetune", seed=1))
        connection.execute(TRIAL.format(method="finetune", seed=2))
        connection.execute(
            "INSERT INTO result VALUES (1, 1, 0, 0, 'd', 'top1', 'all', 'deployed', 0.5, 10, 1)"
        )
        connection.execute("CREATE TABLE my_notes AS SELECT 1 AS trial, 'mine' AS said")
        connection.execute(
            "CREATE VIEW my_view AS SELECT said FROM my_notes JOIN trial ON trial.id = my_notes.trial"
        )
    return catalog


def test_every_row_is_kept(older: Catalog) -> None:
    """What people inserted comes along (I14)."""
    assert prepare(older, NEXT) == f"migrated from version {NOW} to {NOW + 1}"
    with older.open() as connection:
        assert version_of(connection) == NOW + 1
        assert connection.execute("SELECT id, seed, study FROM trial ORDER BY id").fetchall() == [
            (1, 1, None),
            (2, 2, None),
        ]
        assert connection.execute("SELECT total FROM budget").fetchall() == [(10.0,)]
        assert connection.execute("SELECT value FROM result").fetchall() == [(0.5,)]
        assert connection.execute("SELECT max(version), count(*) FROM migration").fetchone() == (
            NOW + 1,
            NOW + 1,
        )
        assert connection.execute("FROM my_view").fetchall() == [
            ("mine",)
        ]  # what people added is theirs
        connection.execute(TRIAL.format(method="other", seed=1))
        assert connection.execute("SELECT max(id) FROM trial").fetchone() == (
            3,
        )  # ids go on, none is used twice
        with pytest.raises(duckdb.ConstraintException):
            connection.execute(TRIAL.format(method="no such method", seed=1))
    assert prepare(older, NEXT) == ""


def test_a_row_that_no_longer_fits_stops_it_and_nothing_has_changed(older: Catalog) -> None:
    before = older.path.read_bytes()
    bad = [
        *MIGRATIONS,
        Step(
            NOW + 1,
            "bad",
            {"budget": "SELECT * RENAME (size AS total) REPLACE (-size AS size) FROM old.budget"},
        ),
    ]
    with pytest.raises(MigrationError, match=f"stays at version {NOW}.*does not fit"):
        prepare(older, bad)
    assert older.path.read_bytes() == before
    assert sorted(path.name for path in older.path.parent.iterdir()) == [
        "catalog.duckdb",
        "catalog.lock",
    ]


def test_killed_before_the_move_the_old_file_stands(
    older: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F6: a migration dies, nothing has changed (I8)."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(migrations, "fsync", die)
    with pytest.raises(KeyboardInterrupt):
        prepare(older, NEXT)
    monkeypatch.undo()
    with older.open() as connection:
        assert version_of(connection) == NOW
    assert prepare(older, NEXT) == f"migrated from version {NOW} to {NOW + 1}"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("catalog-v*.sql")), ids=lambda path: path.stem)
def test_every_older_schema_there_was(site: Site, path: Path) -> None:
    """The DDL of each older version, as it was: its rows come along, and what is new has its defaults."""
    version = int(path.stem.partition("-v")[2])
    catalog = Catalog(site.catalog, wait_s=5)
    with catalog.open(create=True) as connection:
        connection.execute(path.read_text())
        for number in range(1, version + 1):
            connection.execute("INSERT INTO migration (version, name) VALUES (?, 'then')", [number])
        connection.execute(AXES)
        connection.execute(
            "INSERT INTO stream (name, sequence, tasks, suite) "
            "SELECT 's_validation', sequence, tasks, suite FROM stream WHERE name = 's'"
        )
        connection.execute("INSERT INTO request (trial, wish) VALUES (1, 'retry')")
        connection.execute(TRIAL.format(method="finetune", seed=1))
        connection.execute(
            "INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position) VALUES (1, 1, '{}', 'x', 'b', 0)"
        )
        keyed = "'', 'm'" if version >= 4 else "'m'"  # by mixture too, since 4
        connection.execute(f"INSERT INTO profile VALUES ('b', {keyed}, 'r', 'train', 2, 3)")
        known = "trial, attempt, task, phase, flops, peak_bytes, seconds, steps, pairs"
        connection.execute(
            f"INSERT INTO cost ({known}) VALUES (1, 1, 1, 'train', 5, NULL, 6, 7, 8)"
        )
    assert prepare(catalog) == f"migrated from version {version} to {NOW}"
    with catalog.open() as connection:
        assert connection.execute("FROM profile").fetchall() == [
            ("b", "", "m", "r", "train", 2.0, 3)
        ]
        assert connection.execute("FROM cost").fetchall() == [
            (1, 1, 1, "train", 5.0, None, 6.0, 7, 8, None, False)
        ]
        assert connection.execute("SELECT trial, batch, code FROM attempt").fetchall() == [
            (1, "b", "")
        ]
        assert dict(connection.execute("SELECT name, value FROM policy").fetchall()) == {
            name: value for name, value, _ in POLICY
        }
        assert connection.execute("SELECT name, validation FROM stream ORDER BY 1").fetchall() == [
            ("s", "s_validation" if version < 8 else None),
            ("s_validation", None),
        ]
        assert connection.execute("SELECT trial, wish, rule FROM request").fetchall() == [
            (1, "retry", None)
        ]
        assert connection.execute("SELECT count(*) FROM todo").fetchone() == (0,)


def test_what_the_vocabularys_backbones_were_pretrained_with_is_filled_in(site: Site) -> None:
    """By the tags of their weights, as rows that are there are never inserted again."""
    catalog = Catalog(site.catalog, wait_s=5)
    with catalog.open(create=True) as connection:
        connection.execute((GOLDEN / "catalog-v8.sql").read_text())
        for number in range(1, 9):
            connection.execute("INSERT INTO migration (version, name) VALUES (?, 'then')", [number])
        for name, tag in (("one", "openai"), ("two", "laion2b_s34b_b79k"), ("mine", None)):
            connection.execute(
                "INSERT INTO backbone (name, architecture, pretrained) VALUES (?, 'ViT-B-32', ?)",
                [name, tag],
            )
    prepare(catalog)
    with catalog.open() as connection:
        found = connection.execute(
            "SELECT name, pretrained_with->>'loss', pretrained_with->>'optimizer' FROM backbone"
        ).fetchall()
    assert sorted(found) == [
        ("mine", None, None),
        ("one", "softmax", "adamw"),
        ("two", "softmax", "adamw"),
    ]


def test_published_numbers_of_a_comparison_are_called_compared(site: Site) -> None:
    """Those of the vocabulary, as rows that are there are never inserted again; no person's own."""
    catalog = Catalog(site.catalog, wait_s=5)
    said = [
        ("CoDyRA, X-TAIL", '{"method": "ZSCL"}', "seen"),
        ("CoDyRA, X-TAIL", '{"method": "CoDyRA"}', "seen"),
        ("CoDyRA, my sums", '{"method": "ZSCL"}', "derived"),
        ("mine", "not JSON", "seen"),
    ]
    with catalog.open(create=True) as connection:
        connection.execute((GOLDEN / "catalog-v9.sql").read_text())
        for number in range(1, 10):
            connection.execute("INSERT INTO migration (version, name) VALUES (?, 'then')", [number])
        for source, setting, provenance in said:
            connection.execute(
                "INSERT INTO reference_result VALUES (?, ?, 'transfer', 0.5, ?, NULL)",
                [source, setting, provenance],
            )
    prepare(catalog)
    with catalog.open() as connection:
        found = connection.execute("SELECT source, setting, provenance FROM reference_result")
        assert sorted(found.fetchall()) == sorted([(*said[0][:2], "compared"), *said[1:]])


def test_listed_shares_of_segments_become_a_mixing(site: Site) -> None:
    """The same list, and no mixing where a task was one segment."""
    catalog = Catalog(site.catalog, wait_s=5)
    listed = [
        {"update": 1.0, "buffer": 0.0, "pretraining": 0},
        {"update": 0.5, "buffer": 0.5, "pretraining": 0},
    ]
    with catalog.open(create=True) as connection:
        connection.execute((GOLDEN / "catalog-v9.sql").read_text())
        for number in range(1, 10):
            connection.execute("INSERT INTO migration (version, name) VALUES (?, 'then')", [number])
        for name, segments in (("in_two", json.dumps(listed)), ("in_one", None)):
            connection.execute(
                "INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, segments) "
                "VALUES (?, 0.75, 0.25, 0, ?)",
                [name, segments],
            )
    prepare(catalog)
    with catalog.open() as connection:
        found = connection.execute("SELECT name, mixing, mixing_params FROM mixture ORDER BY name")
        one, two = found.fetchall()
    assert one == ("in_one", None, "{}")
    assert two[:2] == ("in_two", "listed") and json.loads(two[2]) == {"segments": listed}


def test_a_newer_catalog_is_refused(catalog: Catalog) -> None:
    with catalog.transaction() as connection:
        connection.execute("INSERT INTO migration (version, name) VALUES (99, 'of the future')")
    with pytest.raises(MigrationError, match="version 99.*knows up to"):
        prepare(catalog)


def test_preparing_twice_changes_nothing(catalog: Catalog) -> None:
    before = catalog.path.stat()
    assert prepare(catalog) == ""
    assert catalog.path.stat().st_mtime_ns == before.st_mtime_ns


def test_several_create_it_at_once(tmp_path: Path) -> None:
    """F7: of commands that find no catalog, one creates it and the others use it."""
    code = "import sys; from pathlib import Path; from schema.catalog import Catalog; from schema.migrations import prepare; print(prepare(Catalog(Path(sys.argv[1]))))"
    command = [sys.executable, "-c", code, str(tmp_path / "lab" / "catalog.duckdb")]
    started = [
        subprocess.Popen(
            command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    for process in started:
        said, errors = process.communicate()
        assert process.returncode == 0, errors
        assert said.strip() in ("created", "")
    with Catalog(tmp_path / "lab" / "catalog.duckdb").open() as connection:
        assert version_of(connection) == NOW


def test_what_is_written_before_the_lock_is_held_is_migrated_too(
    older: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit between looking at the version and replacing the file is not lost."""
    rewrite = Catalog.rewrite

    def written_into(catalog: Catalog) -> None:
        rewrite(catalog)
        monkeypatch.setattr(Catalog, "rewrite", rewrite)
        with Catalog(catalog.path, 5, 10**9).transaction() as connection:
            connection.execute("INSERT INTO suite (name) VALUES ('late')")

    monkeypatch.setattr(Catalog, "rewrite", written_into)
    assert prepare(older, NEXT).startswith("migrated")
    with older.open() as connection:
        assert connection.execute("SELECT count(*) FROM suite WHERE name = 'late'").fetchone() == (
            1,
        )
