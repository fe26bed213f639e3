"""Code snapshots: what is queued runs what was submitted, and says so when it does not."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from runner import code_snapshot
from runner.code_snapshot import CodeDriftError


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small checkout of our packages, that `runner.code_snapshot` takes for its own."""
    root = tmp_path / "a tree"
    for package in code_snapshot.PACKAGES:
        (root / package).mkdir(parents=True)
        (root / package / "one.py").write_text(f"PLACE = '{package}'\n")
    monkeypatch.setattr(code_snapshot, "ROOT", root)
    git(root, "init", "-q")
    git(
        root,
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@x",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "empty",
    )
    git(root, "add", "--all")
    git(root, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "-m", "first")
    return root


def git(root: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_snapshot_per_content_shared_by_all_who_run_it(tree: Path, tmp_path: Path) -> None:
    first = code_snapshot.snapshot(tmp_path / "code")
    assert first == code_snapshot.snapshot(
        tmp_path / "code"
    ) and first.name == code_snapshot.identity(first)
    said = json.loads((first / "code.json").read_text())
    assert said == {
        "id": first.name,
        "commit": git(tree, "rev-parse", "HEAD"),
        "dirty": False,
        "patch": None,
    }
    (tree / "README.md").write_text("words change no number")
    (tree / "runner" / "__pycache__").mkdir()
    (tree / "runner" / "__pycache__" / "one.pyc").write_text("nor do these")
    assert code_snapshot.snapshot(tmp_path / "code") == first
    (tree / "methods" / "one.py").write_text("PLACE = 'elsewhere'\n")
    assert code_snapshot.snapshot(tmp_path / "code") != first
    assert not list((tmp_path / "code").glob(".aside*"))


def test_changes_are_kept_as_a_patch_and_the_index_is_left_alone(
    tree: Path, tmp_path: Path
) -> None:
    (tree / "methods" / "one.py").write_text("PLACE = 'changed'\n")
    # Never added: part of the code all the same
    (tree / "methods" / "new.py").write_text("NEW = 1\n")
    before = git(tree, "status", "--porcelain")
    place = code_snapshot.snapshot(tmp_path / "code")
    assert git(tree, "status", "--porcelain") == before
    said = json.loads((place / "code.json").read_text())
    assert said["dirty"] and (place / "methods" / "new.py").read_text() == "NEW = 1\n"
    again = tmp_path / "again"
    git(tmp_path, "clone", "-q", str(tree), str(again))
    git(again, "apply", str(place / said["patch"]))
    # Commit and patch are the code
    assert code_snapshot.identity(again) == place.name
    assert code_snapshot.commit() == f"{said['commit']}-dirty"


def test_without_git_the_copy_is_all_there_is(tree: Path, tmp_path: Path) -> None:
    shutil.rmtree(tree / ".git")
    place = code_snapshot.snapshot(tmp_path / "code")
    assert json.loads((place / "code.json").read_text())["commit"] is None
    assert code_snapshot.commit() is None


def test_other_code_or_packages_are_refused(tree: Path) -> None:
    """F36: before it trains (I12)."""
    mine = code_snapshot.identity(tree)
    code_snapshot.check(mine, "/x", code_snapshot.versions())
    # A folder made by hand
    code_snapshot.check("", "", {})
    with pytest.raises(
        CodeDriftError,
        match=f"submitted with code 0000, but .* is {mine}. Run it from /x, or request a retry",
    ):
        code_snapshot.check("0000", "/x", {})
    with pytest.raises(
        CodeDriftError, match="torch is .*, not 1.0. Install those, or request a retry"
    ):
        code_snapshot.check(mine, "/x", {"torch": "1.0"})


def test_a_snapshot_that_was_touched_is_put_aside(tree: Path, tmp_path: Path) -> None:
    first = code_snapshot.snapshot(tmp_path / "code")
    victim = first / "methods" / "one.py"
    victim.chmod(0o644)
    victim.write_text("PLACE = 'touched'\n")
    assert (
        code_snapshot.snapshot(tmp_path / "code") == first
        and code_snapshot.identity(first) == first.name
    )
    (aside,) = (tmp_path / "code").glob(f"{first.name}.touched*")
    assert (aside / "methods" / "one.py").read_text() == "PLACE = 'touched'\n"
