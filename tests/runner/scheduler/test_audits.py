"""The audits of a pass: each broken in turn in a real catalog, reported, shown in `status`, and
gone when it is mended.
"""

import json
import os

import duckdb
import pytest

from runner.run_folder import sha256
from runner.scheduler import audit as audits
from runner.scheduler.audit import audit
from runner.scheduler.report import Report
from schema import declared, publishing
from schema.catalog import Catalog
from schema.questions import all_questions
from schema.site import Site
from schema.summaries import renew
from tests.filled import PAPER, Filled

AUDITS = {question.name for question in all_questions() if question.is_audit}
LAST = "trial = {trial} AND task = 2 AND dataset = 'dogs'"
# Audit -> what breaks it, in a trial that is done
BROKEN = {
    "audit_attempts": "INSERT INTO attempt SELECT trial, 2, spec, spec_id, batch, 0, code, now(), 99, NULL, NULL, NULL FROM attempt WHERE trial = {trial};"
    "INSERT INTO result BY NAME SELECT * REPLACE (2 AS attempt, value + 0.01 AS value) FROM result WHERE "
    + LAST,
    "audit_budget": "UPDATE cost SET steps = 60 WHERE trial = {trial} AND phase = 'train'",
    "audit_code": "UPDATE attempt SET code = 'aaaa' WHERE trial = {trial};"
    "INSERT INTO attempt SELECT trial, 2, spec, spec_id, batch, 0, 'bbbb', now(), 99, NULL, NULL, NULL FROM attempt WHERE trial = {trial};"
    "UPDATE result SET attempt = 2 WHERE trial = {trial} AND task = 2; UPDATE cost SET attempt = 2 WHERE trial = {trial} AND task = 2",
    "audit_duplicates": "INSERT INTO result FROM result WHERE " + LAST,
    "audit_fractions": "UPDATE result SET fraction = 0.1 WHERE " + LAST,
    "audit_imports": "INSERT INTO imported VALUES ({trial}, 'elsewhere', 'theirs.csv', 'aa', 9, 'elsewhere', now())",
    "audit_orphans": "INSERT INTO cost BY NAME SELECT * REPLACE (7 AS attempt) FROM cost WHERE trial = {trial} LIMIT 1",
    "audit_tasks": "DELETE FROM result WHERE trial = {trial} AND task = 0",
    "audit_values": "UPDATE result SET value = 1.5 WHERE " + LAST,
    "definition_drift": "UPDATE attempt SET spec_id = 'abc', spec = json_merge_patch((SELECT spec FROM definition d "
    "WHERE d.trial = {trial}), json_object('seed', 99)) WHERE trial = {trial}",
}


@pytest.fixture
def lab(site: Site, monkeypatch: pytest.MonkeyPatch) -> tuple[Site, list[int]]:
    """A published catalog with three trials that are done and whose receipts are older than the
    snapshot, among ten; it counts as a large one.
    """
    monkeypatch.setattr(audits, "SMALL", 0)
    site.catalog.parent.mkdir(parents=True)
    made = Filled(site.catalog)
    trials = [made.done(PAPER, seed=seed) for seed in range(3)]
    for seed in range(3, 10):
        made.trial(seed=seed)
    made.connection.execute("UPDATE attempt SET spec_id = ''")
    received(made, trials, "TIMESTAMPTZ '2026-01-01'")
    made.connection.close()
    publish(site)
    return site, trials


def received(made: Filled, trials: list[int], when: str = "now()") -> None:
    for trial in trials:
        made.connection.execute(
            f"INSERT INTO ingested VALUES (format('{{:06d}}/01/task-{{:04d}}.json', {trial}, (SELECT count(*) FROM ingested)), 'x', 5, {when})"
        )


def publish(site: Site) -> None:
    """The snapshot of now, as far as an audit looks: its time."""
    catalog = Catalog(site.catalog)
    with catalog.open() as connection:
        declared.export(connection, site.declared)
        renew(connection)
        publishing.publish(catalog, site.snapshot)


