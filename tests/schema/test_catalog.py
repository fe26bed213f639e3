"""The catalog file: one writer, named holders, readers that neither block nor are blocked, nothing lost to kill -9."""

import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from schema.catalog import (
    Catalog,
    CatalogBusyError,
    CatalogMissingError,
    FileLock,
)
from schema.files import network_disk
from schema.publishing import KEEP_SNAPSHOTS, publish, snapshots

ROOT = Path(__file__).resolve().parents[2]


def python(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """A process of its own that runs `code` and says `ready` when it holds what it should."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
    )
    return process


def test_a_missing_catalog_is_said_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with (
        pytest.raises(CatalogMissingError, match="python -m schema"),
        Catalog(tmp_path / "none.duckdb").open(),
    ):
        pass


def test_a_second_process_waits_a_bounded_time_and_names_the_holder(catalog: Catalog) -> None:
    """F9: another command of ours holds the catalog (I11, I16)."""
    holder = python(
        """
        import sys, time
        from pathlib import Path
        from schema.catalog import Catalog
        with Catalog(Path(sys.argv[1])).open():
            print("ready", flush=True)
            time.sleep(60)
        """,
        catalog.path,
    )
    assert holder.stdout and holder.stdout.readline() == "ready\n"
    try:
        with (
            pytest.raises(CatalogBusyError, match=f"PID {holder.pid} "),
            Catalog(catalog.path, wait_s=0.2).open(),
        ):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with Catalog(catalog.path, wait_s=5).open() as connection:  # the dead holder's lock is gone
        assert connection.execute("SELECT count(*) FROM trial").fetchone() == (0,)


def test_a_person_with_the_file_open_is_named_too(catalog: Catalog) -> None:
    """F9: a person's own session holds it (I11, I16)."""
    person = python(
        "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('ready', flush=True); time.sleep(60)",
        catalog.path,
    )
    assert person.stdout and person.stdout.readline() == "ready\n"
    try:
        with (
            pytest.raises(CatalogBusyError, match=rf"(?s)another program.*PID {person.pid}"),
            Catalog(catalog.path, wait_s=0.2).open(),
        ):
            pass
    finally:
        person.kill()
        person.communicate()


def test_one_process_cannot_open_it_twice(catalog: Catalog) -> None:
    with (
        catalog.open(),
        pytest.raises(RuntimeError, match="open in this process already"),
        Catalog(catalog.path).open(),
    ):
        pass


def test_a_transaction_is_all_or_nothing(catalog: Catalog) -> None:
    with pytest.raises(ZeroDivisionError), catalog.transaction() as connection:
        connection.execute("INSERT INTO suite (name) VALUES ('s')")
        raise ZeroDivisionError
    with catalog.open() as connection:
        assert connection.execute("SELECT count(*) FROM suite").fetchone() == (0,)


def test_the_lock_is_free_again_after_an_error(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "x.lock", wait_s=0.1)
    with pytest.raises(ZeroDivisionError), lock.held():
        raise ZeroDivisionError
    with lock.held():
        pass


def test_snapshots_are_swapped_whole_and_the_last_three_kept(
    catalog: Catalog, tmp_path: Path
) -> None:
    """F10: what a reader has open stays whole (I13)."""
    folder = tmp_path / "snapshot"
    for n in range(5):
        with catalog.transaction() as connection:
            connection.execute("INSERT INTO suite (name) VALUES (?)", [f"s{n}"])
        with catalog.open():
            publish(catalog, folder)
        with duckdb.connect(str((folder / "current.duckdb").resolve()), read_only=True) as reader:
            assert reader.execute("SELECT count(*) FROM suite").fetchone() == (n + 1,)
    assert [path.name for path in snapshots(folder)] == [
        f"catalog-{n:06d}.duckdb" for n in (3, 4, 5)
    ]
    assert len(snapshots(folder)) == KEEP_SNAPSHOTS
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_reader_neither_blocks_nor_is_blocked(catalog: Catalog, tmp_path: Path) -> None:
    """F10: the app reads a published copy (I13)."""
    folder = tmp_path / "snapshot"
    with catalog.open():
        publish(catalog, folder)
    with duckdb.connect(str((folder / "current.duckdb").resolve()), read_only=True) as reader:
        with catalog.transaction() as connection:
            connection.execute("INSERT INTO suite (name) VALUES ('later')")
        with catalog.open():
            publish(catalog, folder)
            with duckdb.connect(
                str((folder / "current.duckdb").resolve()), read_only=True
            ) as second:
                assert second.execute("SELECT count(*) FROM suite").fetchone() == (1,)
        assert reader.execute("SELECT count(*) FROM suite").fetchone() == (0,)


def write_many(path: Path, worker: int, count: int) -> None:
    for n in range(count):
        with Catalog(path, wait_s=60).transaction() as connection:
            connection.execute("INSERT INTO suite (name) VALUES (?)", [f"{worker}-{n}"])


def test_writers_in_many_processes_lose_nothing(catalog: Catalog) -> None:
    """F7: writers of many processes take turns (I10)."""
    spawn = multiprocessing.get_context("spawn")
    workers = [
        spawn.Process(target=write_many, args=(catalog.path, worker, 10)) for worker in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with catalog.open() as connection:
        assert connection.execute("SELECT count(DISTINCT name) FROM suite").fetchone() == (40,)


# Each commit as it is by default, taken into the file; in a log that is taken in at times, as sync
# does; and published
WRITERS = {
    "taken in": "with catalog.transaction() as connection: insert(connection, n)",
    "in a log": """
        catalog.log_most_bytes = 700
        with catalog.transaction() as connection: insert(connection, n)
    """,
    "published": """
        with catalog.open() as connection:
            insert(connection, n)
            publish(catalog, catalog.path.parent / "snapshot")
    """,
}


def killed_while_it_commits(catalog: Catalog, writer: str, wait_s: float) -> int:
    """Kill a process that inserts row after row; return how many it said are committed."""
    code = f"""
        import sys
        from pathlib import Path
        from schema.catalog import Catalog
        from schema.publishing import publish
        def insert(connection, n):
            connection.execute("INSERT INTO suite (name) SELECT max(name::INT) + 1 FROM suite")
        for n in range(10_000):
            catalog = Catalog(Path(sys.argv[1]))
            {textwrap.indent(textwrap.dedent(writer), " " * 12).strip()}
            print(n, flush=True)
    """
    process = python(code, catalog.path)
    assert process.stdout
    said = [process.stdout.readline()]
    time.sleep(wait_s)
    os.kill(process.pid, signal.SIGKILL)
    said += process.communicate()[0].splitlines()
    return len(said)


@pytest.mark.parametrize("writer", WRITERS)
def test_kill_9_loses_no_committed_row(catalog: Catalog, writer: str) -> None:
    """F6: kill -9 at random moments of commits and of taking them into the file (I8)."""
    with catalog.transaction() as connection:
        connection.execute("INSERT INTO suite (name) VALUES ('0')")
    committed = 1
    for _ in range(5):
        said = killed_while_it_commits(catalog, WRITERS[writer], random.uniform(0, 0.3))
        with Catalog(catalog.path, wait_s=5).open() as connection:
            found = connection.execute("SELECT count(*) FROM suite").fetchone()
        assert found and found[0] in (committed + said, committed + said + 1)
        (committed,) = found
        # The file alone is the catalog again
        assert not catalog.file.log.exists() and not catalog.file.seal.path.exists()


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def overwrite(path: Path, place: int) -> None:
    """Write other bytes where some lie: 4096 and 8192 are DuckDB's headers, then come blocks."""
    content = bytearray(path.read_bytes())
    for at in range(place, place + 64):
        content[at] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: cut(path, 0),
        lambda path: cut(path, 5000),
        lambda path: cut(path, 500_000),
        lambda path: path.write_text("not a catalog " * 1000),
        lambda path: overwrite(path, 0),
        lambda path: (overwrite(path, 4096), overwrite(path, 8192)),
        lambda path: overwrite(path, 12288 + 100),
    ],
    ids=["empty", "cut", "cut later", "a text", "its name", "its headers", "a block"],
)
def test_a_damaged_catalog_is_said_with_what_to_do(
    catalog: Catalog, damage: Callable[[Path], object]
) -> None:
    """F45: by every command, without a traceback, and the file stays as it is."""
    (catalog.path.parent / "runs").mkdir()
    damage(catalog.path)
    before = catalog.path.read_bytes()
    for words in (["runner.sync"], ["schema"], ["runner.sync", "--dry-run"]):
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=catalog.path.parent.parent,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert done.returncode not in (0, 1) or words == ["schema"], (words, done)
        assert f"{catalog.path} is damaged: " in done.stderr, (words, done.stderr)
        assert "python -m schema --rebuild" in done.stderr and "Traceback" not in done.stderr
    assert catalog.path.read_bytes() == before


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/home/me/lab/c.duckdb", "nfs4"),
        ("/home/me/fast/c.duckdb", None),
        ("/c.duckdb", None),
        ("/homework/c", None),
    ],
)
def test_a_network_disk_is_known(tmp_path: Path, place: str, kind: str | None) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\n/dev/sdb /home/me/fast xfs rw 0 0\n"
    )
    assert network_disk(Path(place), mounts) == kind
    assert network_disk(Path(place), tmp_path / "none") is None


def test_a_lock_of_another_machine_is_not_taken(tmp_path: Path) -> None:
    """F8: on a disk where each machine has locks of its own, a name that is still in the file is all there is to see."""
    path = tmp_path / "sync.lock"
    path.write_text("PID 7 on login2 (python -m runner.sync)\n")
    with (
        pytest.raises(
            CatalogBusyError,
            match="held by PID 7 on login2 .*another machine.*Run sync there; if that process is dead, remove",
        ),
        FileLock(path, 0.1).held(),
    ):
        raise AssertionError
    path.unlink()
    with FileLock(path, 0.1).held():
        assert f" on {socket.gethostname()} " in path.read_text()
    assert path.read_text() == ""  # nobody's any more