def done(site: Site, statements: str, brought: list[int]) -> None:
    """Run statements, and let receipts of these trials have come just now."""
    with Catalog(site.catalog).transaction() as connection:
        for statement in filter(None, statements.split(";")):
            connection.execute(statement)
        for trial in brought:
            connection.execute(
                f"INSERT INTO ingested VALUES ('{trial:06d}/01/again-{os.urandom(4).hex()}.json', 'x', 5, now())"
            )


def found(site: Site, changed: bool = True) -> dict[str, str]:
    """What a pass reports and keeps; `changed`: after somebody has written into the catalog."""
    report = Report(touched=changed)
    with Catalog(site.catalog).open() as connection:
        audit(site, connection, report, changed)
        connection.execute("DELETE FROM problem")
        if report.problems:
            connection.executemany(
                "INSERT INTO problem (subject, message) VALUES (?, ?)", report.problems
            )
    return dict(report.problems)


def test_every_audit_is_broken_here() -> None:
    assert {*BROKEN, "audit_kept", "audit_kept_costs"} == AUDITS


def test_what_is_kept_is_looked_at_in_every_pass_that_changed_something(
    lab: tuple[Site, list[int]],
) -> None:
    site, (_, bad, other) = lab
    done(site, f"UPDATE result SET value = value / 2 WHERE trial = {bad} AND task = 1", [])
    done(
        site,
        f"UPDATE cost SET seconds = seconds + 1 WHERE trial = {bad} AND phase = 'train' AND task = 1",
        [],
    )
    assert found(site, changed=False) == {}
    done(site, "", [other])
    said = found(site)
    assert said["audit_kept"].endswith(f" of trials {bad}. See: python -m queries audit_kept")
    assert (
        said["audit_kept_costs"]
        == f"1 row, of trials {bad}. See: python -m queries audit_kept_costs"
    )
    done(site, "DELETE FROM kept_until", [])
    assert found(site) == {}


@pytest.mark.parametrize("name", BROKEN)
def test_an_audit_is_reported_until_it_is_mended(lab: tuple[Site, list[int]], name: str) -> None:
    site, (first, bad, _) = lab
    with Catalog(site.catalog).open() as connection:
        before = connection.execute(
            "SELECT trial, task, dataset, value FROM result ORDER BY ALL"
        ).fetchall()
        assert connection.execute(f"FROM {name}").fetchall() == [] and len(before) == 45
    done(site, BROKEN[name].format(trial=bad), [first])
    assert name not in found(site), "nothing came for the trial that is broken"
    done(site, "", [bad])
    said = found(site)
    assert said[name].endswith(f"of trials {bad}. See: python -m queries {name}")
    with Catalog(site.catalog).open() as connection:
        assert name in connection.execute("SELECT audits FROM status").fetchall()[0][0]
    publish(site)
    assert found(site, changed=False)[name] == said[name], "it stands while nothing changes"
    done(
        site,
        f"DELETE FROM result WHERE trial = {bad}; DELETE FROM cost WHERE trial = {bad}; DELETE FROM outcome WHERE trial = {bad};"
        f"UPDATE attempt SET spec_id = '' WHERE trial = {bad}; DELETE FROM imported WHERE trial = {bad}",
        [],
    )
    assert name not in found(site)
    with Catalog(site.catalog).open() as connection:
        assert name not in (connection.execute("SELECT audits FROM status").fetchall()[0][0] or "")


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_all_of_a_small_catalog_is_asked_when_anything_came(
    lab: tuple[Site, list[int]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, (first, bad, _) = lab
    monkeypatch.setattr(audits, "SMALL", 100)
    done(site, BROKEN[name].format(trial=bad), [first])
    assert found(site)[name].endswith(f"of trials {bad}. See: python -m queries {name}")


def test_all_of_a_catalog_is_asked_when_most_of_its_trials_came(
    lab: tuple[Site, list[int]],
) -> None:
    site, (first, bad, _) = lab
    with Catalog(site.catalog).transaction() as connection:
        connection.execute("DELETE FROM trial WHERE seed > 3")
        (waiting,) = connection.execute("SELECT id FROM trial WHERE seed = 3").fetchone() or (0,)
    broken = BROKEN["audit_values"].format(trial=bad)
    done(site, broken, [first, waiting])
    assert "audit_values" not in found(site), "half of them, and not those that are wrong"
    done(site, "", [first, waiting, first + 2])
    assert found(site)["audit_values"].endswith(
        f"of trials {bad}. See: python -m queries audit_values"
    )


def test_a_clean_pass_reports_nothing_and_leaves_nothing(lab: tuple[Site, list[int]]) -> None:
    site, trials = lab
    done(site, "", trials)
    assert found(site) == {}
    with Catalog(site.catalog).open() as connection:
        assert connection.execute(
            "SELECT database_name FROM duckdb_databases() WHERE NOT internal"
        ).fetchall() == [("catalog",)]
        assert (
            connection.execute("SELECT table_name FROM duckdb_tables() WHERE temporary").fetchall()
            == []
        )


def test_a_row_edited_under_trials_that_ran_is_looked_into_at_once(
    lab: tuple[Site, list[int]],
) -> None:
    site, _ = lab
    done(
        site,
        "UPDATE attempt SET spec_id = 'abc', spec = (SELECT d.spec FROM definition d WHERE d.trial = attempt.trial)",
        [],
    )
    publish(site)
    done(site, "INSERT INTO method (name) VALUES ('new')", [])
    with Catalog(site.catalog).open() as connection:
        assert declared.edited(connection, site.declared) == []
    assert found(site) == {}
    done(site, "UPDATE recipe SET lr = lr * 2", [])
    with Catalog(site.catalog).open() as connection:
        assert declared.edited(connection, site.declared) == ["recipe"]
    assert set(found(site)) == {"definition_drift"}


def test_an_export_from_before_a_migration_is_compared_by_what_both_have(
    lab: tuple[Site, list[int]],
) -> None:
    """The first pass after an upgrade meets tables with a column that their export lacks."""
    site, _ = lab
    publish(site)
    path = site.declared / "recipe.parquet"
    duckdb.from_parquet(str(path)).project("* EXCLUDE compute_params").write_parquet(
        str(aside := path.with_name("older.parquet"))
    )
    aside.replace(path)
    # As of that version: what it wrote has its digest in the index
    index = site.declared / "declared.json"
    entries = json.loads(index.read_text())
    entries["sha256"]["recipe"] = sha256(path)
    index.write_text(json.dumps(entries))
    done(site, "INSERT INTO recipe (name, lr, batch_pairs) VALUES ('new', 1, 8)", [])
    with Catalog(site.catalog).open() as connection:
        assert declared.edited(connection, site.declared) == []
        connection.execute("UPDATE recipe SET lr = lr * 2")
        assert declared.edited(connection, site.declared) == ["recipe"]


def test_a_catalog_that_was_never_published_is_audited_whole(site: Site) -> None:
    site.catalog.parent.mkdir(parents=True)
    made = Filled(site.catalog)
    trial = made.done([*PAPER[:-1], [0.5, 1.8, 0.4, 0.7]])
    made.connection.close()
    assert set(found(site)) == {"audit_values"}
    assert f"of trials {trial}." in found(site)["audit_values"]


def test_many_trials_are_counted_and_some_named(lab: tuple[Site, list[int]]) -> None:
    site, trials = lab
    done(
        site,
        "INSERT INTO cost BY NAME SELECT c.* REPLACE (100 + n AS trial) FROM (FROM cost LIMIT 1) c, range(8) AS more(n)",
        trials,
    )
    done(site, "INSERT INTO problem (subject, message) VALUES ('audit_orphans', 'before')", [])
    assert (
        found(site)["audit_orphans"]
        == "8 rows, of trials 100, 101, 102, 103, 104 and 3 more. See: python -m queries audit_orphans"
    )
